from odoo import fields, models


class SyncFlow(models.Model):
    """Flows that make sales orders."""

    _inherit = "sync.flow"

    handler = fields.Selection(
        selection_add=[("sale_order", "Sales order with equal totals")],
        ondelete={"sale_order": "cascade"},
    )

    def _needs_mapping(self):
        return self.handler == "sale_order" or super()._needs_mapping()
