from odoo import api, fields, models


class SyncValueMapLine(models.Model):
    """One remote value and its Odoo counterpart, a text or a record."""

    _name = "sync.value.map.line"
    _description = "Mapped Value"
    _order = "map_id, remote_value"

    map_id = fields.Many2one("sync.value.map", required=True, ondelete="cascade", index=True)
    remote_value = fields.Char(required=True)
    odoo_value = fields.Char(help="A plain value, when the counterpart is not a record.")
    record_ref = fields.Reference(selection="_selection_models", string="Odoo Record")

    _value_unique = models.UniqueIndex(
        "(map_id, remote_value)", "A remote value has one counterpart."
    )

    @api.model
    def _selection_models(self):
        models_ = self.env["ir.model"].sudo().search([("transient", "=", False), ("abstract", "=", False)])
        return [(model.model, model.name) for model in models_]

    def _local_value(self):
        """Return the record's id, or the plain value."""
        return self.record_ref.id if self.record_ref else self.odoo_value
