from odoo import api, models

from ..lib.declarations import RemoteField, RemoteObject
from ..lib.trouble import DATABASE_TROUBLE

KINDS = {
    "char": "text",
    "text": "text",
    "html": "text",
    "integer": "integer",
    "float": "number",
    "monetary": "number",
    "boolean": "boolean",
    "date": "date",
    "datetime": "datetime",
    "selection": "choice",
    "many2one": "reference",
    "many2many": "references",
    "one2many": "lines",
    "binary": "binary",
    "image": "binary",
}

#: of Odoo's chatter and activities; no mapping needs them
HIDDEN = {"message_ids", "message_follower_ids", "activity_ids", "website_message_ids"}


class SyncSchemaOdoo(models.AbstractModel):
    """Describes Odoo's models in the same words as the objects of a provider."""

    _name = "sync.schema.odoo"
    _description = "Schema of Odoo's Models"

    @api.model
    def _object(self, name):
        """Return a model as a `RemoteObject`."""
        model = self.env["ir.model"].sudo()._get(name)
        return RemoteObject(name, model.name or name, can_push=True, custom=model.state == "manual")

    @api.model
    def _shape(self, name):
        """Return `{field name: RemoteField}` of a model, in the user's language."""
        model = self.env[name].sudo()
        defaults = self._with_default(model)
        return {
            field.name: self._field(field, defaults)
            for field in model._fields.values()
            if field.name not in HIDDEN
        }

    def _with_default(self, model):
        """Return the names of mandatory fields that have a value by default."""
        names = [field.name for field in model._fields.values() if field.required]
        try:
            return model.default_get(names).keys()
        except DATABASE_TROUBLE:
            raise
        except Exception:  # noqa: BLE001 (other modules' defaults may want a context)
            return {name for name in names if model._fields[name].default}

    def _field(self, field, defaults):
        computed = bool(field.compute or field.related) and not field.inherited
        automatic = field.name in models.MAGIC_COLUMNS
        return RemoteField(
            name=field.name,
            label=field._description_string(self.env) or field.name,
            type=field.type,
            required=bool(field.required and not computed and not automatic and field.name not in defaults),
            writable=not automatic and not (computed and field.readonly),
            custom=field.name.startswith("x_"),
            references=field.comodel_name or "",
            kind=KINDS.get(field.type, "other"),
            relationship=field.name if field.comodel_name and field.relational else "",
            length=getattr(field, "size", 0) or 0,
            choices=self._choices(field),
        )

    def _choices(self, field):
        if field.type != "selection":
            return ()
        choices = field._description_selection(self.env) or ()
        return tuple((str(value), str(label)) for value, label in choices if value)
