from odoo import _, api, fields, models


class SyncFlowPhase(models.Model):
    """A flow goes live when its phase is unlocked."""

    _inherit = "sync.flow"

    phase_id = fields.Many2one(
        "sync.phase",
        string="Go-Live Phase",
        ondelete="set null",
        index="btree_not_null",
        tracking=True,
        check_company=True,
        copy=False,
        help="The flow cannot go live before the phases that come first are signed off.",
    )
    phase_locked = fields.Char(compute="_compute_phase_locked")

    @api.depends("phase_id.state", "mode")
    def _compute_phase_locked(self):
        for flow in self:
            waiting = flow.phase_id.state == "locked" and flow.mode != "live" and flow.phase_id._in_the_way()
            flow.phase_locked = waiting and _(
                "Locked: %(waiting)s must be signed off before %(phase)s goes live.",
                waiting=", ".join(waiting.mapped("name")),
                phase=flow.phase_id.name,
            )

    def _phase_code(self):
        """Return the code of the standard phase in which flows like this one go live."""
        if self.is_document or self.direction == "outbound":
            return "orders"
        return "masters"

    # === The lock, on every path ===#

    @api.model_create_multi
    def create(self, vals_list):
        flows = super().create(vals_list)
        for flow in flows.filtered(lambda flow: flow.mode == "live"):
            flow._assert_phase(flow.phase_id)
        return flows

    def write(self, vals):
        if vals.get("mode") == "live":
            for flow in self.filtered(lambda flow: flow.mode != "live"):
                flow._assert_phase(flow.phase_id.browse(vals["phase_id"]) if "phase_id" in vals else flow.phase_id)
        return super().write(vals)

    def _assert_phase(self, phase):
        """Refuse what goes live before its time, see `sync.phase._assert_unlocked`."""
        if phase:
            phase._assert_unlocked(self)
