from odoo import api, fields, models

from ..lib.declarations import RemoteField
from ..lib.mapping_check import KIND_LABELS


class SyncSchemaField(models.Model):
    """One field of an object, as it looked when it was last read."""

    _name = "sync.schema.field"
    _description = "Schema: Field"
    _order = "object_id, is_gone, label, name"
    _rec_names_search = ("label", "name")

    object_id = fields.Many2one("sync.schema.object", required=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one(related="object_id.connection_id", store=True, index=True)
    company_id = fields.Many2one(related="object_id.company_id", store=True, index=True)
    name = fields.Char(string="API Name", required=True, readonly=True)
    label = fields.Char(required=True, readonly=True)
    remote_type = fields.Char(string="Type There", required=True, readonly=True)
    kind = fields.Selection(list(KIND_LABELS.items()), string="Holds", readonly=True)
    is_required = fields.Boolean(string="Mandatory", readonly=True)
    is_writable = fields.Boolean(string="Can Be Written", readonly=True)
    is_custom = fields.Boolean(string="Custom", readonly=True)
    is_unique = fields.Boolean(string="Unique", readonly=True)
    references = fields.Char(string="Links To", readonly=True)
    relationship = fields.Char(readonly=True, help="Fields of the linked record are reached under this name.")
    length = fields.Integer(string="Longest Text", readonly=True)  # pylint: disable=attribute-deprecated
    choices = fields.Json(readonly=True)
    is_gone = fields.Boolean(string="Gone", readonly=True)
    gone_at = fields.Datetime(readonly=True)

    _name_unique = models.UniqueIndex("(object_id, name)", "A field is listed once for each object.")

    @api.depends("label", "name")
    def _compute_display_name(self):
        for field in self:
            field.display_name = f"{field.label} ({field.name})"

    def _to_value(self):
        """Return the field as the engine's value."""
        return RemoteField(
            name=self.name,
            label=self.label,
            type=self.remote_type,
            required=self.is_required,
            writable=self.is_writable,
            custom=self.is_custom,
            references=self.references or "",
            kind=self.kind or "",
            relationship=self.relationship or "",
            unique=self.is_unique,
            length=self.length,
            choices=tuple((value, label) for value, label in self.choices or ()),
        )

    @api.model
    def _vals_of(self, field):
        """Return the values to store of a `RemoteField`."""
        return {
            "name": field.name,
            "label": field.label or field.name,
            "remote_type": field.type,
            "kind": field.kind if field.kind in KIND_LABELS else False,
            "is_required": field.required,
            "is_writable": field.writable,
            "is_custom": field.custom,
            "is_unique": field.unique,
            "references": field.references or False,
            "relationship": field.relationship or False,
            "length": field.length,
            "choices": [list(choice) for choice in field.choices] or False,
            "is_gone": False,
            "gone_at": False,
        }
