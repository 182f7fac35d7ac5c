from odoo import api, models


class SyncTrace(models.AbstractModel):
    """The trace knows subscriptions, and shows those of a story's orders."""

    _inherit = "sync.trace"

    @api.model
    def _searchable(self):
        if not self.env["q2c.subscription"].has_access("read"):
            return super()._searchable()
        return [*super()._searchable(), ("q2c.subscription", "name")]

    def _sale_documents(self, correlations):
        documents = super()._sale_documents(correlations)
        order_ids = [record.id for record in documents if record._name == "sale.order"]
        if order_ids and self.env["q2c.subscription"].has_access("read"):
            documents += self.env["q2c.subscription"].search([("order_id", "in", order_ids)], order="id")
        return documents
