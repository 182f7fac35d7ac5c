from odoo import fields, models

from ..lib import ownership, planner
from ..lib.unit import LineBindings


class SyncHandlerInboundLines(models.AbstractModel):
    """Lines of a document: which record each is, and what makes them equal."""

    _inherit = "sync.handler.inbound"

    def _line_rule(self, unit, target):
        return next(rule for rule in unit.rules if rule.target == target)

    def _load_lines(self, flow, units):
        """Read what is bound of the lines of a batch's records (one query for each rule)."""
        units = [unit for unit in units if unit.error is None and unit.record]
        rules = units[0].rules if units else ()
        for rule in (rule for rule in rules if rule.is_collection and rule.child_object):
            named = {line.external_id for unit in units for line in unit.draft.lines.get(rule.target, ())}
            present = {res_id for unit in units for res_id in unit.record[rule.target]._ids}
            bindings = self.env["sync.binding"]._for_lines(
                flow.connection_id, rule.child_object, named, present
            )
            by_external_id = {binding.external_id: binding.res_id for binding in bindings}
            bound = set(by_external_id.values())
            for unit in units:
                unit.line_bindings[rule.target] = LineBindings(
                    {
                        line.external_id: by_external_id[line.external_id]
                        for line in unit.draft.lines.get(rule.target, ())
                        if line.external_id in by_external_id
                    },
                    bound.intersection(unit.record[rule.target]._ids),
                )

    def _line_bindings(self, unit, rule, lines):
        """Return `{external id: line record id}` of the lines that are known."""
        return unit.line_bindings[rule.target].by_external_id

    def _line_commands(self, env, unit, target, lines):
        """Return the commands that make the record's lines equal to the source's."""
        rule = self._line_rule(unit, target)
        field = env[unit.flow.model]._fields[target]
        line_model = env[field.comodel_name]
        known = self._line_bindings(unit, rule, lines) if unit.record and rule.child_object else {}
        # Taken from the record's own field, the lines of the whole batch are read together.
        present = {record.id: record for record in unit.record[target]} if unit.record else {}
        commands = []
        kept = set()
        for line in lines:
            res_id = known.get(line.external_id)
            vals = {
                name: self._storable(line_model._fields[name], value)
                for name, value in line.values.items()
            }
            if res_id not in present:
                commands.append(fields.Command.create(vals))
                continue
            kept.add(res_id)
            vals = self._line_allowed(rule, present[res_id], vals)
            if self._line_changed(present[res_id], vals):
                commands.append(fields.Command.update(res_id, vals))
        bound = set(self._bound_lines(unit, rule, present))
        commands += [fields.Command.delete(res_id) for res_id in sorted(bound - kept)]
        return commands

    def _line_allowed(self, rule, line, vals):
        """Return the values of a line that is there already which its rules let pass."""
        for child in rule.children:
            if child.target not in vals or (child.policy == "always" and child.owner == ownership.REMOTE):
                continue
            protected = child.policy == "protected" and bool(
                line.sudo().filtered_domain(list(child.protected_domain))
            )
            if not planner.line_writable(child, line[child.target], protected):
                vals = {name: value for name, value in vals.items() if name != child.target}
        return vals

    def _bound_lines(self, unit, rule, present):
        """Return the record's lines that came from the provider; others stay."""
        if not present or not rule.child_object:
            return ()
        return unit.line_bindings[rule.target].present

    def _line_changed(self, line, vals):
        for name, value in vals.items():
            before = line[name]
            if isinstance(before, models.BaseModel):
                before = tuple(before._ids) if line._fields[name].type == "many2many" else before.id
            after = value[0][2] if isinstance(value, list) else value
            if not planner.same(before, after):
                return True
        return False

    def _lines_differ(self, env, unit):
        return any(
            self._line_commands(env, unit, target, lines)
            for target, lines in unit.draft.lines.items()
        )
