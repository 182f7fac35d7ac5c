from odoo import fields, models


class SaleOrderLine(models.Model):
    """Order lines remember what the source says they cost, and say what people call them."""

    _inherit = "sale.order.line"

    q2c_source_subtotal = fields.Char(
        string="Source Subtotal",
        copy=False,
        readonly=True,
        help="The line's untaxed amount in the source quote, exactly as it says. It is compared, "
        "never applied: should the totals differ, it tells which line is the reason.",
    )

    def _sync_line_name(self):
        return self.product_id.display_name or (self.name or "").partition("\n")[0]

    def _sync_unshown_fields(self):
        """Besides: by what Odoo knows whether a price is its own."""
        return (*super()._sync_unshown_fields(), "technical_price_unit", "customer_lead", "display_type")
