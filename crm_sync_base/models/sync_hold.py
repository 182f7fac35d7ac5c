from odoo import _, api, fields, models


class SyncHold(models.Model):
    """A hold: no new job starts while it lasts, nothing is lost.

    What runs already is finished (drained); deliveries are received and wait. The
    kill switch is a hold of everything, a maintenance window one with both ends.
    """

    _name = "sync.hold"
    _description = "Hold"
    _inherit = ["mail.thread"]
    _order = "date_start desc, id desc"

    name = fields.Char(string="Reason", required=True, tracking=True)
    active = fields.Boolean(default=True, tracking=True)
    scope = fields.Selection(
        [("all", "Everything"), ("connection", "One Connection"), ("flow", "One Flow")],
        default="all",
        required=True,
    )
    connection_id = fields.Many2one("sync.connection", ondelete="cascade", index=True)
    flow_id = fields.Many2one("sync.flow", ondelete="cascade", index=True)
    company_id = fields.Many2one(
        "res.company", compute="_compute_company_id", store=True, index=True
    )
    date_start = fields.Datetime(
        string="From", required=True, default=fields.Datetime.now, tracking=True
    )
    date_end = fields.Datetime(
        string="Until", tracking=True, help="Empty: until somebody lifts it."
    )
    user_id = fields.Many2one(
        "res.users", string="Set By", default=lambda self: self.env.user, readonly=True
    )
    state = fields.Selection(
        [("planned", "Planned"), ("draining", "Draining"), ("quiet", "Quiet"), ("over", "Over")],
        compute="_compute_state",
        help="Draining: jobs that had started are being finished. Quiet: none runs.",
    )
    running_count = fields.Integer(string="Still Running", compute="_compute_state")
    waiting_count = fields.Integer(string="Held Back", compute="_compute_state")

    _scope_complete = models.Constraint(
        "CHECK (scope = 'all' OR (scope = 'connection' AND connection_id IS NOT NULL) "
        "OR (scope = 'flow' AND flow_id IS NOT NULL))",
        "Say which connection or flow is held.",
    )
    _order_of_dates = models.Constraint(
        "CHECK (date_end IS NULL OR date_end > date_start)", "A hold must end after it begins."
    )

    # === Computes ===#

    @api.depends("scope", "connection_id", "flow_id")
    def _compute_company_id(self):
        for hold in self:
            held = {"connection": hold.connection_id, "flow": hold.flow_id}.get(hold.scope)
            hold.company_id = held.company_id if held else False

    @api.depends("active", "date_start", "date_end")
    def _compute_state(self):
        now = fields.Datetime.now()
        for hold in self:
            if not hold.active or (hold.date_end and hold.date_end <= now):
                hold.update({"state": "over", "running_count": 0, "waiting_count": 0})
                continue
            Job = self.env["sync.job"]
            running = Job.search_count([*hold._job_domain(), ("state", "=", "running")])
            waiting = Job.search_count([*hold._job_domain(), *Job._waiting_domain()])
            hold.running_count, hold.waiting_count = running, waiting
            if hold.date_start > now:
                hold.state = "planned"
            else:
                hold.state = "draining" if running else "quiet"

    def _job_domain(self):
        """Return the domain of the jobs in the hold's scope."""
        name = f"{self.scope}_id"
        return [] if self.scope == "all" else [(name, "=", self[name].id)]

    # === CRUD ===#

    @api.model_create_multi
    def create(self, vals_list):
        holds = super().create(vals_list)
        self.env["sync.lane"]._wake()
        return holds

    def write(self, vals):
        result = super().write(vals)
        self.env["sync.lane"]._wake()
        return result

    def unlink(self):
        self.env["sync.lane"]._wake()
        return super().unlink()

    # === Engine ===#

    @api.model
    def _at(self, now):
        """Return the holds that are in force at a moment."""
        return self.search(
            [("date_start", "<=", now), "|", ("date_end", "=", False), ("date_end", ">", now)]
        )

    @api.model
    def _next_end(self):
        """Return when the next hold ends by itself, or None."""
        self.flush_model()
        self.env.cr.execute(
            "SELECT min(date_end) FROM sync_hold WHERE active AND date_end > timezone('utc', now())"
        )
        return self.env.cr.fetchone()[0]

    # === Actions ===#

    @api.model
    def _action_new(self, **defaults):
        """Return the action with which a person sets a hold, of everything by default."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_hold_new")
        return dict(action, context={f"default_{name}": value for name, value in defaults.items()})

    def action_lift(self):
        """End the hold now; what it held back goes on at once."""
        now = fields.Datetime.now()
        for hold in self:
            # A window that has not begun is taken back altogether.
            hold.write({"active": False, **({"date_end": now} if hold.date_start < now else {})})

    def action_open_held(self):
        """Open the jobs that wait because of this hold."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_job")
        domain = [*self._job_domain(), *self.env["sync.job"]._waiting_domain()]
        return dict(action, domain=domain, context={}, name=_("Held Back"))
