from odoo import _, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

SHOWN = 10  # so many orders are named when a text fits several
ORDER_NAMES = ("name", "client_order_ref", "q2c_source_reference", "q2c_source_name")


class Q2cComparisonWizard(models.TransientModel):
    """Finds a deal by any of its numbers, and compares it."""

    _name = "q2c.comparison.wizard"
    _description = "Compare a Deal"

    query = fields.Char(
        string="Deal",
        required=True,
        help="The id in the CRM or at the billing system, the number of the order, the quote or an invoice.",
    )

    def action_compare(self):
        """Compare the deal and show the result.

        :raises UserError: when the text names no deal, or several.
        """
        self.ensure_one()
        orders = self._orders()
        if not orders:
            raise UserError(
                _(
                    "No sales order is known as “%s”. Enter the id of the deal in the CRM, the number of "
                    "the order or of one of its invoices.",
                    self.query.strip(),
                )
            )
        if len(orders) > 1:
            raise UserError(
                _(
                    "“%(query)s” belongs to several orders: %(orders)s. Enter the number of one of them.",
                    query=self.query.strip(),
                    orders=", ".join(orders[:SHOWN].mapped("name")) + ("…" if len(orders) > SHOWN else ""),
                )
            )
        return self.env["q2c.comparison"]._compare(orders)._action_open()

    def _orders(self):
        """Return the orders that the text names, among those that the user may read.

        The number of an order itself wins over everything else that is called the same.
        """
        text = self.query.strip()
        Order = self.env["sale.order"]
        exact = Order.search([("name", "=ilike", _literal(text))])
        if exact:
            return exact
        named = Domain.OR([(name, "=ilike", _literal(text))] for name in ORDER_NAMES)
        invoiced = Domain("order_line.invoice_lines.move_id.name", "=ilike", _literal(text))
        return Order.search(named | invoiced | Domain("id", "in", self._bound_order_ids(text)))

    def _bound_order_ids(self, text):
        """Return the ids of the orders in whose story a remote id appears."""
        Trace = self.env["sync.trace"].sudo()
        stories = Trace._correlations_of_remote_id(text)
        bindings = self.env["sync.binding"].sudo().search(
            [("correlation_id", "in", stories), ("model", "=", "sale.order")]
        )
        return bindings.mapped("res_id")


def _literal(text):
    """Return a text for `=ilike` in which nothing is a wildcard."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
