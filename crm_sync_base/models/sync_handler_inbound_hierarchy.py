from odoo import _, models

from ..lib import hierarchy
from ..lib.errors import NotReady, Transient
from ..lib.unit import Unit

PATIENCE = 3  # attempts before a person is asked: the other members may be on their way


class SyncHandlerInboundHierarchy(models.AbstractModel):
    """Hierarchies stay trees: what would go round in a circle is refused by name.

    Parents that are not there yet are brought along and written first. Here it is about
    records that are: a subsidiary becomes the parent of its parent before the news of
    the parent's own move has arrived, or never.
    """

    _inherit = "sync.handler.inbound"

    def _spread_failures(self, units):
        units = list(units)
        for flow, mine in self._by_flow(units).items():
            for name in self._parent_fields(flow, mine):
                self._refuse_circles(flow, mine, name)
        return super()._spread_failures(units)

    @staticmethod
    def _by_flow(units):
        found = {}
        for unit in units:
            if unit.error is None and unit.operation:
                found.setdefault(unit.flow, []).append(unit)
        return found

    def _parent_fields(self, flow, units):
        """Return the fields of the mapping that lead from a record to another one of its model."""
        model = self.env[flow.model]
        mapped = [model._fields[rule.target] for rule in units[0].rules if rule.target in model._fields]
        return [
            field.name
            for field in mapped
            if field.type == "many2one" and field.store and field.comodel_name == model._name
        ]

    def _refuse_circles(self, flow, units, name):
        """Put an error on the units by which the hierarchy over a field would become a circle."""
        moved = {unit.record.id: unit for unit in units if unit.record and name in unit.changes}
        if not moved:
            return
        new = {self._node(unit): self._node(unit.draft.values.get(name)) for unit in units if name in unit.changes}
        parents = self._parents_above(flow.model, name, [node for node in new.values() if isinstance(node, int)])
        for circle in hierarchy.circles({**parents, **new}):
            self._refuse_circle(flow, moved, circle)

    @staticmethod
    def _node(value):
        """Return what stands for a record in a hierarchy: its id, or the unit that creates it."""
        if isinstance(value, Unit):
            return value.record.id if value.record else value.key
        return value or None

    def _parents_above(self, model, name, ids):
        """Return `{id: parent id}` of these records and of all above them (one query)."""
        self.env[model].flush_model([name])
        table = self.env[model]._table
        self.env.cr.execute(
            # pylint: disable=sql-injection
            f"""
            WITH RECURSIVE above (id, parent) AS (
                SELECT id, "{name}" FROM "{table}" WHERE id = ANY(%s)
                 UNION
                SELECT t.id, t."{name}" FROM "{table}" t JOIN above a ON t.id = a.parent)
            SELECT id, parent FROM above
            """,
            [list(ids)],
        )
        return dict(self.env.cr.fetchall())

    def _refuse_circle(self, flow, moved, circle):
        names = {
            record.id: record.display_name
            for record in self._as_service(flow)[flow.model].browse([node for node in circle if isinstance(node, int)])
        }
        called = {node: self._subject(moved[node]) if node in moved else names.get(node, str(node)) for node in circle}
        for place, node in enumerate(circle):
            unit = moved.get(node)
            if unit is None:
                continue
            way = " → ".join(called[one] for one in (*circle[place:], *circle[:place], node))
            kind = Transient if unit.job.attempts < PATIENCE else NotReady
            unit.error = unit.error or kind(
                _("%(record)s: the hierarchy would go round in a circle: %(way)s.",
                  record=self._subject(unit), way=way),
                hint=_("Correct the parents at the source, then retry."),
            )
