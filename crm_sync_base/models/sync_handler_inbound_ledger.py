from odoo import models

from ..lib import lines, undo
from ..lib.unit import Seen


class SyncHandlerInboundLedger(models.AbstractModel):
    """What the change ledger keeps of lines: as they were and as they became, looked at in Odoo.

    What was planned is not the whole truth: Odoo computes values of lines from others. So
    all lines are read before and after, those of a batch together.
    """

    _inherit = "sync.handler.inbound"

    def _collections(self, unit):
        """Return the rules of a unit's lists of lines."""
        return [rule for rule in unit.rules if rule.is_collection]

    def _look_at_lines(self, env, units):
        """Keep on each unit its record's lines and totals, right before they are written."""
        for unit, seen in self._seen(env, units).items():
            unit.seen = seen

    def _seen(self, env, units):
        """Return `{unit: Seen}` of records that exist and have lines."""
        found = {}
        for model, mine in self._by_model(units).items():
            # What Odoo has counts, not what the service user may see of it. Taken from one
            # recordset, the lines of the whole batch are read together.
            records = env[model].sudo().browse([unit.record.id for unit in mine])
            for unit, record in zip(mine, records, strict=True):
                found[unit] = Seen(
                    {rule.target: self._rows_of(unit, record, rule) for rule in self._collections(unit)},
                    {name: lines.exact(record[name]) for name in record._sync_total_fields()},
                )
        return found

    def _by_model(self, units):
        grouped = {}
        for unit in units:
            if unit.record and self._collections(unit):
                grouped.setdefault(unit.record._name, []).append(unit)
        return grouped

    def _rows_of(self, unit, record, rule):
        """Return `{line id: row}` of the lines that a record has now."""
        field = record._fields[rule.target]
        names = dict.fromkeys(child.target for child in rule.children)
        if unit.operation != "create":
            names = record.env[field.comodel_name]._sync_kept_fields(field.inverse_name)
        known = unit.line_bindings.get(rule.target)
        keys = known.present if known else {}
        return {
            line.id: line._sync_line_row(keys.get(line.id, ""), number, names)
            for number, line in enumerate(record[rule.target], 1)
        }

    def _note_written_lines(self, env, units):
        """Keep on each unit what became of its lines, once they are written and bound."""
        units = [unit for unit in units if unit.record and self._collections(unit)]
        for unit, seen in self._seen(env, units).items():
            before = unit.seen or Seen({}, {})
            for rule in self._collections(unit):
                mapped = {child.target for child in rule.children}
                pair = lines.observed(before.lines.get(rule.target, {}), seen.lines[rule.target], mapped)
                if any(pair):
                    unit.line_rows[rule.target] = lines.bounded(pair)
            if unit.line_rows:
                for name, after in seen.totals.items():
                    if before.totals.get(name) != after:
                        unit.line_rows[name] = [before.totals.get(name), after]

    def _note_planned_lines(self, env, units):
        """Keep on each unit what would become of its lines."""
        for unit, seen in self._seen(env, [unit for unit in units if unit.operation == "update"]).items():
            unit.seen = seen
        for unit in units:
            for target, plan in unit.line_plans.items():
                if plan:
                    now = unit.seen.lines[target] if unit.seen else {}
                    unit.line_rows[target] = lines.bounded(lines.planned(plan, now))

    # === The way from one state to another ===#

    def _line_way(self, unit, target, start, end, back=False):
        """Return the plan that leads a record's lines from one state to another, and what is in the way.

        :param start, end: rows of the change ledger.
        :param back: what the rows do not tell of stays what it is; going forward, Odoo
            computes it from the rest, as it does for a document.
        :return: see `lines.between`.
        """
        field = unit.record._fields[target]
        comodel = unit.record.env[field.comodel_name]
        present = {line.id: line for line in unit.record.sudo()[target]}
        known = unit.line_bindings.get(target)
        by_key = known.by_external_id if known else {}
        names = [name for name in lines.names_in((start, end)) if name in comodel._fields]
        now = {line_id: {name: self._value_of(line, name) for name in names} for line_id, line in present.items()}

        def find(one):
            candidates = (one["id"], by_key.get(one["key"]))
            return next((res_id for res_id in candidates if res_id in present), None)

        def typed(name, stored):
            return undo.typed(comodel._fields[name].type, stored)

        start, end = ([self._without_gone_fields(one, comodel) for one in rows] for rows in (start, end))
        plan, left = lines.between(start, end, find, now, typed)
        if back:
            kept = comodel._sync_kept_fields(field.inverse_name)
            computed = [name for name in kept if comodel._fields[name].compute]
            for line_id, changes in plan.updates.items():
                stays = {name: self._value_of(present[line_id], name) for name in computed if name not in changes}
                plan.along[line_id] = {**stays, **plan.along.get(line_id, {})}
        return plan, left

    def _without_gone_fields(self, one, comodel):
        """Return a row without the fields that the model of the lines does not have any more."""
        return {**one, "values": {name: value for name, value in one["values"].items() if name in comodel._fields}}
