from datetime import timedelta

from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib.errors import AuthFailed, MappingMissing, Misconfigured
from ..lib.fingerprint import fingerprint

OPEN = ("new", "acknowledged")
SLA_HOURS = 24


class SyncException(models.Model):
    """The exception desk: one card for each cause, not for each failed job."""

    _name = "sync.exception"
    _description = "Exception"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "state_order, last_seen desc, id desc"

    name = fields.Char(required=True, readonly=True)
    state = fields.Selection(
        [
            ("new", "New"),
            ("acknowledged", "Acknowledged"),
            ("resolved", "Resolved"),
            ("ignored", "Ignored"),
        ],
        default="new",
        required=True,
        tracking=True,
        index=True,
        group_expand=True,
    )
    state_order = fields.Integer(compute="_compute_state_order", store=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    error_code = fields.Selection("_selection_error_code", string="Error Class", readonly=True)
    fingerprint = fields.Char(readonly=True)
    message = fields.Text(string="What Happened", readonly=True)
    hint = fields.Text(string="What to Do", readonly=True)
    job_ids = fields.One2many("sync.job", "exception_id", string="Jobs", readonly=True)
    job_count = fields.Integer(string="Waiting", compute="_compute_job_count", store=True)
    first_seen = fields.Datetime(readonly=True)
    last_seen = fields.Datetime(readonly=True)
    deadline = fields.Datetime(readonly=True)
    is_late = fields.Boolean(compute="_compute_is_late")
    user_id = fields.Many2one("res.users", string="Owner", tracking=True)
    resolution = fields.Char(readonly=True, tracking=True)
    color = fields.Integer(compute="_compute_is_late")

    _one_open = models.UniqueIndex(
        "(connection_id, flow_id, error_code, fingerprint) NULLS NOT DISTINCT "
        "WHERE state IN ('new', 'acknowledged')",
        "This cause is on the desk already.",
    )

    @api.model
    def _selection_error_code(self):
        return self.env["sync.job"]._selection_error_code()

    @api.depends("state")
    def _compute_state_order(self):
        order = [key for key, _label in self._fields["state"].selection]
        for exception in self:
            exception.state_order = order.index(exception.state)

    @api.depends("job_ids.state")
    def _compute_job_count(self):
        for exception in self:
            exception.job_count = len(exception.job_ids.filtered(lambda job: job.state == "failed"))

    @api.depends("deadline", "state")
    def _compute_is_late(self):
        now = fields.Datetime.now()
        for exception in self:
            late = exception.state in OPEN and exception.deadline and exception.deadline < now
            exception.is_late = bool(late)
            exception.color = 1 if late else 0

    # === Engine ===#

    @api.model
    def _raise_for_job(self, job, error):
        """Return the exception of a dead job's cause, new or known."""
        return self._raise(job.flow_id, job.connection_id, error)

    @api.model
    def _raise_for_connection(self, connection, error):
        """Return the one exception of a connection that cannot work."""
        return self._raise(self.env["sync.flow"], connection, error)

    def _raise(self, flow, connection, error):
        now = fields.Datetime.now()
        cause = fingerprint([error.code, error.fingerprint])
        existing = self.search(
            [
                ("connection_id", "=", connection.id),
                ("flow_id", "=", flow.id),
                ("error_code", "=", error.code),
                ("fingerprint", "=", cause),
                ("state", "in", OPEN),
            ],
            limit=1,
        )
        if existing:
            existing.write({"last_seen": now, "message": error.message, "hint": error.hint})
            return existing
        return self.create(
            {
                "name": error.message[:200],
                "connection_id": connection.id,
                "flow_id": flow.id,
                "company_id": connection.company_id.id,
                "error_code": error.code,
                "fingerprint": cause,
                "message": "\n".join(error.problems) or error.message,
                "hint": error.hint,
                "first_seen": now,
                "last_seen": now,
                "deadline": now + timedelta(hours=SLA_HOURS),
                "user_id": flow.owner_id.id,
            }
        )

    def _close_if_empty(self):
        """Resolve exceptions whose jobs have all succeeded since."""
        self.invalidate_recordset(["job_count"])
        empty = self.filtered(
            lambda exc: exc.state in OPEN and exc.flow_id
            and not exc.job_ids.filtered(lambda job: job.state == "failed")
        )
        empty._resolve_by_itself(_("Every record went through since."))

    def _resolve_by_itself(self, why):
        self.write({"state": "resolved", "resolution": _("By itself: %s", why)})

    # === Actions ===#

    def action_acknowledge(self):
        """Take the exception: it is mine now."""
        for exception in self.filtered(lambda exc: exc.state == "new"):
            exception.write(
                {"state": "acknowledged", "user_id": exception.user_id.id or self.env.uid}
            )

    def action_retry(self):
        """Run every failed job of these exceptions again."""
        jobs = self.job_ids.filtered(lambda job: job.state == "failed")
        jobs.action_retry()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"type": "info", "message": _("%s jobs run again.", len(jobs))},
        }

    def action_ignore(self):
        """Close without a retry; the jobs stay failed and can be found."""
        self.write({"state": "ignored", "resolution": _("Ignored by %s", self.env.user.name)})

    def action_open_ignore(self):
        """Ask why these exceptions may be ignored."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Ignore"),
            "res_model": "sync.exception.ignore.wizard",
            "view_mode": "form",
            "target": "new",
            "context": {"default_exception_ids": self.ids},
        }

    def action_resolve(self):
        """Close by hand."""
        self.write({"state": "resolved", "resolution": _("Resolved by %s", self.env.user.name)})

    def action_fix(self):
        """Open what must be corrected: the connection, the mapping or the record."""
        self.ensure_one()
        return {
            AuthFailed.code: self._action_connection,
            Misconfigured.code: self._action_connection,
            MappingMissing.code: self._action_mapping,
        }.get(self.error_code, self._action_source)()

    def _action_connection(self):
        return self._form("sync.connection", self.connection_id.id)

    def _action_mapping(self):
        return {
            "type": "ir.actions.act_window",
            "name": _("Value Maps"),
            "res_model": "sync.value.map",
            "view_mode": "list,form",
            "domain": [("connection_id", "=", self.connection_id.id)],
        }

    def _action_source(self):
        """Open the remote record, where its address is known; else the job."""
        job = self.job_ids.filtered(lambda job: job.state == "failed")[:1]
        if not job:
            raise UserError(_("No job waits for this exception any more."))
        url = job.external_id and self.connection_id._connector()._record_url(
            self.connection_id, job.remote_object, job.external_id
        )
        if url:
            return {"type": "ir.actions.act_url", "url": url, "target": "new"}
        return self._form("sync.job", job.id)

    def _form(self, model, res_id):
        return {
            "type": "ir.actions.act_window",
            "res_model": model,
            "res_id": res_id,
            "view_mode": "form",
        }

    def action_open_trace(self):
        """Open the story of the latest job that waits for this exception."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.job_ids[:1].correlation_id)

    def action_open_jobs(self):
        """Open the failed jobs of this cause."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        action["domain"] = [("exception_id", "in", self.ids)]
        action["context"] = {}
        return action
