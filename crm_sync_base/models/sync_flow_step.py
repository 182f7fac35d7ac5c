from odoo import api, fields, models


class SyncFlowStep(models.Model):
    """One follow-up of a flow: a job of its own on the record that was applied."""

    _name = "sync.flow.step"
    _description = "Follow-up Step"
    _order = "flow_id, sequence, id"

    flow_id = fields.Many2one("sync.flow", required=True, ondelete="cascade", index=True)
    sequence = fields.Integer(default=10)
    action = fields.Selection([], required=True, help="What is done with the record.")
    active = fields.Boolean(default=True)

    @api.depends("action")
    def _compute_display_name(self):
        labels = dict(self._fields["action"]._description_selection(self.env))
        for step in self:
            step.display_name = labels.get(step.action, "")

    def _enqueue_for(self, records, parents):
        """Enqueue this step for records.

        :param parents: `{record id: job}`, whose correlation the step continues.
        """
        self.ensure_one()
        self.env["sync.job"]._enqueue(
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
                    "correlation_id": parents[record.id].correlation_id,
                    "parent_id": parents[record.id].id,
                    "name": f"{self.display_name}: {record.display_name}",
                }
                for record in records
            ]
        )

    def _next(self):
        """Return the step that follows, or an empty recordset."""
        steps = self.flow_id.step_ids.filtered("active")
        later = steps.filtered(lambda step: (step.sequence, step.id) > (self.sequence, self.id))
        return later[:1]

    def _run(self, record, job):
        """Do the step on one record; call the method named after the action.

        A step must find out by itself whether it was done already: it may run
        again after a crash.

        :return: what was done, in words.
        """
        return getattr(self, f"_run_{self.action}")(record, job)
