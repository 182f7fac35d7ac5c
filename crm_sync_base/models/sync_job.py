from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib.errors import ERROR_CLASSES

KINDS = [
    ("record", "Record"),
    ("page", "Page of Records"),
    ("poll", "Look for Changes"),
    ("load", "List Records"),
    ("push", "Write to Provider"),
    ("step", "Follow-up Step"),
    ("undo", "Undo Changes"),
]
STATES = [
    ("pending", "Waiting"),  # may be claimed from `eta` on
    ("running", "Running"),  # claimed by a lane that is alive, or about to be recovered
    ("done", "Done"),
    ("failed", "Failed"),  # dead letter: waits for a person
    ("cancelled", "Replaced"),  # a later job did, or does, the same
]


class SyncJob(models.Model):
    """The job ledger: one unit of work on one record or one page of records."""

    _name = "sync.job"
    _inherit = ["sync.story.mixin"]
    _description = "Job"
    _order = "id desc"

    name = fields.Char(readonly=True)
    kind = fields.Selection(KINDS, required=True, readonly=True)
    state = fields.Selection(STATES, default="pending", required=True, readonly=True)
    flow_id = fields.Many2one("sync.flow", required=True, readonly=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade")
    company_id = fields.Many2one("res.company", readonly=True)
    step_id = fields.Many2one("sync.flow.step", readonly=True, ondelete="set null")
    run_id = fields.Many2one("sync.run", readonly=True, ondelete="set null", index="btree_not_null")
    mapping_id = fields.Many2one("sync.mapping", readonly=True, ondelete="set null")

    # === Identity and order ===#
    idempotency_key = fields.Char(required=True, readonly=True)
    lane_key = fields.Char(
        required=True, readonly=True, help="Jobs with the same key run one at a time."
    )
    priority = fields.Integer(readonly=True, help="Smaller numbers run first.")
    eta = fields.Datetime(string="Not Before", required=True, readonly=True)
    depends_on_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index="btree_not_null")
    parent_id = fields.Many2one("sync.job", readonly=True, ondelete="set null", index="btree_not_null")
    replay_of_id = fields.Many2one("sync.job", readonly=True, ondelete="set null")
    coalesced = fields.Integer(readonly=True, prefetch="result", help="Further requests that this job covers.")

    # === Subject ===#
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(readonly=True, index="btree_not_null")
    model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True)
    payload = fields.Json(readonly=True)
    correlation_id = fields.Char(readonly=True, index=True)

    # === Remote effect: persisted before the call ===#
    intent = fields.Json(readonly=True, prefetch="result", groups="base.group_system")
    intent_at = fields.Datetime(readonly=True, prefetch="result")

    # === Execution ===#
    lane_id = fields.Many2one("sync.lane", readonly=True, ondelete="set null")
    worker = fields.Char(readonly=True, help="Who ran it: host, process id, start of the process, thread.")
    attempts = fields.Integer(readonly=True)
    crashes = fields.Integer(readonly=True, help="How often its worker died while it ran.")
    started_at = fields.Datetime(readonly=True)
    # What nobody needs who runs a job is read by itself: a batch reads its rows once it has claimed them.
    done_at = fields.Datetime(readonly=True, prefetch="result")
    wait_seconds = fields.Float(
        string="Waited (s)", readonly=True, prefetch="result", aggregator="avg",
        help="From the moment it was due to its last start.",
    )
    run_seconds = fields.Float(string="Ran (s)", readonly=True, prefetch="result", aggregator="avg")
    summary = fields.Char(string="Result", readonly=True, prefetch="result")

    # === Failure ===#
    error_code = fields.Selection(
        "_selection_error_code", string="Error Class", readonly=True, prefetch="result"
    )
    error_message = fields.Text(readonly=True, prefetch="result")
    error_hint = fields.Text(string="What to Do", readonly=True, prefetch="result")
    error_trace = fields.Text(readonly=True, prefetch="result", groups="crm_sync_base.group_sync_manager")
    exception_id = fields.Many2one(
        "sync.exception", readonly=True, prefetch="result", ondelete="set null", index="btree_not_null"
    )
    outcome = fields.Char(string="Result or Error", compute="_compute_outcome")
    event_ids = fields.One2many("sync.event", "job_id", string="Events", readonly=True)
    change_ids = fields.One2many("sync.change", "job_id", string="Changes", readonly=True)

    _one_pending = models.UniqueIndex(
        "(idempotency_key) WHERE state = 'pending'", "The same work is waiting already."
    )
    _one_running = models.UniqueIndex(
        "(lane_key) WHERE state = 'running'", "A job of this record is running already."
    )
    _claimable = models.Index("(flow_id, kind, priority, id) WHERE state = 'pending'")
    _waiting = models.Index("(flow_id, eta) WHERE state = 'pending' AND depends_on_id IS NULL")
    # The only one that gives a record's unfinished jobs in order: see `_OPEN_JOBS`.
    _open_lane = models.Index("(lane_key, id) WHERE state IN ('pending', 'running')")
    _unfinished = models.Index("(flow_id, state) WHERE state IN ('pending', 'running', 'failed')")
    _ended = models.Index("(done_at) WHERE done_at IS NOT NULL")
    _failed_key = models.Index("(idempotency_key) WHERE state = 'failed'")
    _unfinished_call = models.Index("(idempotency_key) WHERE intent IS NOT NULL")
    _record = models.Index("(model, res_id) WHERE res_id IS NOT NULL")

    # === Computes ===#

    @api.model
    def _selection_error_code(self):
        labels = self._error_labels()
        return [(code, labels.get(code, code)) for code in ERROR_CLASSES]

    @api.model
    def _error_labels(self):
        """Return `{error code: what people call this class of errors}`."""
        return {
            "transient": _("Passing trouble"),
            "rate_limited": _("Asked to slow down"),
            "circuit_open": _("Provider is failing"),
            "budget_spent": _("Calls used up"),
            "auth_failed": _("Access refused"),
            "misconfigured": _("Not set up"),
            "data_invalid": _("Data to correct"),
            "mapping_missing": _("Value not mapped"),
            "not_ready": _("Not ready yet"),
            "amount_mismatch": _("Amounts differ"),
            "conflict": _("Changed on both sides"),
            "ambiguous": _("Could be a known record"),
            "remote_gone": _("Deleted at the source"),
            "policy_blocked": _("Blocked by a rule"),
            "schema_changed": _("Fields have changed"),
            "payment_declined": _("Payment declined"),
            "worker_killed": _("Worker died"),
            "lane_stalled": _("Work is not picked up"),
            "bug": _("Unexpected error"),
        }

    @api.depends("state", "summary", "error_message")
    def _compute_outcome(self):
        """One line for lists: what came of it, or what is in the way."""
        for job in self:
            unfinished = job.state in ("pending", "running", "failed")
            job.outcome = (job.error_message if unfinished else job.summary) or False

    @api.model
    def _waiting_domain(self):
        """Return the domain of the work that waits; the next poll of a flow is none."""
        return [("state", "=", "pending"), ("kind", "!=", "poll")]

    # === Actions ===#

    def action_open_remote(self):
        """Open the record at the provider.

        :raises UserError: when its address is not known.
        """
        self.ensure_one()
        url = self.external_id and self.connection_id._connector()._record_url(
            self.connection_id, self.remote_object, self.external_id
        )
        if not url:
            raise UserError(_("The address of this record is not known."))
        return {"type": "ir.actions.act_url", "url": url, "target": "new"}

    def action_open_exception(self):
        """Open the exception that this job waits for."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.exception",
            "res_id": self.exception_id.id,
            "view_mode": "form",
        }
