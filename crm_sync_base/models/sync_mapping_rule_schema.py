from odoo import fields, models

from ..lib.mapping_check import RuleFacts
from ..lib.schema import walk


class SyncMappingRuleSchema(models.Model):
    """Rules, as the schema watch and the mapping check see them."""

    _inherit = "sync.mapping.rule"

    flow_id = fields.Many2one(related="mapping_id.flow_id")

    def _facts(self):
        """Return what a check must know, as a value."""
        table = self.value_map_id.sudo()
        return RuleFacts(
            key=str(self.id),
            path=self.remote_path or "",
            target=self.field_name or "",
            direction=self.direction,
            transform=self.transform,
            argument=self.argument or "",
            label=self.name or "",
            required=self.required,
            mapped=frozenset(table.line_ids.mapped("remote_value")) if table else None,
            child_object=self.child_object or "",
        )

    def _remote_base(self, schema):
        """Return the remote object from which the rule's path starts, empty when unknown."""
        flow = self.mapping_id.flow_id
        if not self.parent_id:
            return flow.remote_object
        if self.parent_id.child_object:
            return self.parent_id.child_object
        field = walk(schema, flow.remote_object, self.parent_id.remote_path or "").field
        return field.references if field is not None else ""

    def _odoo_base(self):
        """Return the model that the rule's Odoo field belongs to, empty when unknown."""
        model = self.mapping_id.flow_id.model
        if not self.parent_id or model not in self.env:
            return model
        field = self.env[model]._fields.get(self.parent_id.field_name)
        return (field.comodel_name or "") if field is not None else ""

    def _models_on_the_way(self):
        """Return the models that the Odoo field's path leads through, and links to."""
        names, model = set(), self._odoo_base()
        for part in (self.field_name or "").split("."):
            field = self.env[model]._fields.get(part) if model in self.env else None
            if field is None:
                break
            names.add(model)
            model = field.comodel_name or ""
        return names | ({model} if model in self.env else set())
