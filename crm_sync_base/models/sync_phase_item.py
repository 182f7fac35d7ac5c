from odoo import _, api, fields, models
from odoo.exceptions import UserError


class SyncPhaseItem(models.Model):
    """One line of a phase's checklist: a person ticks it, or the ledgers answer it."""

    _name = "sync.phase.item"
    _description = "Checklist Line"
    _order = "phase_id, sequence, id"

    phase_id = fields.Many2one("sync.phase", required=True, ondelete="cascade", index=True)
    company_id = fields.Many2one(related="phase_id.company_id", store=True, index=True)
    sequence = fields.Integer(default=10)
    name = fields.Char(required=True, translate=True)
    check = fields.Selection(
        [
            ("manual", "Somebody ticks it"),
            ("mapping", "Every flow has an active mapping"),
            ("dry_run", "Every flow was planned in a dry run"),
            ("live", "Every flow is live"),
            ("no_exception", "No open exceptions"),
            ("service_level", "No broken service level"),
        ],
        string="Answered By",
        default="manual",
        required=True,
    )
    ticked = fields.Boolean(string="Done", copy=False)
    ticked_by_id = fields.Many2one("res.users", string="By", readonly=True, copy=False)
    ticked_at = fields.Datetime(string="At", readonly=True, copy=False)
    note = fields.Char(string="Evidence", copy=False)
    is_met = fields.Boolean(string="Met", compute="_compute_is_met")
    missing = fields.Char(string="What Is Missing", compute="_compute_is_met")

    @api.depends("check", "ticked", "phase_id.flow_ids")
    def _compute_is_met(self):
        for item in self:
            if item.check == "manual":
                item.is_met, item.missing = item.ticked, False
                continue
            flows = getattr(item, f"_{item.check}_lacks")(item.phase_id.flow_ids)
            item.is_met = not flows and bool(item.phase_id.flow_ids)
            item.missing = ", ".join(flows.mapped("name")) or (
                False if item.phase_id.flow_ids else _("no flow belongs to this phase")
            )

    def _sentence(self):
        """Return the line and what it lacks."""
        return f"{self.name} ({self.missing})" if self.missing else self.name

    # === What the ledgers answer: the flows that lack it ===#

    def _mapping_lacks(self, flows):
        return flows.filtered(lambda flow: flow._needs_mapping() and not flow.mapping_id)

    def _dry_run_lacks(self, flows):
        waiting = flows.filtered(lambda flow: flow.mode != "live")
        planned = self.env["sync.change"].sudo()._read_group(
            [("flow_id", "in", waiting.ids), ("verdict", "=", "planned")], ["flow_id"]
        )
        return waiting - waiting.browse([flow.id for [flow] in planned])

    def _live_lacks(self, flows):
        return flows.filtered(lambda flow: flow.mode != "live" or flow.paused)

    def _no_exception_lacks(self, flows):
        waiting = self.env["sync.exception"].sudo()._read_group(
            [("flow_id", "in", flows.ids), ("state", "in", ("new", "acknowledged"))], ["flow_id"]
        )
        return flows.browse([flow.id for [flow] in waiting])

    def _service_level_lacks(self, flows):
        return flows.filtered(lambda flow: flow.sla_state == "breached")

    # === Ticks say who and when ===#

    def write(self, vals):
        if {"ticked_by_id", "ticked_at"} & vals.keys() and not self.env.su:
            raise UserError(_("Who ticked a line, and when, is not written by hand."))
        if "ticked" in vals:
            done = bool(vals["ticked"])
            evidence = {
                "ticked_by_id": self.env.uid if done else False,
                "ticked_at": fields.Datetime.now() if done else False,
            }
            super(SyncPhaseItem, self.sudo()).write(evidence)
        self._assert_open()
        return super().write(vals)

    @api.model_create_multi
    def create(self, vals_list):
        items = super().create(vals_list)
        items._assert_open()
        return items

    @api.ondelete(at_uninstall=False)
    def _unlink_only_open(self):
        self._assert_open()

    def _assert_open(self):
        """What was signed off stays as it was."""
        signed = self.phase_id.filtered("signed_off")
        if signed:
            raise UserError(_("%s is signed off. Reopen it to change its checklist.", signed[0].name))
