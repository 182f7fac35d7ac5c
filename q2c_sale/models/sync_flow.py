from odoo import fields, models


class SyncFlow(models.Model):
    """Flows that make sales orders."""

    _inherit = "sync.flow"

    handler = fields.Selection(
        selection_add=[("sale_order", "Sales order with equal totals")],
        ondelete={"sale_order": "cascade"},
    )

    check_prices = fields.Boolean(
        help="Lines whose price differs from the order's pricelist by more than the tolerance wait for a finance "
        "approver before the order is confirmed.",
    )
    price_tolerance = fields.Float(
        string="Tolerance (%)", default=0.0, help="Of the pricelist's amount of a line, either way. 0: to the cent."
    )

    _price_tolerance_positive = models.Constraint(
        "CHECK (price_tolerance IS NULL OR price_tolerance >= 0)", "A tolerance is not negative."
    )

    def _needs_mapping(self):
        return self.handler == "sale_order" or super()._needs_mapping()
