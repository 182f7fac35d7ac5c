from odoo import api, models

from ..lib.schema import SEVERITIES, Difference, compare, worst


class SyncSchemaTrial(models.AbstractModel):
    """What another version of a provider's API would mean to the mappings; nothing is stored."""

    _inherit = "sync.schema.watch"

    @api.model
    def _try_version(self, connection, version):
        """Look at an account under another version of the API, and at what the mappings rely on.

        Both pictures are read now: what changed at the provider since last night is no
        version's doing.

        :return: `[{"object": label, "difference": Difference, "severity", "flow_ids",
            "rules": [names]}]`, the worst first.
        :raises SyncError: the provider cannot be asked, or does not know the version.
        """
        connection._assert_live()
        objects, before = self._ask(connection, (), True)
        there, after = self._ask(connection.with_context(sync_api_version=version), (), True)
        changes = [(name, Difference("object_removed")) for name in before if name not in there]
        for name in before.keys() & after.keys():
            changes += [(name, difference) for difference in compare(before[name], after[name])]
        uses, creators = self._uses(connection, before, after), self._creators(connection)
        found = []
        for name, difference in changes:
            field = after.get(name, {}).get(difference.field)
            hits = self._hits(connection, name, difference, field, uses, creators)
            found.append(
                {
                    "object": objects[name].label or name,
                    "difference": difference,
                    "severity": worst(level for level, _rules in hits.values()),
                    "flow_ids": list(hits),
                    "rules": list(dict.fromkeys(rule for _level, rules in hits.values() for rule in rules)),
                }
            )
        order = list(SEVERITIES)
        return sorted(found, key=lambda one: (order.index(one["severity"]), one["object"], one["difference"].field))
