from decimal import ROUND_HALF_UP, Decimal

from odoo import api, fields, models

from ..lib import recurrence
from ..lib.recurrence import Interval


class Q2cSubscriptionLine(models.Model):
    """One line of a plan: so much of a product at a price, every so often."""

    _name = "q2c.subscription.line"
    _description = "Subscription Line"
    _order = "subscription_id, sequence, id"
    _check_company_auto = True

    subscription_id = fields.Many2one("q2c.subscription", required=True, ondelete="cascade", index=True)
    sequence = fields.Integer(default=10)
    company_id = fields.Many2one(related="subscription_id.company_id", store=True, index=True)
    currency_id = fields.Many2one(related="subscription_id.currency_id")
    product_id = fields.Many2one(
        "product.product", required=True, ondelete="restrict", index=True, check_company=True
    )
    name = fields.Char(
        string="Description", compute="_compute_name", store=True, readonly=False, required=True, precompute=True
    )
    quantity = fields.Float(default=1.0, digits="Product Unit", required=True)
    price_unit = fields.Float(
        string="Unit Price",
        min_display_digits="Product Price",
        required=True,
        help="For one unit and one interval, before taxes.",
    )
    interval_count = fields.Integer(string="Every", default=1, required=True)
    interval_unit = fields.Selection(list(recurrence.UNITS.items()), default="month", required=True)
    price_subtotal = fields.Monetary(
        string="Each Time", compute="_compute_amounts", store=True, help="For each interval, before taxes."
    )
    monthly_value = fields.Monetary(compute="_compute_amounts", store=True)

    _interval_positive = models.Constraint("CHECK (interval_count > 0)", "An interval must be positive.")

    @api.depends("product_id")
    def _compute_name(self):
        for line in self:
            line.name = line.product_id.display_name

    @api.depends("quantity", "price_unit", "interval_count", "interval_unit", "subscription_id.currency_id")
    def _compute_amounts(self):
        for line in self:
            digits = line.currency_id.decimal_places
            amount = Decimal(repr(line.quantity)) * Decimal(repr(line.price_unit))
            line.price_subtotal = float(amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
            interval = line.interval_count > 0 and line.interval_unit and line._interval()
            line.monthly_value = float(recurrence.monthly(amount, interval, digits)) if interval else 0.0

    def _interval(self):
        """Return how often the line recurs, as a value."""
        return Interval(self.interval_unit, self.interval_count)
