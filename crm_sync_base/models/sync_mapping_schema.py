from odoo import models


class SyncMappingSchema(models.Model):
    """Mappings, as the schema watch sees them."""

    _inherit = "sync.mapping"

    def _all_rules(self):
        """Return the rules of these versions, those of lines included."""
        return self.rule_ids | self.rule_ids.child_ids

    def _facts_of_rules(self):
        """Return the facts of the rules, those of lines left out."""
        return [rule._facts() for rule in self.rule_ids]

    def _errors(self):
        """Return what cannot work in this version, as sentences, see `sync.mapping.editor`."""
        self.ensure_one()
        lines = [
            (
                {"remote_path": rule.remote_path, "field_name": rule.field_name, "child_object": rule.child_object},
                [child._facts() for child in rule.child_ids],
            )
            for rule in self.rule_ids if rule.child_ids
        ]
        return self.env["sync.mapping.editor"].sudo()._errors(self.flow_id, self._facts_of_rules(), lines)

    def write(self, vals):
        result = super().write(vals)
        if vals.get("state") == "active":
            # A new version may no longer rely on what changed: its flow goes on then.
            watch = self.env["sync.schema.watch"].sudo()
            for connection in self.connection_id:
                watch._settle_fixed(connection)
            watch._settle_fixed(self.env["sync.connection"])
        return result
