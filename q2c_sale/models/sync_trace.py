from odoo import api, models

#: by which names people look for a deal on the sales side
SEARCHABLE = (
    ("sale.order", "name"),
    ("sale.order", "client_order_ref"),
    ("sale.order", "q2c_source_reference"),
    ("sale.order", "q2c_source_name"),
    ("account.move", "name"),
)


class SyncTrace(models.AbstractModel):
    """The trace knows orders and invoices, and shows what follows from an order."""

    _inherit = "sync.trace"

    @api.model
    def _searchable(self):
        readable = [pair for pair in SEARCHABLE if self.env[pair[0]].has_access("read")]
        return [*super()._searchable(), *readable]

    def _documents(self, correlations):
        """Add order → invoices → payments, whether they are bound or not."""
        documents = super()._documents(correlations)
        known = {(document["model"], document["res_id"]) for document in documents}
        for record in self._sale_documents(correlations):
            if (record._name, record.id) not in known:
                documents.append(self._document(record))
        return documents

    def _sale_documents(self, correlations):
        """Return the records of the stories' orders that this user may read, in order."""
        bindings = self.env["sync.binding"].search(
            [("correlation_id", "in", correlations), ("model", "=", "sale.order")], order="id"
        )
        orders = self.env["sale.order"].sudo().browse(bindings.mapped("res_id")).exists()
        invoices = orders.order_line.invoice_lines.move_id.sorted("id")
        payments = invoices.reconciled_payment_ids.sorted("id")
        readable = (records.with_env(self.env)._filtered_access("read") for records in (orders, invoices, payments))
        return [record for records in readable for record in records]
