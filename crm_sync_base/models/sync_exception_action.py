from odoo import _, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain

from ..lib import sla
from .sync_exception import OPEN


class SyncExceptionAction(models.Model):
    """The exception desk's buttons."""

    _inherit = "sync.exception"

    # === Whose it is ===#

    def action_acknowledge(self):
        """Take the exceptions: somebody looks at them now."""
        now = fields.Datetime.now()
        for exception in self.filtered(lambda exc: exc.state == "new"):
            exception.write(
                {
                    "state": "acknowledged",
                    "acknowledged_at": exception.acknowledged_at or now,
                    "user_id": exception.user_id.id or self.env.uid,
                }
            )

    def action_assign_to_me(self):
        """Make these exceptions mine."""
        self._assign(self.env.user)

    def _assign(self, user):
        """Give exceptions to somebody; what was new is thereby acknowledged."""
        self.write({"user_id": user.id})
        self.action_acknowledge()

    def action_open_assign(self):
        """Ask whose these exceptions shall be."""
        return self._open_wizard("sync.exception.assign.wizard", _("Assign"))

    def action_escalate(self):
        """Call in who answers for the flow.

        :raises UserError: when none of them is open.
        """
        self._check_open()
        self._escalate(_("%s asks for help with this.", self.env.user.name))

    # === Later ===#

    def action_open_snooze(self):
        """Ask until when these exceptions may sleep."""
        self._check_open()
        return self._open_wizard("sync.exception.snooze.wizard", _("Snooze"))

    def _snooze(self, until, note=""):
        """Let exceptions sleep; the time that was left to resolve them goes on afterwards.

        :raises UserError: when the moment has passed.
        """
        now = fields.Datetime.now()
        if until <= now:
            raise UserError(_("Choose a moment in the future."))
        for exception in self.filtered(lambda exc: exc.state in OPEN):
            awake = exception._awake_deadline(now)
            exception.write(
                {"snooze_until": until, "deadline": sla.postponed(awake, now, until)}
            )
            exception.action_acknowledge()
            if note:
                exception.message_post(body=note)
        self._arm(until)

    def _awake_deadline(self, now):
        """Return the deadline as if the exception were woken now."""
        if not self.snooze_until or self.snooze_until <= now:
            return self.deadline
        return sla.resumed(self.deadline, now, self.snooze_until)

    def action_wake(self):
        """Wake exceptions before their time."""
        now = fields.Datetime.now()
        for exception in self.filtered("snooze_until"):
            exception.write({"deadline": exception._awake_deadline(now), "snooze_until": False})
        self._arm_next()

    # === Closing and undoing it ===#

    def action_open_ignore(self):
        """Ask why these exceptions may be ignored."""
        self._check_open()
        return self._open_wizard("sync.exception.ignore.wizard", _("Ignore"))

    def _ignore(self, reason):
        """Close without a retry; the jobs stay failed and can be found."""
        self._close(
            "ignored",
            "ignored",
            _("Ignored by %(user)s: %(reason)s", user=self.env.user.name, reason=reason),
        )

    def action_resolve(self):
        """Close by hand; the jobs stay as they are."""
        self._check_open()
        self._close("resolved", "person", _("Resolved by %s", self.env.user.name))

    def action_reopen(self):
        """Put closed exceptions back on the desk.

        Where the same cause has an open card by now, the records move to that one.
        """
        now = fields.Datetime.now()
        for exception in self.filtered(lambda exc: exc.state not in OPEN):
            known = self._open_card(
                exception.flow_id,
                exception.connection_id,
                exception.error_code,
                exception.fingerprint,
            )
            if known:
                exception._move_to(known)
                continue
            target = self.env["sync.exception.sla"]._for_cause(
                exception.error_code, exception.flow_id, exception.company_id
            )
            exception.write(
                {
                    "state": "new",
                    "closed_by": False,
                    "closed_at": False,
                    "resolution": False,
                    "escalated_at": False,
                    "deadline": sla.deadline(now, target._hours()),
                }
            )
            exception.message_post(body=_("Put back on the desk by %s.", self.env.user.name))
            self._arm(exception.deadline)

    def _move_to(self, other):
        """Give this card's waiting records to another card of the same cause."""
        self.env["sync.job"].flush_model(["exception_id", "state"])
        self.env.cr.execute(
            "UPDATE sync_job SET exception_id = %s WHERE exception_id = %s AND state = 'failed'",
            [other.id, self.id],
        )
        self.env["sync.job"].invalidate_model(["exception_id"])
        (self | other).invalidate_recordset(["job_ids", "job_count", "amount_at_risk"])
        self.message_post(body=_("Its records wait on the open card of the same cause now."))
        other.message_post(body=_("Took over the records of a closed card of the same cause."))

    # === Retry ===#

    def action_retry(self):
        """Run every failed job of these exceptions again.

        Where something would keep them waiting (a provider that is failing, a paused
        connection or flow), it says so and asks first.

        :raises AccessError: for who may not work on jobs.
        :raises UserError: when no record waits for them.
        """
        self._check_operator()
        if not self.env["sync.job"].search_count(self._failed_domain(), limit=1):
            raise UserError(
                _(
                    "There is nothing to retry: no record waits for this card. Open it and do what it says. "
                    "Resolve closes it by hand."
                )
                if len(self) == 1
                else _(
                    "There is nothing to retry: no record waits for these cards. Open each and do what it says. "
                    "Resolve closes them by hand."
                )
            )
        return self.env["sync.job"]._ask_and_retry(self._failed_domain())

    def _retry_all(self):
        """Retry every failed job of these exceptions.

        :return: how many.
        """
        self._check_operator()
        count = self.env["sync.job"]._retry_found(self._failed_domain())
        self.invalidate_recordset(["retrying_count"])
        return count

    def _failed_domain(self):
        """Return the domain of the jobs that wait for a person because of these exceptions."""
        return Domain("exception_id", "in", self.ids) & Domain("state", "=", "failed")

    # === Fix ===#

    def action_fix(self):
        """Go where the cause is put right."""
        self.ensure_one()
        return {
            "dialog": lambda: self.env["sync.exception.fix.wizard"]._action(self),
            "retry": self.action_retry,
            "connect": self._action_connection,
            "ask": self._action_ask,
            "match": self._action_record,
            "record": self._action_record,
            "schedule": self._action_lanes,
            "job": self._action_job,
        }.get(self._main_fix(), self._action_source)()

    def _latest_job(self):
        job = self.sample_ids[:1]
        if not job:
            raise UserError(_("No record waits for this exception any more."))
        return job

    def _action_connection(self):
        return self._form("sync.connection", self.connection_id.id)

    def _action_ask(self):
        """Call in who may do it, once."""
        person = self.activity_ids.filtered("automated").user_id[:1]
        if person:
            return self._notify(_("%s has a task for this already.", person.name))
        self.action_escalate()
        return self._notify(
            _("%s got a task for this.", self.activity_ids.filtered("automated").user_id[:1].name), "success"
        )

    def _action_lanes(self):
        if self.env["sync.lane"].has_access("read"):
            return self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_lane")
        raise AccessError(_("Ask an integration manager to look at the lanes."))

    def _action_record(self):
        """Open the Odoo record that must be corrected."""
        fix = self.fix_ids.filtered(lambda one: not one.is_done)[:1]
        return fix.action_fix() if fix else self._latest_job().action_open_record()

    def _action_source(self):
        """Open the remote record where its address is known; else the job."""
        if not self.sample_ids and self.connection_id:
            return self._action_connection()
        job = self._latest_job()
        # A deal may wait for its customer: then it is the customer who must be corrected.
        culprit = (job.error_details or {}).get("culprit") or (job.remote_object, job.external_id)
        url = culprit[1] and self.connection_id._connector()._record_url(self.connection_id, *culprit)
        if url:
            return {"type": "ir.actions.act_url", "url": url, "target": "new"}
        return self._form("sync.job", job.id)

    def _action_job(self):
        if not self.sample_ids and self.connection_id:
            return self._action_connection()
        return self._form("sync.job", self._latest_job().id)

    def _form(self, model, res_id):
        return {
            "type": "ir.actions.act_window",
            "res_model": model,
            "res_id": res_id,
            "view_mode": "form",
            "views": [(False, "form")],
        }

    # === Looking around ===#

    def action_open_trace(self):
        """Open the story of the latest job that waits for this exception."""
        self.ensure_one()
        job = self.sample_ids[:1] or self.env["sync.job"].search(
            [("exception_id", "=", self.id)], limit=1
        )
        return self.env["sync.trace"]._action(job.correlation_id)

    def action_open_jobs(self):
        """Open the jobs of this cause."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        action["domain"] = [("exception_id", "in", self.ids)]
        action["context"] = {"search_default_failed": 1} if sum(self.mapped("job_count")) else {}
        return action

    def action_open_runbook(self):
        """Open the runbook of this kind of error."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/crm_sync/runbook/{self.error_code}",
            "target": "new",
        }

    # === Helpers ===#

    def _check_open(self):
        """Refuse a button on cards that are all closed."""
        if not self.filtered(lambda exc: exc.state in OPEN):
            raise UserError(_("This is closed already. Reopen it first."))

    def _check_operator(self):
        """Refuse who may look but not retry."""
        self.check_access("write")
        self.env["sync.job"].check_access("write")

    def _open_wizard(self, model, name):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_exception_ids": self.ids},
        }

    def _notify(self, message, kind="info"):
        """Return a passing message; the view behind it is read anew."""
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": kind,
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }
