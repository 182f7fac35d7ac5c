from odoo import _, api, fields, models

from ..lib import lifecycle
from ..lib.fingerprint import fingerprint
from ..lib.rule_diff import ADDED, CHANGED, REMOVED, differences

NOTHING = "∅"


class SyncMappingDiff(models.Model):
    """What a version changes in comparison with another, rule by rule."""

    _inherit = "sync.mapping"

    compared_id = fields.Many2one(
        "sync.mapping", string="Compared With", compute="_compute_diff",
        help="The active version; of the active one, the version that it was based on.",
    )
    diff = fields.Json(compute="_compute_diff", help="[{field, label, before, after}] for people.")
    content_print = fields.Char(compute="_compute_content_print", help="Who approves has seen this content.")
    diff_count = fields.Integer(string="Differences", compute="_compute_diff")

    @api.depends(
        "state", "origin_id", "rule_ids.write_date", "rule_ids.child_ids.write_date", "flow_id.mapping_ids.state"
    )
    @api.depends_context("lang", "compare_with")
    def _compute_diff(self):
        for mapping in self:
            other = mapping._default_comparison()
            mapping.compared_id = other
            rows = mapping._diff_rows(other) if other else []
            mapping.diff = rows
            mapping.diff_count = len({row["rule"] for row in rows})

    @api.depends("rule_ids.write_date", "rule_ids.child_ids.write_date")
    def _compute_content_print(self):
        for mapping in self:
            mapping.content_print = mapping._content_print()

    def _default_comparison(self):
        """Return the version that a reader wants to compare this one with, or none."""
        versions = self.flow_id.mapping_ids
        chosen = versions.filtered(lambda other: other.id == self.env.context.get("compare_with"))
        active = versions.filtered(lambda other: other.state == lifecycle.ACTIVE)
        if chosen or active != self:
            return chosen or active
        earlier = versions.filtered(lambda other: other.version < self.version and other.retired_at)
        return self.origin_id or earlier.sorted("version")[-1:]

    def _diff_rows(self, other):
        """Return a row for each attribute of a rule that differs from another version.

        :return: `[{"field", "label", "before", "after", "rule"}]`, as the widget shows it.
        """
        what = {ADDED: _("new"), REMOVED: _("removed"), CHANGED: _("changed")}
        rows = []
        for number, found in enumerate(differences(other._described(), self._described())):
            for name, before, after in found.attributes:
                rows.append(
                    {
                        "field": f"{number}.{name}",
                        "rule": number,
                        "label": f"{found.title} ({what[found.kind]}) · {name}",
                        "before": before or NOTHING,
                        "after": after or NOTHING,
                    }
                )
        return rows

    def _described(self):
        """Return the rules, those of lines included, as people read them."""
        rules = self.env["sync.mapping.rule"]
        for rule in self.rule_ids:
            rules |= rule | rule.child_ids
        return [rule._described() for rule in rules]

    def _content_print(self):
        """Return a print of all rules: equal for equal content."""
        rules = self.with_context(lang="en_US")._described()
        return fingerprint([[rule.title, rule.shown] for rule in rules])
