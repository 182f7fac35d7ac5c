from odoo import _, api, fields, models

from ..lib import clock
from ..lib.breaker import BreakerPolicy
from ..lib.errors import BudgetSpent, CircuitOpen
from ..lib.gate import PATIENCE
from ..lib.gate_row import to_gate, to_policy

#: what a person may set, and what has to take effect at once
TERMS = {"override", "rate_limit", "rate_seconds", "daily_limit", "reserve_percent"}
_POLICY = BreakerPolicy()


class SyncEndpoint(models.Model):
    """One part of the API of one connection: does it take calls, and how many?

    The state is shared by all workers and written in short transactions of its own, so
    that it survives whatever happens to the work. What follows from it is decided in
    `lib/gate.py`; moments are those of the database's clock.
    """

    _name = "sync.endpoint"
    _description = "Endpoint"
    _inherit = ["mail.thread"]
    _order = "connection_id, id"

    name = fields.Char(required=True, readonly=True)
    connection_id = fields.Many2one(
        "sync.connection", required=True, readonly=True, ondelete="cascade", index=True
    )
    provider = fields.Selection(related="connection_id.provider", store=True)
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    code = fields.Char(required=True, readonly=True)

    # === Circuit breaker ===#
    state = fields.Selection(
        [
            ("closed", "Closed"),  # calls pass
            ("half_open", "Half Open"),  # a few probes are under way
            ("open", "Open"),  # no call passes before `until`
        ],
        string="Breaker",
        default="closed",
        required=True,
        readonly=True,
    )
    override = fields.Selection(
        [
            ("automatic", "Automatic"),
            ("open", "Held Open"),
            ("closed", "Held Closed"),
        ],
        default="automatic",
        required=True,
        readonly=True,
        help="Held open: no calls are made. Held closed: calls pass although the provider fails.",
    )
    override_reason = fields.Char(readonly=True)
    override_user_id = fields.Many2one("res.users", string="Overridden By", readonly=True)
    override_at = fields.Datetime(string="Overridden At", readonly=True)
    failures = fields.Integer(string="Failures in a Row", readonly=True)
    suspect = fields.Char(readonly=True)
    window_start = fields.Datetime(readonly=True)
    window_calls = fields.Integer(string="Calls since the First Failure", readonly=True)
    window_failures = fields.Integer(string="Failures among Them", readonly=True)
    trips = fields.Integer(string="Opened in a Row", readonly=True)
    opened_at = fields.Datetime(readonly=True)
    until = fields.Datetime(string="Next Try", readonly=True)
    passed = fields.Integer(string="Probes", readonly=True)
    successes = fields.Integer(string="Probes Answered", readonly=True)
    misses = fields.Integer(string="Probes Failed", readonly=True)
    closed_at = fields.Datetime(readonly=True)
    next_at = fields.Datetime(readonly=True)
    last_failure_at = fields.Datetime(string="Last Failure", readonly=True)
    last_error = fields.Char(readonly=True)

    # === Policy ===#
    failure_limit = fields.Integer(
        string="Opens after", default=_POLICY.failures, help="Failures in a row."
    )
    failure_percent = fields.Integer(
        string="Or at",
        default=int(_POLICY.ratio * 100),
        help="Percent of failed calls, once there were enough of them within a minute.",
    )
    open_first = fields.Float(
        string="First Open for (s)", default=_POLICY.open_first, help="Doubles each time."
    )
    open_most = fields.Float(string="At Most (s)", default=_POLICY.open_most)

    # === Budget ===#
    resume_at = fields.Datetime(
        string="Asked to Wait Until", readonly=True, help="The provider asked for silence."
    )
    rate_limit = fields.Integer(
        string="Calls in a Window", help="0: no limit. Overwritten by what the provider says."
    )
    rate_seconds = fields.Float(string="Window (s)", default=1.0)
    rate_told = fields.Boolean(string="Window Told by the Provider", readonly=True)
    rate_level = fields.Float(readonly=True)
    rate_at = fields.Datetime(readonly=True)
    daily_limit = fields.Integer(
        string="Calls a Day", help="0: no limit. Overwritten by what the provider says."
    )
    daily_told = fields.Boolean(string="Day Told by the Provider", readonly=True)
    daily_used = fields.Integer(string="Used Today", readonly=True)
    daily_at = fields.Datetime(string="Known As Of", readonly=True)
    daily_resets_at = fields.Datetime(string="Starts Anew", readonly=True)
    reserve_percent = fields.Integer(
        string="Reserve (%)", default=10, help="Share of both that only urgent jobs may use."
    )

    # === What follows, for the claim: past moments mean nothing ===#
    blocked_until = fields.Datetime(readonly=True)
    bulk_blocked_until = fields.Datetime(readonly=True)

    # === What people see ===#
    condition = fields.Selection(
        [
            ("fine", "Takes Calls"),
            ("held_open", "Held Open"),
            ("held_closed", "Held Closed"),
            ("open", "Provider Fails"),
            ("half_open", "Trying Again"),
            ("draining", "Catching Up"),
            ("silent", "Asked to Wait"),
            ("spent", "Calls Used Up"),
            ("reserve", "Urgent Only"),
        ],
        compute="_compute_condition",
    )
    condition_text = fields.Char(string="What That Means", compute="_compute_condition")
    daily_left = fields.Integer(string="Left Today", compute="_compute_budget")
    daily_percent = fields.Float(string="Used Today (%)", compute="_compute_budget")
    rate_left = fields.Integer(string="Left in the Window", compute="_compute_budget")
    waiting_count = fields.Integer(string="Held Back", compute="_compute_waiting_count")

    _code_unique = models.UniqueIndex(
        "(connection_id, code)", "A connection has each endpoint once."
    )
    _blocking = models.Index(
        "(connection_id) WHERE blocked_until IS NOT NULL OR bulk_blocked_until IS NOT NULL"
    )
    _sizes = models.Constraint(
        "CHECK (failure_limit > 0 AND failure_percent BETWEEN 1 AND 100 AND open_first > 0 "
        "AND open_most >= open_first AND rate_limit >= 0 AND rate_seconds > 0 "
        "AND daily_limit >= 0 AND reserve_percent BETWEEN 0 AND 90)",
        "Limits cannot be negative, times must be positive, the reserve is at most 90 %.",
    )

    # === Computes ===#

    @api.depends("name", "connection_id.name")
    def _compute_display_name(self):
        for endpoint in self:
            endpoint.display_name = f"{endpoint.connection_id.name}: {endpoint.name}"

    @api.depends("state", "override", "until", "resume_at", "rate_level", "daily_used")
    def _compute_condition(self):
        texts = self._condition_texts()
        now = clock.now()
        for endpoint in self:
            endpoint.condition = endpoint._condition(now)
            endpoint.condition_text = texts[endpoint.condition] % {
                "who": endpoint.override_user_id.name or "",
                "why": endpoint.override_reason or "",
                "seconds": round(endpoint._seconds_left(now)),
            }

    def _seconds_left(self, now):
        """Return for how long an open breaker, or a provider's silence, lasts."""
        moment = self.until if self.state == "open" else self.resume_at
        return max((moment - now).total_seconds(), 0.0) if moment else 0.0

    def _condition(self, now):
        """Return the one thing to know of an endpoint."""
        if self.override != "automatic":
            return f"held_{self.override}"
        if self.state != "closed":
            return self.state
        state = to_gate(self)
        if state.budget.resume_at and state.budget.resume_at > now:
            return "silent"
        if state.budget.wait(now, urgent=True) > PATIENCE:
            return "spent"
        if state.budget.wait(now, urgent=False) > PATIENCE:
            return "reserve"
        return "draining" if state.breaker.draining(now, to_policy(self)) else "fine"

    @api.model
    def _condition_texts(self):
        """Return `{condition: sentence}`; with who, why and seconds to be filled in."""
        return {
            "fine": _("Calls pass."),
            "held_open": _("Stopped by %(who)s: %(why)s. Jobs wait until it is lifted."),
            "held_closed": _("Calls pass, whatever happens, by %(who)s: %(why)s."),
            "open": _("It failed too often; jobs wait. Tried again in %(seconds)s s."),
            "half_open": _("A few calls are let through; if they are answered, all others follow."),
            "draining": _("It is back; what has waited starts bit by bit."),
            "silent": _("The provider asked for silence; jobs wait for %(seconds)s s more."),
            "spent": _("The calls that the provider allows are used up; jobs wait."),
            "reserve": _("What is left is kept for urgent jobs; the others wait."),
        }

    @api.depends("daily_limit", "daily_used", "rate_limit", "rate_level", "rate_at")
    def _compute_budget(self):
        now = clock.now()
        for endpoint in self:
            budget = to_gate(endpoint).budget
            used = budget.daily.used_at(now)
            endpoint.daily_left = max(endpoint.daily_limit - used, 0)
            endpoint.daily_percent = 100.0 * used / endpoint.daily_limit if endpoint.daily_limit else 0.0
            endpoint.rate_left = max(int(budget.bucket.level_at(now)), 0)

    def _compute_waiting_count(self):
        counts = dict(
            self.env["sync.job"]._read_group(
                [("connection_id", "in", self.connection_id.ids), *self._held_domain()],
                ["connection_id"],
                ["__count"],
            )
        )
        for endpoint in self:
            endpoint.waiting_count = counts.get(endpoint.connection_id, 0)

    @api.model
    def _held_domain(self):
        """Return the domain of the jobs that a gate sent back."""
        return [
            ("state", "=", "pending"),
            ("error_code", "in", (CircuitOpen.code, BudgetSpent.code)),
        ]

    # === CRUD ===#

    def write(self, vals):
        result = super().write(vals)
        if TERMS & vals.keys():
            self._reopen()
        return result

    # === Actions ===#

    def action_override(self):
        """Open the dialog in which a person takes the breaker over, or gives it back."""
        return {
            "type": "ir.actions.act_window",
            "name": _("Override"),
            "res_model": "sync.endpoint.override",
            "view_mode": "form",
            "target": "new",
            "context": {
                "default_endpoint_ids": self.ids,
                "default_override": self.env.context.get("override", "open"),
            },
        }

    def _override(self, override, reason):
        """Take the breaker over, or give it back, and say who did it and why.

        :param override: automatic, open (no calls) or closed (calls pass).
        :raises AccessError: for who may not change endpoints.
        """
        labels = dict(self._fields["override"]._description_selection(self.env))
        for endpoint in self:
            endpoint.write(
                {
                    "override": override,
                    "override_reason": reason,
                    "override_user_id": self.env.uid,
                    "override_at": fields.Datetime.now(),
                }
            )
            endpoint.message_post(
                body=_("%(override)s: %(reason)s", override=labels[override], reason=reason)
            )

    def action_automatic(self):
        """Give the breaker back to the engine."""
        self._override("automatic", _("the engine decides again"))

    def action_try_now(self):
        """Let the next job be the probe, before the open time is over.

        :raises AccessError: for who may not work on jobs.
        """
        self.env["sync.job"].check_access("write")
        self.check_access("read")
        for endpoint in self.sudo().filtered(lambda one: one.state == "open"):
            endpoint.message_post(body=_("Tried again at once by %s.", self.env.user.name))
            endpoint.until = clock.now()
        self.sudo()._reopen()

    def action_open_held(self):
        """Open the jobs that were sent back."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        domain = [("connection_id", "in", self.connection_id.ids), *self._held_domain()]
        return dict(action, domain=domain, context={}, name=_("Held Back"))
