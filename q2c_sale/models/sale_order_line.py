from odoo import fields, models


class SaleOrderLine(models.Model):
    """Order lines remember what the source says they cost."""

    _inherit = "sale.order.line"

    q2c_source_subtotal = fields.Char(
        string="Source Subtotal",
        copy=False,
        readonly=True,
        help="The line's untaxed amount in the source quote, exactly as it says. It is compared, "
        "never applied: should the totals differ, it tells which line is the reason.",
    )
