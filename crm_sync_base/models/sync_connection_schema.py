from odoo import fields, models


class SyncConnectionSchema(models.Model):
    """When a connection's objects and fields are read again."""

    _inherit = "sync.connection"

    schema_due_at = fields.Datetime(
        readonly=True, copy=False, help="The nightly look for changed fields passes this connection over until then."
    )
