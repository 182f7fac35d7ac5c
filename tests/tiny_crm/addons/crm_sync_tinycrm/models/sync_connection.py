from odoo import fields, models


class SyncConnection(models.Model):
    """Adds Tiny CRM to the providers."""

    _inherit = "sync.connection"

    provider = fields.Selection(
        selection_add=[("tinycrm", "Tiny CRM")], ondelete={"tinycrm": "cascade"}
    )
