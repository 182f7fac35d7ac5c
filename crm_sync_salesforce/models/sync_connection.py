from odoo import fields, models


class SyncConnection(models.Model):
    """Adds Salesforce to the providers."""

    _inherit = "sync.connection"

    provider = fields.Selection(
        selection_add=[("salesforce", "Salesforce")], ondelete={"salesforce": "cascade"}
    )
