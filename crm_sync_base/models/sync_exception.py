from odoo import _, api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..lib import sla
from ..lib.masking import mask_text
from ..lib.remedy import IDENTIFY, MAP, MAP_OUT, MATCH

OPEN = ("new", "acknowledged")
SAMPLES = 5  # of the records that wait, shown on the card's form
IN_DIALOG = (MAP, MAP_OUT, IDENTIFY)  # fixes that one dialog makes together
OF_ODOO = ("push", "step")  # kinds of jobs that work on a record of Odoo's, not on one of the source
OPERATORS = {"=": "=", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


class SyncException(models.Model):
    """The exception desk: one card for each cause, not for each failed job."""

    _name = "sync.exception"
    _description = "Exception"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "state_order, priority desc, deadline, id desc"

    # === Cause ===#
    name = fields.Char(string="Cause", required=True, readonly=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    currency_id = fields.Many2one(related="company_id.currency_id", store=True)
    error_code = fields.Selection("_selection_error_code", string="Kind of Error", readonly=True)
    fingerprint = fields.Char(readonly=True)
    message = fields.Text(string="What Happened", readonly=True)
    hint = fields.Text(string="What to Do", readonly=True)
    explanation = fields.Char(compute="_compute_explanation", string="What This Means")
    runbook = fields.Html(compute="_compute_runbook", sanitize=False)
    fix_ids = fields.One2many("sync.exception.fix", "exception_id", string="What Is Missing")
    fix_kind = fields.Selection("_selection_fix_kind", compute="_compute_fix_kind")

    # === Records that wait ===#
    job_ids = fields.One2many("sync.job", "exception_id", string="Jobs", readonly=True)
    job_count = fields.Integer(
        string="Waiting", compute="_compute_waiting", search="_search_job_count"
    )
    amount_at_risk = fields.Monetary(
        string="Money at Risk",
        compute="_compute_waiting",
        search="_search_amount_at_risk",
        help="What the waiting records are worth, in the company's currency.",
    )
    retrying_count = fields.Integer(string="Running Again", compute="_compute_retrying_count")
    subject = fields.Char(string="Sample", readonly=True)
    sample_ids = fields.Many2many("sync.job", compute="_compute_sample_ids", string="Latest Records")

    # === State ===#
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
    priority = fields.Selection([("0", "Normal"), ("1", "Escalated")], default="0", tracking=True)
    user_id = fields.Many2one("res.users", string="Owner", tracking=True, index=True)
    resolution = fields.Char(readonly=True, tracking=True)
    closed_by = fields.Selection(
        [
            ("self", "By itself"),
            ("person", "By a person"),
            ("moved", "Another cause took over"),
            ("ignored", "Ignored"),
        ],
        string="How It Ended",
        readonly=True,
    )
    previous_id = fields.Many2one(
        "sync.exception", string="Seen Before", readonly=True, ondelete="set null"
    )

    # === Clock ===#
    first_seen = fields.Datetime(readonly=True)
    last_seen = fields.Datetime(readonly=True)
    deadline = fields.Datetime(string="Due", readonly=True, tracking=True)
    clock = fields.Char(compute="_compute_clock")
    time_left = fields.Char(compute="_compute_clock")
    is_late = fields.Boolean(compute="_compute_is_late", search="_search_is_late")
    color = fields.Integer(compute="_compute_is_late")
    snooze_until = fields.Datetime(string="Asleep Until", readonly=True, tracking=True)
    is_snoozed = fields.Boolean(compute="_compute_is_late", string="Asleep")
    escalated_at = fields.Datetime(readonly=True)
    acknowledged_at = fields.Datetime(readonly=True)
    closed_at = fields.Datetime(readonly=True)
    hours_to_acknowledge = fields.Float(
        compute="_compute_hours", store=True, aggregator="avg", digits=(16, 2)
    )
    hours_to_resolve = fields.Float(
        compute="_compute_hours", store=True, aggregator="avg", digits=(16, 2)
    )

    _one_open = models.UniqueIndex(
        "(connection_id, flow_id, error_code, fingerprint) NULLS NOT DISTINCT "
        "WHERE state IN ('new', 'acknowledged')",
        "This cause is on the desk already.",
    )
    _known = models.Index("(fingerprint, id)")

    # === Labels ===#

    @api.model
    def _selection_error_code(self):
        return self.env["sync.job"]._selection_error_code()

    @api.model
    def _selection_fix_kind(self):
        """Return what the main button does."""
        return [
            ("dialog", _("Fix and Retry")),
            ("retry", _("Retry")),
            ("connect", _("Reconnect")),
            ("ask", _("Ask a Manager")),
            ("match", _("Decide Which Record")),
            ("record", _("Open the Record")),
            ("source", _("Open at the Source")),
            ("schedule", _("Open the Lanes")),
            ("job", _("Open the Job")),
        ]

    @api.model
    def _explanations(self):
        """Return `{error code: what that kind of error means, in plain words}`."""
        return {
            "transient": _(
                "The other system or the network failed for longer than the retries lasted. "
                "Nothing is wrong with the records."
            ),
            "rate_limited": _(
                "The other system allows no more calls for now. Nothing is wrong with the records."
            ),
            "circuit_open": _(
                "The other system fails so often that it is left alone for a while."
            ),
            "budget_spent": _("The calls that the other system allows are used up."),
            "auth_failed": _(
                "The other system refuses our credentials, so the connection is paused. All its "
                "records wait, none is lost."
            ),
            "misconfigured": _(
                "This connection cannot work the way it is set up, so it is paused. All its "
                "records wait, none is lost."
            ),
            "data_invalid": _(
                "A record says something that cannot be right. Nothing of it was written."
            ),
            "mapping_missing": _(
                "The source uses a value for which Odoo has no counterpart yet. Nothing of the "
                "record was written."
            ),
            "not_ready": _(
                "A record needs something that is not there yet. Nothing of it was written."
            ),
            "amount_mismatch": _(
                "The amounts in Odoo would not equal the source's to the last unit, so nothing "
                "was written."
            ),
            "conflict": _("The same thing was changed on both sides; nobody was overwritten."),
            "ambiguous": _(
                "Records that arrived could be records that are in Odoo already. Nothing was created "
                "and nothing was overwritten: they wait until somebody says which ones they are."
            ),
            "remote_gone": _("A record was deleted on one side and still exists on the other."),
            "policy_blocked": _("A rule forbids this change, so it was not made."),
            "schema_changed": _(
                "A mapping relies on a field that has changed. A flow that would write something "
                "wrong is stopped, and its records wait."
            ),
            "payment_declined": _("The customer's bank refused the payment; nothing was collected."),
            "worker_killed": _(
                "The server process died each time it worked on this record, so the record was "
                "set aside."
            ),
            "lane_stalled": _("Work is due, but nobody picks it up."),
            "bug": _("Something happened that nobody foresaw. Nothing of the record was written."),
        }

    @api.model
    def _outbound_explanations(self):
        """Return what is said otherwise of a flow that sends: Odoo is the source there."""
        return {
            "data_invalid": _("A record says something that cannot be right. Nothing of it was sent."),
            "mapping_missing": _(
                "Odoo uses a value for which the other system has no counterpart yet. Nothing of the "
                "record was sent."
            ),
            "not_ready": _("A record needs something that is not there yet. Nothing of it was sent."),
        }

    @api.depends("error_code", "flow_id.direction")
    def _compute_explanation(self):
        texts = self._explanations()
        outbound = {**texts, **self._outbound_explanations()}
        for exception in self:
            known = outbound if exception.flow_id.direction == "outbound" else texts
            exception.explanation = known.get(exception.error_code, "")

    @api.depends("error_code")
    def _compute_runbook(self):
        for exception in self:
            exception.runbook = self.env["sync.runbook"]._html(exception.error_code)

    @api.depends("state")
    def _compute_state_order(self):
        order = [key for key, _label in self._fields["state"].selection]
        for exception in self:
            exception.state_order = order.index(exception.state)

    # === The waiting jobs: counted by the database, never loaded ===#

    @api.depends("job_ids.state", "job_ids.exception_id")
    def _compute_waiting(self):
        found = {
            exception: (count, amount)
            for exception, count, amount in self.env["sync.job"].sudo()._read_group(
                [("exception_id", "in", self._origin.ids), ("state", "=", "failed")],
                ["exception_id"],
                ["__count", "amount_at_risk:sum"],
            )
        }
        for exception in self:
            exception.job_count, exception.amount_at_risk = found.get(exception._origin.sudo(), (0, 0.0))

    def _compute_retrying_count(self):
        self.env["sync.job"].flush_model(["state", "replay_of_id", "exception_id"])
        self.env.cr.execute(
            """
            SELECT failed.exception_id, COUNT(DISTINCT failed.id)
              FROM sync_job again JOIN sync_job failed ON failed.id = again.replay_of_id
             WHERE again.state IN ('pending', 'running') AND failed.state = 'failed'
               AND failed.exception_id = ANY(%s)
             GROUP BY failed.exception_id
            """,
            [self._origin.ids],
        )
        found = dict(self.env.cr.fetchall())
        for exception in self:
            exception.retrying_count = found.get(exception._origin.id, 0)

    def _field_to_sql(self, alias, field_expr, query=None):
        """Let lists sort by, and graphs add up, what the jobs alone know."""
        if field_expr == "job_count":
            return self._sql_of_waiting(alias, SQL("COUNT(*)"))
        if field_expr == "amount_at_risk":
            amount = SQL.identifier(
                "waiting", "amount_at_risk", to_flush=self.env["sync.job"]._fields["amount_at_risk"]
            )
            return self._sql_of_waiting(alias, SQL("COALESCE(SUM(%s), 0)", amount))
        if field_expr in ("hours_to_acknowledge", "hours_to_resolve"):
            # What did not happen yet must not pull the average down.
            return SQL("NULLIF(%s, 0)", super()._field_to_sql(alias, field_expr, query))
        return super()._field_to_sql(alias, field_expr, query)

    def _sql_of_waiting(self, alias, measure):
        known = self.env["sync.job"]._fields
        return SQL(
            "(SELECT %s FROM sync_job AS waiting WHERE %s = %s AND %s = 'failed')",
            measure,
            SQL.identifier("waiting", "exception_id", to_flush=known["exception_id"]),
            SQL.identifier(alias, "id"),
            SQL.identifier("waiting", "state", to_flush=known["state"]),
        )

    def _search_job_count(self, operator, value):
        return self._search_waiting("job_count", operator, value)

    def _search_amount_at_risk(self, operator, value):
        return self._search_waiting("amount_at_risk", operator, value)

    def _search_waiting(self, name, operator, value):
        if operator not in OPERATORS or isinstance(value, (list, tuple, set)):
            return NotImplemented
        return Domain.custom(
            to_sql=lambda model, alias, query: SQL(
                "%s %s %s", model._field_to_sql(alias, name, query), SQL(OPERATORS[operator]), value
            )
        )

    def _compute_sample_ids(self):
        for exception in self:
            exception.sample_ids = self.env["sync.job"].search(
                [("exception_id", "=", exception._origin.id), ("state", "=", "failed")],
                order="done_at desc, id desc",
                limit=SAMPLES,
            )

    # === Clock ===#

    @api.depends("deadline", "state", "snooze_until")
    def _compute_is_late(self):
        now = fields.Datetime.now()
        for exception in self:
            is_open = exception.state in OPEN
            late = is_open and exception.deadline and exception.deadline < now
            exception.is_late = bool(late)
            exception.is_snoozed = bool(is_open and exception.snooze_until)
            exception.color = 1 if late else 0

    @api.depends("deadline", "state", "snooze_until", "last_seen")
    def _compute_clock(self):
        """When it was seen last, and how much time is left, as one says it."""
        now = fields.Datetime.now()
        for exception in self:
            seen = exception.last_seen and _("Seen %s ago", self._span(now - exception.last_seen))
            exception.time_left = exception._say_time_left(now)
            exception.clock = " · ".join(filter(None, [seen, exception.time_left]))

    def _say_time_left(self, now):
        if self.state not in OPEN:
            return ""
        if self.snooze_until:
            return _("wakes in %s", self._span(self.snooze_until - now))
        if not self.deadline:
            return ""
        if self.deadline < now:
            return _("overdue for %s", self._span(now - self.deadline))
        return _("due in %s", self._span(self.deadline - now))

    @api.model
    def _span(self, delta):
        """Return a span of time in its largest unit, rounded."""
        minutes = max(int(delta.total_seconds() // 60), 1)
        if minutes < 60:
            return _("%s min", minutes)
        if minutes < 48 * 60:
            return _("%s h", round(minutes / 60))
        return _("%s days", round(minutes / 1440))

    def _search_is_late(self, operator, value):
        if operator != "in":
            return NotImplemented
        late = Domain("state", "in", OPEN) & Domain("deadline", "<", fields.Datetime.now())
        return late if True in value else ~late

    @api.depends("first_seen", "acknowledged_at", "closed_at")
    def _compute_hours(self):
        for exception in self:
            exception.hours_to_acknowledge = sla.hours_between(
                exception.first_seen, exception.acknowledged_at
            )
            exception.hours_to_resolve = sla.hours_between(exception.first_seen, exception.closed_at)

    # === Fixes ===#

    @api.depends("error_code", "fix_ids", "state")
    @api.depends_context("uid")
    def _compute_fix_kind(self):
        for exception in self:
            exception.fix_kind = exception._main_fix() if exception.state in OPEN else False

    def _main_fix(self):
        """Return what should be done first: a value of `_selection_fix_kind`."""
        open_fixes = self.fix_ids.filtered(lambda fix: not fix.is_done)
        if any(fix.kind in IN_DIALOG for fix in open_fixes):
            return "dialog"
        if any(fix.kind == MATCH for fix in open_fixes):
            return "match"
        if open_fixes:
            return "record"
        if self.fix_ids:
            return "retry"
        if self.error_code in ("auth_failed", "misconfigured"):
            if not self.connection_id:
                return "job"
            return "connect" if self.env.user.has_group("crm_sync_base.group_sync_manager") else "ask"
        if self.error_code == "lane_stalled":
            return "schedule"
        if self.error_code in ("transient", "rate_limited", "circuit_open", "budget_spent"):
            return "retry"
        if self.error_code in ("bug", "worker_killed"):
            return "job"
        if self.error_code in ("policy_blocked", "remote_gone", "conflict", "payment_declined"):
            return "record" if self.sample_ids[:1].res_id else "source"
        if self.flow_id.direction == "outbound" or self.sample_ids[:1].kind in OF_ODOO:
            # Nothing at the other system could be corrected: what is wrong comes from Odoo.
            return "record" if self.sample_ids[:1].res_id else "job"
        return "source"

    @api.model
    def _masked(self, text):
        """Return a text as everybody may read it: addresses of persons are hidden."""
        return mask_text(text or "")
