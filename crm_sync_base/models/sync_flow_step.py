from odoo import _, api, fields, models

from ..lib.saga import Done, Undo


class SyncFlowStep(models.Model):
    """One follow-up of a flow: a job of its own on the record that was applied.

    A module that adds an action adds two methods for it: `_run_<action>(record, job)`
    does it, `_undo_<action>(record, line)` takes it back, and says in
    `_undo_meanings` what taking it back means.
    """

    _name = "sync.flow.step"
    _inherit = ["sync.flow.part.mixin"]
    _description = "Follow-up Step"
    _order = "flow_id, sequence, id"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    sequence = fields.Integer(default=10)
    action = fields.Selection([], required=True, help="What is done with the record.")
    active = fields.Boolean(default=True)
    compensation = fields.Char(
        string="What Undoing Means", compute="_compute_compensation", help="Should a later step fail."
    )

    @api.depends("action")
    def _compute_display_name(self):
        labels = dict(self._fields["action"]._description_selection(self.env))
        for step in self:
            step.display_name = labels.get(step.action, "")

    @api.depends("action")
    def _compute_compensation(self):
        meanings = self._undo_meanings()
        for step in self:
            step.compensation = step.action and meanings.get(step.action, self._no_compensation())

    @api.model
    def _undo_meanings(self):
        """Return `{action: what undoing it means, in a sentence}`."""
        return {}

    @api.model
    def _no_compensation(self):
        return _("Cannot be undone by itself: a person is asked.")

    # === Enqueue ===#

    def _enqueue_for(self, records, parents):
        """Let records enter this flow's steps here; each gets a job.

        A record of which an earlier step is still to be done goes on at that one.

        :param parents: `{record id: job}`, whose correlation the step continues.
        """
        self.ensure_one()
        starts = self.env["sync.saga"]._begin(self, records, parents)
        by_step = {}
        for record in records:
            if record.id in starts:
                line = starts[record.id]
                by_step.setdefault(line.step_id, {})[record] = line
        for step, lines in by_step.items():
            jobs = step._enqueue_lines(lines, parents)
            for line, job_id in zip(lines.values(), jobs):
                line.job_id = job_id

    def _enqueue_lines(self, lines, parents):
        """Enqueue the jobs of this step.

        :param lines: `{record: its sync.saga.step}`.
        :param parents: `{record id: job}`.
        :return: the ids of the jobs, in the order of `lines`.
        """
        self.ensure_one()
        jobs = self.env["sync.job"].sudo()._enqueue(
            [
                {
                    "flow": self.flow_id,
                    "kind": "step",
                    "step": self,
                    "idempotency_key": f"step:{self.id}:{record.id}",
                    "lane_key": f"{record._name}:{record.id}",
                    "priority": max(self.flow_id.priority - 5, 0),
                    "model": record._name,
                    "res_id": record.id,
                    "correlation_id": line.saga_id.correlation_id,
                    "parent_id": parents[record.id].id or None,
                    "name": f"{self.display_name}: {record.display_name}",
                }
                for record, line in lines.items()
            ]
        )
        return [job["id"] for job in jobs]

    def _saga_line(self, story):
        """Return the values of this step's line in a saga, its compensation included."""
        return {
            "saga_id": story.id,
            "kind": "step",
            "step_id": self.id,
            "sequence": self.sequence,
            "name": self.display_name,
            "compensation": self.compensation,
        }

    # === Run ===#

    def _run(self, record, job):
        """Do the step on one record; call the method named after the action.

        A step must find out by itself whether it was done already: it may run
        again after a crash.

        :return: a `Done`; a method that returns a text was effective.
        """
        result = getattr(self, f"_run_{self.action}")(record, job)
        return result if isinstance(result, Done) else Done(result)

    def _undo(self, record, line):
        """Take back what the step did to one record; call `_undo_<action>`.

        Like a step, a compensation must find out by itself whether it was done
        already, and must take back only what `line.effects` names.

        :param line: the `sync.saga.step` that says what was done.
        :return: an `Undo`.
        """
        method = getattr(self, f"_undo_{self.action}", None) if self else None
        if method is None:
            return Undo.person(
                _("There is no way to undo “%s” by itself.", line.name),
                _("Take it back by hand, then mark it as handled."),
            )
        return method(record, line)
