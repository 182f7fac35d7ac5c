from odoo import fields, models


class SaleOrder(models.Model):
    """Orders know their subscriptions."""

    _inherit = "sale.order"

    q2c_subscription_ids = fields.One2many("q2c.subscription", "order_id", string="Subscriptions")
    q2c_subscription_count = fields.Integer(compute="_compute_q2c_subscription_count")

    def _compute_q2c_subscription_count(self):
        counts = dict(
            self.env["q2c.subscription"]
            .sudo()
            ._read_group([("order_id", "in", self.ids)], ["order_id"], ["__count"])
        )
        for order in self:
            order.q2c_subscription_count = counts.get(order, 0)

    def action_open_q2c_subscriptions(self):
        """Open the subscriptions that were sold in this order."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("q2c_subscription.action_q2c_subscription")
        action["domain"] = [("order_id", "=", self.id)]
        action["context"] = {"default_order_id": self.id, "default_partner_id": self.partner_id.id}
        return action
