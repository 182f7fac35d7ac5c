from odoo import _, api, fields, models

from .q2c_comparison import VERDICTS


class SaleOrder(models.Model):
    """A sales order can be compared with the other systems, and shows what came of it."""

    _inherit = "sale.order"

    q2c_comparison_ids = fields.One2many(
        "q2c.comparison",
        "order_id",
        string="Comparisons",
        groups="crm_sync_base.group_sync_user,crm_sync_base.group_sync_auditor",
    )
    q2c_comparison_verdict = fields.Selection(
        VERDICTS,
        string="Last Comparison",
        compute="_compute_q2c_comparison_verdict",
        groups="crm_sync_base.group_sync_user,crm_sync_base.group_sync_auditor",
    )

    @api.depends("q2c_comparison_ids")
    def _compute_q2c_comparison_verdict(self):
        found = self.env["q2c.comparison"].search([("order_id", "in", self.ids), ("is_latest", "=", True)])
        verdicts = {comparison.order_id.id: comparison.verdict for comparison in found}
        for order in self:
            order.q2c_comparison_verdict = verdicts.get(order.id, False)

    def action_q2c_compare(self):
        """Compare this order with the systems that know the deal, and show the result."""
        return self.env["q2c.comparison"]._compare(self)._action_open()

    def action_q2c_open_comparisons(self):
        """Open what was found about this order, newest first."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Comparisons of %s", self.name),
            "res_model": "q2c.comparison",
            "view_mode": "list,form",
            "domain": [("order_id", "=", self.id)],
        }
