import logging
from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from odoo.tools import plaintext2html

from ..lib import clock, saga

_logger = logging.getLogger(__name__)

STATES = [
    (saga.PENDING, "To Do"),
    (saga.DONE, "Done"),
    (saga.FAILED, "Failed"),
    (saga.HANDLED, "Done by Hand"),
    (saga.SKIPPED, "Not Run"),
    (saga.UNDOING, "Being Undone"),
    (saga.UNDONE, "Undone"),
    (saga.KEPT, "Kept"),
    (saga.PERSON, "To Undo by Hand"),
]
JOINED = 10_000  # steps that other flows did come after all of the flow's own


class SyncSagaStep(models.Model):
    """One step of one saga: what it did, and what undoing it means or led to."""

    _name = "sync.saga.step"
    _description = "Saga Step"
    _order = "saga_id, sequence, id"

    saga_id = fields.Many2one("sync.saga", required=True, readonly=True, ondelete="cascade", index=True)
    sequence = fields.Integer(readonly=True)
    kind = fields.Selection(
        [("record", "Record"), ("step", "Step"), ("joined", "Of Another Flow")], required=True, readonly=True
    )
    name = fields.Char(string="Step", readonly=True)
    step_id = fields.Many2one("sync.flow.step", string="Step of the Flow", readonly=True, ondelete="set null")
    flow_id = fields.Many2one("sync.flow", string="Other Flow", readonly=True, ondelete="set null")
    model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(string="Odoo Record", model_field="model", readonly=True)
    company_id = fields.Many2one(related="saga_id.company_id", store=True, index=True)
    state = fields.Selection(STATES, default=saga.PENDING, required=True, readonly=True, index=True)

    # === Forward ===#
    effective = fields.Boolean(readonly=True, help="It left something behind that undoing would have to take back.")
    effects = fields.Json(readonly=True)
    summary = fields.Char(string="What Was Done", readonly=True)
    job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index=True)
    exception_id = fields.Many2one(related="job_id.exception_id")
    error_code = fields.Selection("_selection_error_code", string="Kind of Error", readonly=True)
    error_message = fields.Text(readonly=True)
    error_hint = fields.Text(readonly=True)
    done_at = fields.Datetime(readonly=True)

    # === Backward ===#
    compensation = fields.Text(string="What Undoing Means", readonly=True)
    undo_job_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index=True)
    undo_summary = fields.Char(string="What Was Undone", readonly=True)
    undo_hint = fields.Text(readonly=True)
    undone_at = fields.Datetime(readonly=True)

    # === A person ===#
    user_id = fields.Many2one("res.users", string="Handled By", readonly=True)
    note = fields.Char(readonly=True)
    activity_id = fields.Many2one("mail.activity", readonly=True, ondelete="set null")

    outcome = fields.Char(compute="_compute_outcome")

    _step_once = models.UniqueIndex(
        "(saga_id, step_id) WHERE step_id IS NOT NULL", "A step is in a saga once."
    )
    _joined_once = models.UniqueIndex(
        "(saga_id, flow_id, model, res_id) WHERE kind = 'joined'", "It joined this saga already."
    )

    @api.model
    def _selection_error_code(self):
        return self.env["sync.job"]._selection_error_code()

    @api.depends("name", "saga_id.name")
    def _compute_display_name(self):
        for line in self:
            line.display_name = f"{line.name}: {line.saga_id.name or ''}"

    @api.depends("state", "summary", "error_message", "undo_summary", "note")
    def _compute_outcome(self):
        """One line for lists: what came of the step, as it stands."""
        for line in self:
            line.outcome = {
                saga.FAILED: line.error_message,
                saga.HANDLED: line._by_hand(),
                saga.UNDONE: line.undo_summary or line._by_hand(),
                saga.KEPT: line.undo_summary or line.summary,
                saga.PERSON: line.undo_summary,
                saga.SKIPPED: line.note,
            }.get(line.state, line.summary)

    def _by_hand(self):
        if not self.user_id:
            return self.summary
        return _("%(user)s: %(note)s", user=self.user_id.name, note=self.note or "")

    def _trouble(self):
        """Return what happened, where the step needs a person."""
        return self.error_message if self.state == saga.FAILED else self.undo_summary

    def _timeline_entry(self):
        """Return what the drawing of the steps shows of this one."""
        moment = self.undone_at or self.done_at
        return {
            "id": self.id,
            "name": self.name or "",
            "state": self.state,
            "label": dict(self._fields["state"]._description_selection(self.env))[self.state],
            "outcome": self.outcome or "",
            "at": moment.isoformat(timespec="seconds") if moment else "",
        }

    # === Finding ===#

    @api.model
    def _of_job(self, job):
        """Return the line that a job works on, or an empty recordset."""
        lines = self.sudo()
        if job._undoes():
            return lines.browse(job.payload["undo"]).exists()
        if job.kind == "push":
            return lines._join(job)
        if job.kind != "step" or not job.step_id or not job.res_id:
            return lines
        domain = [
            ("step_id", "=", job.step_id.id),
            ("saga_id.model", "=", job.model),
            ("saga_id.res_id", "=", job.res_id),
        ]
        return lines.search(domain, limit=1)

    @api.model
    def _join(self, job):
        """Return the line of what another flow did, in the saga of the same story.

        A new one is made where the story has a saga. What concerns a record that the
        provider does not know, and did not refuse, is no step of anything.
        """
        lines = self.sudo()
        handler = job.flow_id._handler("push")
        if not handler._is_story_step() or not job.correlation_id:
            return lines
        story = lines.env["sync.saga"].search(
            [("correlation_id", "=", job.correlation_id)], order="id", limit=1
        )
        known = story.step_ids.filtered(
            lambda line: line.kind == "joined" and line.flow_id == job.flow_id
            and (line.model, line.res_id) == (job.model, job.res_id)
        )
        if known or not story or (job.state != "failed" and not handler._has_effect(job)):
            return known
        return lines.create(
            {
                "saga_id": story.id,
                "kind": "joined",
                "sequence": JOINED + len(story.step_ids),
                "name": job.name,
                "flow_id": job.flow_id.id,
                "model": job.model,
                "res_id": job.res_id,
                "compensation": handler._undo_meaning(),
            }
        )

    def _all_jobs(self):
        """Return every job, first runs and repetitions alike, of these lines."""
        jobs = self.job_id | self.undo_job_id
        same = self.env["sync.job"].search([("idempotency_key", "in", jobs.mapped("idempotency_key"))])
        return jobs | same

    # === Forward ===#

    def _await(self):
        """Wait for the next run; what earlier runs left behind is not forgotten."""
        self._clear_activity(_("The step runs again."))
        self.write(
            {
                "state": saga.PENDING,
                "error_code": False,
                "error_message": False,
                "error_hint": False,
                "undo_summary": False,
                "undo_hint": False,
                "undone_at": False,
                "user_id": False,
                "note": False,
            }
        )

    def _enqueue_run(self, record, parent):
        """Enqueue the job of this step.

        :param parent: the job that it follows.
        """
        self.job_id = self.step_id._enqueue_lines({record: self}, {record.id: parent})[0]

    def _note_done(self, job, result):
        """Store what the step did, in the transaction that did it."""
        self._clear_activity(_("The step succeeded."))
        effects = [list(pair) for pair in result.effects]
        known = [pair for pair in self.effects or [] if pair not in effects]
        self.write(
            {
                "state": saga.DONE,
                "effective": self.effective or result.effective,
                "effects": known + effects,
                "summary": result.summary if result.effective or not self.summary else self.summary,
                "job_id": job.id,
                "done_at": clock.now(),
                "error_code": False,
                "error_message": False,
                "error_hint": False,
                "user_id": False,
                "note": False,
            }
        )

    def _note_failure(self, job, what, hint):
        """Store that the step's job gave up, or was given up, and ask a person."""
        vals = {
            "state": saga.FAILED,
            "job_id": job.id,
            "error_code": job.error_code,
            "error_message": what,
            "error_hint": hint,
        }
        if self.kind == "joined" and job.flow_id._handler("push")._is_uncertain(job):
            vals.update(effective=True, summary=_("Nobody knows whether it took effect"))
        self.write(vals)
        self._ask(what, hint, job.error_code)

    def _note_joined(self, job):
        """Store what another flow did for the same story."""
        self._note_done(job, saga.Done(job.summary or job.name, ((job.model, job.res_id),)))

    # === Backward ===#

    def _settle_without_effect(self, state):
        """Leave a step behind that has nothing to take back."""
        self._clear_activity(_("The steps before it are undone."))
        vals = {"state": state}
        if state == saga.KEPT and self.kind == "step":
            vals["undo_summary"] = _("Nothing to take back: it was not this flow that did it.")
        elif state == saga.KEPT:
            vals["undo_summary"] = self.compensation
        self.write(vals)

    def _enqueue_undo(self, parent=None):
        """Enqueue the compensation of this step.

        :param parent: the job that led to it.
        """
        self.ensure_one()
        story = self.saga_id
        self.write({"state": saga.UNDOING, "undo_summary": False, "undo_hint": False})
        (job,) = self.env["sync.job"].sudo()._enqueue(
            [
                {
                    "flow": story.flow_id,
                    "kind": "step",
                    "step": self.step_id,
                    "idempotency_key": f"undo:{self.id}",
                    "lane_key": f"{story.model}:{story.res_id}",
                    "priority": max(story.flow_id.priority - 5, 0),
                    "model": story.model,
                    "res_id": story.res_id,
                    "payload": {"undo": self.id},
                    "correlation_id": story.correlation_id,
                    "parent_id": parent.id if parent else None,
                    "name": _("Undo %(step)s: %(record)s", step=self.name, record=story.name),
                }
            ]
        )
        self.undo_job_id = job["id"]

    def _undo(self, env):
        """Run the compensation.

        :param env: of the connection's service user.
        :return: an `Undo`.
        """
        self.ensure_one()
        subject = self if self.kind == "joined" else self.saga_id
        record = env[subject.model].browse(subject.res_id).exists()
        if self.user_id:
            return self._undo_by_hand()
        if not record:
            return saga.Undo.undone(_("The record was deleted; nothing is left to take back."))
        if self.kind == "joined":
            return self.flow_id._handler("push")._undo(self.flow_id, self.with_env(env(su=True)), record)
        return self.step_id.with_env(env(su=True))._undo(record, self)

    def _undo_by_hand(self):
        return saga.Undo.person(
            _("%(user)s did this by hand: %(note)s", user=self.user_id.name, note=self.note or ""),
            _("Take it back by hand, then mark it as handled."),
        )

    def _settle_undo(self, job, verdict):
        """Store what became of the compensation, in the transaction that did it."""
        self._clear_activity(_("It was undone."))
        self.write(
            {
                "state": verdict.state,
                "effective": False,
                "effects": False,
                "undo_job_id": job.id,
                "undo_summary": verdict.summary,
                "undo_hint": False,
                "undone_at": clock.now(),
            }
        )

    def _refuse_undo(self, why, hint, job):
        """The compensation is not possible by itself: hand it to a person."""
        self.write(
            {
                "state": saga.PERSON,
                "undo_job_id": job.id,
                "undo_summary": why,
                "undo_hint": hint,
                "undone_at": False,
            }
        )
        self._ask(why, hint, job.error_code, undo=True)

    # === A person ===#

    def _ask(self, what, hint, error_code, undo=False):
        """Give the person in charge of such errors a task on the record, once.

        Where the person may not see the record, the task is on the saga. What happened
        is stored and on the exception desk: without a task it is not lost.
        """
        self._clear_activity(_("It failed again."))
        story = self.saga_id
        user = story.flow_id._person_for(error_code, self.job_id.exception_id)
        record = self.env[story.model].browse(story.res_id).exists()
        target = record if "activity_ids" in record._fields and _may_read(record, user) else story
        deadline = self.job_id.exception_id.deadline or clock.now() + timedelta(days=1)
        title = _("Undo by hand: %s", self.name) if undo else _("Failed: %s", self.name)
        try:
            with self.env.cr.savepoint():
                self.activity_id = target.with_context(mail_activity_quick_update=True).activity_schedule(
                    "mail.mail_activity_data_todo",
                    date_deadline=deadline.date(),
                    summary=title,
                    note=plaintext2html("\n".join(filter(None, [what, hint]))),
                    user_id=user.id,
                )
        except UserError:
            _logger.exception("Synchronisation: nobody could be asked about %s", story.display_name)

    def _clear_activity(self, feedback):
        """Close the task of a step that needs nobody any more."""
        for line in self:
            activity = line.activity_id
            if activity.active:  # else the person has closed it already
                activity.with_context(mail_activity_quick_update=True).action_feedback(feedback=feedback)
            line.activity_id = False

    def _try_again(self):
        """Run the step, or its compensation, once more."""
        self.ensure_one()
        if self.state == saga.PERSON:
            self._clear_activity(_("Tried again."))
            self._enqueue_undo(self.undo_job_id)
            return
        failed = self.job_id
        self._await()
        if failed.state == "failed":
            failed._retry()  # a new job, linked to the one that failed
            return
        record = self.env[self.saga_id.model].browse(self.saga_id.res_id)
        self._enqueue_run(record, failed)

    def _handled(self, note, goes_on):
        """A person did what this step, or its compensation, should have done.

        :param note: what was done, in the person's words.
        :param goes_on: whether the other steps follow.
        """
        self.ensure_one()
        story = self.saga_id
        now = clock.now()
        self._clear_activity(note)
        by = {"user_id": self.env.uid, "note": note}
        if self.state == saga.PERSON:
            self.write(
                {**by, "state": saga.UNDONE, "effective": False, "effects": False, "undo_summary": False,
                 "undone_at": now}
            )
            story._close_job(self.undo_job_id, note)
            story._continue_back(self.undo_job_id)
            return
        self.write({**by, "state": saga.HANDLED, "effective": True, "done_at": now})
        story._close_job(self.job_id, note)
        if not goes_on:
            rest = story.step_ids.filtered(lambda line: line.state == saga.PENDING)
            rest.write({"state": saga.SKIPPED, "note": note})
        story._advance(self, self.job_id)

    def action_handle(self):
        """Ask what was done by hand."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Handled by Hand"),
            "res_model": "sync.saga.handle.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_step_id": self.id},
        }

    def action_open_job(self):
        """Open the job that ran the step last, or its compensation."""
        self.ensure_one()
        job = self.undo_job_id or self.job_id
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.job",
            "res_id": job.id,
            "view_mode": "form",
        }


def _may_read(record, user):
    companies = {"allowed_company_ids": user.company_ids.ids}
    return record.with_user(user).with_context(**companies).has_access("read")
