from odoo import fields, models

from ..lib.unit import Unit, plain, with_needs


class SyncHandlerInboundApply(models.AbstractModel):
    """Apply: write what was planned, bind it and remember it."""

    _inherit = "sync.handler.inbound"

    def _apply(self, env, units, registry):
        """Write what the open units and their prerequisites ask for."""
        for level in self._levels(units):
            self._write_level(env, level)
        reached = self._reachable(units)
        self._remember([unit for unit in reached if unit.operation])
        self._remember_unchanged([unit for unit in reached if not unit.operation and unit.record])
        compared = [unit for unit in reached if unit.record and unit.decisions]
        self._remember_agreement(compared)
        self._raise_proposals(compared)
        self._note_violations(compared)
        self._follow_up(units)

    def _reachable(self, units):
        """Return the open units and all they need, each once."""
        return with_needs(unit for unit in units if unit.is_open)

    def _levels(self, units):
        """Return the units to write in order: prerequisites in earlier lists."""
        heights = {}

        def height(unit):
            if unit.key not in heights:
                heights[unit.key] = 1 + max((height(need) for need in unit.needs), default=-1)
            return heights[unit.key]

        levels = {}
        for unit in self._reachable(units):
            levels.setdefault(height(unit), []).append(unit)
        return [levels[number] for number in sorted(levels)]

    def _write_level(self, env, units):
        by_flow = {}
        updated = [unit for unit in units if unit.operation and unit.record]
        self._look_at_lines(env, updated)
        ids = {}
        for unit in updated:
            ids.setdefault(unit.flow.model, []).append(unit.record.id)
        for model, of_model in ids.items():
            env[model].browse(of_model)._sync_read_ahead()
        for unit in units:
            if unit.operation and unit.record is None:
                by_flow.setdefault(unit.flow, []).append(unit)
            elif unit.operation:
                unit.flow._handler("record")._update(env, unit)
        for flow, created in by_flow.items():
            flow._handler("record")._create(env, flow, created)
        for unit in units:
            if unit.operation:
                unit.flow._handler("record")._verify(env, unit)

    def _create(self, env, flow, units):
        vals_list = [self._vals(env, unit) for unit in units]
        records = env[flow.model]._sync_create(vals_list)
        for unit, record in zip(units, records):
            unit.record = record

    def _update(self, env, unit):
        vals = self._vals(env, unit)
        if vals:
            self._unbind_lines(unit)
            unit.record.write(vals)

    def _vals(self, env, unit):
        """Return the values to write: only what changes, with real ids."""
        known = env[unit.flow.model]._fields
        vals = {
            name: self._storable(known[name], after)
            for name, (_before, after) in unit.changes.items()
        }
        for target, plan in unit.line_plans.items():
            if plan:
                vals[target] = self._line_commands(env, unit, target)
        return vals

    def _storable(self, field, value):
        """Return a planned value as the ORM takes it."""
        if type(value) is str:  # what most values are
            return value
        if isinstance(value, Unit):
            value = value.record.id
        if isinstance(value, tuple):
            ids = [item.record.id if isinstance(item, Unit) else item for item in value]
            return [fields.Command.set(ids)]
        if value is None:
            return False
        if field.type in ("float", "monetary"):
            # The ORM's floats are rounded to the field's digits; totals are compared
            # with the source afterwards, in Decimal.
            return float(value)
        return value

    def _verify(self, env, unit):
        """Hook: compare what was written with the source; raise to undo it."""

    # === Remember ===#

    def _remember(self, units):
        """Write bindings and change rows for what was written."""
        self._bind([unit for unit in units if not unit.binding])
        self._touch([unit for unit in units if unit.binding])
        self._bind_lines(units)
        self._note_written_lines(self.env, units)
        self.env["sync.change"]._record_many([self._change(unit, "applied") for unit in units])

    def _remember_unchanged(self, units):
        """Bind records that were found equal, and remember the version that was seen."""
        self._bind([unit for unit in units if not unit.binding])
        self._touch([unit for unit in units if unit.binding])

    def _bind(self, units):
        self.env["sync.binding"]._bind_many(
            [
                {
                    "connection": unit.flow.connection_id,
                    "remote_object": unit.flow.remote_object,
                    "external_id": unit.external_id,
                    "model": unit.flow.model,
                    "res_id": unit.record.id,
                    "version": unit.document.version,
                    "fingerprint_in": unit.fingerprint,
                    "correlation_id": unit.job.correlation_id,
                }
                for unit in units
            ]
        )

    def _change(self, unit, verdict):
        values = {
            name: [plain(before), plain(after)] for name, (before, after) in unit.changes.items()
        }
        values.update(unit.line_rows)
        return {
            "job": unit.job,
            "flow": unit.flow,
            "mapping_id": unit.mapping_id,
            "direction": "inbound",
            "operation": unit.operation,
            "verdict": verdict,
            "model": unit.flow.model,
            "res_id": unit.record.id if unit.record else None,
            "record_name": self._subject(unit),
            "remote_object": unit.flow.remote_object,
            "external_id": unit.external_id,
            "values": values,
        }
