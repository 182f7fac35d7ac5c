from odoo import fields, models

from ..lib import ownership, planner
from ..lib.lines import LinePlan
from ..lib.unit import LineBindings


class SyncHandlerInboundLines(models.AbstractModel):
    """Lines of a document: which record each is, and what makes them equal."""

    _inherit = "sync.handler.inbound"

    def _line_rule(self, unit, target):
        """Return the rule of a list of lines, None when the mapping has none."""
        return next((rule for rule in unit.rules if rule.target == target and rule.is_collection), None)

    def _load_lines(self, flow, units):
        """Read what is bound of the lines of a batch's records (one query for each rule)."""
        units = [unit for unit in units if unit.error is None and unit.record]
        rules = units[0].rules if units else ()
        for rule in (rule for rule in rules if rule.is_collection and rule.child_object):
            named = {unit: self._named_lines(unit, rule.target) for unit in units}
            present = {res_id for unit in units for res_id in unit.record[rule.target]._ids}
            bindings = self.env["sync.binding"]._for_lines(
                flow.connection_id, rule.child_object, set().union(*named.values()), present
            )
            by_external_id = {binding.external_id: binding.res_id for binding in bindings}
            bound = {binding.res_id: binding.external_id for binding in bindings}
            for unit in units:
                unit.line_bindings[rule.target] = LineBindings(
                    {key: by_external_id[key] for key in named[unit] if key in by_external_id},
                    {res_id: bound[res_id] for res_id in unit.record[rule.target]._ids if res_id in bound},
                )

    def _named_lines(self, unit, target):
        """Return the remote ids of the lines that a unit speaks of."""
        said = {line.external_id for line in unit.draft.lines.get(target, ())}
        return said | {one["key"] for rows in unit.line_states.get(target, ()) for one in rows if one["key"]}

    # === Plan ===#

    def _plan_lines(self, env, unit, target, said):
        """Return the `LinePlan` that makes the record's lines equal to the source's.

        Lines that did not come from the provider stay.
        """
        rule = self._line_rule(unit, target)
        bindings = unit.line_bindings.get(target)
        known = bindings.by_external_id if bindings else {}
        # Taken from the record's own field, the lines of the whole batch are read together.
        present = {record.id: record for record in unit.record[target]} if unit.record else {}
        plan, kept = LinePlan(), set()
        for line in said:
            res_id = known.get(line.external_id)
            if res_id not in present:
                plan.creates.append((line.external_id, line.values))
                continue
            kept.add(res_id)
            values = self._line_allowed(rule, present[res_id], line.values)
            changes = self._line_changes(present[res_id], values)
            if changes:
                plan.updates[res_id] = changes
                plan.along[res_id] = {name: value for name, value in values.items() if name not in changes}
        plan.removes = sorted(self._bound_lines(unit, target) - kept)
        return plan

    def _line_allowed(self, rule, line, values):
        """Return the values of a line that is there already which its rules let pass."""
        for child in rule.children:
            if child.target in values and not self._line_field_allowed(child, line):
                values = {name: value for name, value in values.items() if name != child.target}
        return values

    def _line_field_allowed(self, child, line):
        """Whether the rule of a line's field lets it be written over."""
        if child.policy == "always" and child.owner == ownership.REMOTE:
            return True
        protected = child.policy == "protected" and bool(
            line.sudo().filtered_domain(list(child.protected_domain))
        )
        return planner.line_writable(child, line[child.target], protected)

    def _bound_lines(self, unit, target):
        """Return the ids of the record's lines that came from the provider."""
        bindings = unit.line_bindings.get(target)
        return set(bindings.present) if bindings else set()

    def _line_changes(self, line, values):
        """Return `{field: (before, after)}` of what a line would be changed in."""
        now = {name: self._value_of(line, name) for name in values}
        return {
            name: (now[name], value) for name, value in values.items() if not planner.same(now[name], value)
        }

    # === Apply ===#

    def _line_commands(self, env, unit, target):
        """Return the commands that carry the plan for a record's lines out."""
        plan = unit.line_plans[target]
        fields_ = env[env[unit.flow.model]._fields[target].comodel_name]._fields

        def storable(values):
            return {name: self._storable(fields_[name], value) for name, value in values.items()}

        commands = [
            fields.Command.update(
                res_id, storable({**plan.along.get(res_id, {}), **{name: pair[1] for name, pair in changes.items()}})
            )
            for res_id, changes in plan.updates.items()
        ]
        commands += [fields.Command.create(storable(values)) for _key, values in plan.creates]
        return commands + [fields.Command.delete(res_id) for res_id in plan.removes]

    def _unbind_lines(self, unit):
        """Forget the bindings of lines that are about to go."""
        for target, plan in unit.line_plans.items():
            rule = self._line_rule(unit, target)
            if rule.child_object and plan.removes:
                self.env["sync.binding"]._forget(unit.flow.connection_id, rule.child_object, plan.removes)

    def _bind_lines(self, units):
        """Bind the lines of records that have an id of their own at the provider."""
        by_flow = {}
        for unit in units:
            by_flow.setdefault(unit.flow, []).append(unit)
        for flow, mine in by_flow.items():
            self._load_lines(flow, mine)
            self._forget_gone_lines(flow, mine)
        rows = [row for unit in units for target in unit.line_bindings for row in self._new_line_bindings(unit, target)]
        self.env["sync.binding"]._bind_many(rows)

    def _forget_gone_lines(self, flow, units):
        """Forget what was bound to lines that somebody deleted: the source's lines are there anew.

        What is bound to a line of another record stays bound to that.
        """
        wanted = {}
        for unit in units:
            for target, plan in unit.line_plans.items():
                bindings = unit.line_bindings.get(target)
                keys = [key for key, _values in plan.creates if key in bindings.by_external_id] if bindings else ()
                if keys:
                    kind = (self._line_rule(unit, target).child_object, unit.record._fields[target].comodel_name)
                    wanted.setdefault(kind, []).extend((bindings.by_external_id, key) for key in keys)
        for (child_object, model), found in wanted.items():
            ids = {by_external_id[key] for by_external_id, key in found}
            gone = ids.difference(self.env[model].sudo().browse(ids).exists()._ids)
            if gone:
                self.env["sync.binding"]._forget(flow.connection_id, child_object, gone)
            for by_external_id, key in found:
                if by_external_id.get(key) in gone:
                    del by_external_id[key]

    def _new_line_bindings(self, unit, target):
        """Yield a binding for each line that was just created, in the source's order."""
        plan = unit.line_plans.get(target)
        if not plan or not plan.creates:
            return
        rule = self._line_rule(unit, target)
        for (key, _values), record in zip(plan.creates, self._new_lines(unit, target)):
            if not key or key in unit.line_bindings[target].by_external_id:
                continue  # it has no id, or is a line of another record already
            unit.line_bindings[target].present[record.id] = key
            yield {
                "connection": unit.flow.connection_id,
                "remote_object": rule.child_object,
                "external_id": key,
                "model": record._name,
                "res_id": record.id,
                "correlation_id": unit.job.correlation_id,
            }

    def _new_lines(self, unit, target):
        """Return the lines that were just created as planned, in the plan's order."""
        before = unit.seen.lines.get(target, {}) if unit.seen else {}
        new = unit.record[target].filtered(lambda line: line.id not in before).sorted("id")
        # What Odoo adds by itself, it adds before.
        return new[len(new) - len(unit.line_plans[target].creates) :]
