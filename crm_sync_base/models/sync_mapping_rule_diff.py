from odoo import _, models

from ..lib.rule_diff import Described

#: attributes of a rule that say nothing of what it does
SILENT = {
    "id", "mapping_id", "parent_id", "child_ids", "create_uid", "create_date", "write_uid", "write_date",
    "display_name", "sequence",
}


class SyncMappingRuleDiff(models.Model):
    """A rule as people read it."""

    _inherit = "sync.mapping.rule"

    def _described(self):
        """Return what the rule says, attribute by attribute, without what is at its default."""
        self.ensure_one()
        shown = {}
        for name, field in self._fields.items():
            if name in SILENT or not field.store or field.compute:
                continue
            value = self[name]
            if not value:
                continue
            if field.type == "many2one":
                text = value.display_name
            elif field.type == "selection":
                text = dict(field._description_selection(self.env)).get(value, value)
            else:
                text = _("Yes") if value is True else str(value)
            shown[field._description_string(self.env)] = text
        place = f"{self.parent_id.field_name or ''}/{self.direction}/{self.field_name}"
        title = self._label()
        if self.parent_id:
            title = f"{self.parent_id._label()} › {title}"
        source = f"{place}/{self.remote_path or ''}"
        return Described((f"{source}/{self.sequence}", source, place), title, shown)
