from odoo import fields, models


class SyncConnection(models.Model):
    """Adds HubSpot to the providers."""

    _inherit = "sync.connection"

    provider = fields.Selection(
        selection_add=[("hubspot", "HubSpot")], ondelete={"hubspot": "cascade"}
    )
