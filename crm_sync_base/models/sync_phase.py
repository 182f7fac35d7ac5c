from odoo import _, api, fields, models
from odoo.exceptions import UserError


class SyncPhase(models.Model):
    """One phase of a go-live: its flows stay locked until the phases before are signed off."""

    _name = "sync.phase"
    _description = "Go-Live Phase"
    _inherit = ["mail.thread"]
    _order = "company_id, sequence, id"
    _check_company_auto = True

    name = fields.Char(required=True, translate=True)
    sequence = fields.Integer(default=10)
    code = fields.Char(copy=False, help="Stable key of the standard phases.")
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    note = fields.Text(string="What Is Reached")
    item_ids = fields.One2many("sync.phase.item", "phase_id", string="Checklist", copy=True)
    flow_ids = fields.One2many("sync.flow", "phase_id", string="Flows")
    signed_off = fields.Boolean(readonly=True, copy=False, tracking=True)
    signed_off_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    signed_off_at = fields.Datetime(readonly=True, copy=False)
    state = fields.Selection(
        [("locked", "Locked"), ("open", "Open"), ("done", "Signed Off")],
        compute="_compute_state",
        help="Locked: a phase before is not signed off, so no flow of this one goes live.",
    )
    progress = fields.Char(compute="_compute_progress")
    flow_count = fields.Integer(compute="_compute_flow_count")

    _code_unique = models.UniqueIndex(
        "(company_id, code) WHERE code IS NOT NULL", "Each standard phase is there once."
    )

    # === Computes ===#

    @api.depends("signed_off", "sequence", "company_id")
    def _compute_state(self):
        for phase in self:
            if phase.signed_off:
                phase.state = "done"
            else:
                phase.state = "locked" if phase._in_the_way() else "open"

    def _compute_progress(self):
        for phase in self:
            met = phase.item_ids.filtered("is_met")
            phase.progress = _("%(met)s of %(all)s", met=len(met), all=len(phase.item_ids))

    @api.depends("flow_ids")
    def _compute_flow_count(self):
        for phase in self:
            phase.flow_count = len(phase.flow_ids)

    def _in_the_way(self):
        """Return the phases before this one that are not signed off yet."""
        self.ensure_one()
        phases = self.sudo().search([("company_id", "=", self.company_id.id), ("signed_off", "=", False)])
        mine = (self.sequence, self._origin.id or 2**31)  # a new one comes after its equals
        return phases.filtered(lambda phase: (phase.sequence, phase.id) < mine)

    # === Lock ===#

    def _assert_unlocked(self, flow):
        """Refuse that a flow goes live before its time.

        :raises UserError: names the phases before that are open, and what they lack.
        """
        self.ensure_one()
        waiting = self._in_the_way()
        if not waiting:
            return
        lines = []
        for phase in waiting:
            missing = phase.item_ids.filtered(lambda item: not item.is_met)
            detail = "; ".join(item._sentence() for item in missing) or _("it only has to be signed off")
            lines.append(f"• {phase.name}: {detail}")
        raise UserError(
            _(
                "%(flow)s belongs to the phase %(phase)s, which is locked. These phases come first:\n%(lines)s\n"
                "Complete their checklists and sign them off under Configuration, Go-Live Phases.",
                flow=flow.name,
                phase=self.name,
                lines="\n".join(lines),
            )
        )

    def write(self, vals):
        if {"signed_off", "signed_off_by_id", "signed_off_at"} & vals.keys() and not self.env.su:
            raise UserError(_("Press Sign Off or Reopen: who signed off, and when, is not written by hand."))
        return super().write(vals)

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not self.env.su and vals.get("signed_off"):
                raise UserError(_("A phase is signed off when its checklist is complete."))
        return super().create(vals_list)

    # === Actions ===#

    def action_sign_off(self):
        """Declare phases complete; the next one is unlocked.

        :raises UserError: names what the checklist still lacks.
        """
        self.check_access("write")
        for phase in self:
            missing = phase.item_ids.filtered(lambda item: not item.is_met)
            if missing:
                raise UserError(
                    _(
                        "%(phase)s cannot be signed off yet:\n%(lines)s",
                        phase=phase.name,
                        lines="\n".join(f"• {item._sentence()}" for item in missing),
                    )
                )
            if phase._in_the_way():
                raise UserError(_("%s is locked: sign off the phases before it first.", phase.name))
            phase.sudo().write(
                {
                    "signed_off": True,
                    "signed_off_by_id": self.env.uid,
                    "signed_off_at": fields.Datetime.now(),
                }
            )

    def action_reopen(self):
        """Take a sign-off back; what is live stays live, later phases are locked again."""
        self.check_access("write")
        self.sudo().write({"signed_off": False, "signed_off_by_id": False, "signed_off_at": False})

    def action_open_flows(self):
        """Open the flows of these phases."""
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_flow")
        return dict(action, domain=[("phase_id", "in", self.ids)], context={})

    # === The standard plan ===#

    @api.model
    def _standard(self):
        """Return the phases that most go-lives have: `[(code, name, what is reached)]`."""
        return [
            ("masters", _("Master Data"), _("Customers, contacts and products are the same in all systems.")),
            ("orders", _("Quote to Order"), _("Won deals become orders, and the CRM knows what became of them.")),
            ("billing", _("Subscriptions and Billing"), _("What is sold is charged, once and exactly.")),
            ("reconciliation", _("Payments and Reconciliation"), _("Payments, fees and payouts agree with the books.")),
        ]

    @api.model
    def _standard_items(self):
        """Return the checklist that each standard phase begins with: `[(check, name)]`."""
        return [
            ("mapping", _("Every flow has an active mapping")),
            ("dry_run", _("Every flow was planned in a dry run, or is live")),
            ("manual", _("The planned changes were read and found right")),
            ("live", _("Every flow is live")),
            ("no_exception", _("Nothing waits on the exception desk")),
            ("manual", _("A sample was compared in all systems")),
        ]

    @api.model
    def action_plan_standard(self):
        """Add the standard phases of this company that are missing, and give each flow its phase.

        Flows that have a phase keep it. What is live stays live.
        """
        self.check_access("create")
        company = self.env.company
        phases = {phase.code: phase for phase in self.search([("company_id", "=", company.id)])}
        for number, (code, name, note) in enumerate(self._standard(), 1):
            if code not in phases:
                phases[code] = self.create(
                    {
                        "code": code,
                        "name": name,
                        "note": note,
                        "sequence": number * 10,
                        "company_id": company.id,
                        "item_ids": [
                            fields.Command.create({"sequence": place * 10, "check": check, "name": label})
                            for place, (check, label) in enumerate(self._standard_items(), 1)
                        ],
                    }
                )
        for flow in self.env["sync.flow"].search([("company_id", "=", company.id), ("phase_id", "=", False)]):
            flow.phase_id = phases[flow._phase_code()]
        return {"type": "ir.actions.client", "tag": "soft_reload"}
