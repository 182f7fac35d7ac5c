import json

from odoo import models

from ..lib import lines, ownership, planner
from ..lib.ownership import KEEP, PROPOSE, Verdict


class SyncHandlerInboundHold(models.AbstractModel):
    """Lines that wait for an approval: all of a document's lines, and its totals, or none.

    A part of them would leave a document whose total is neither the old nor the new one.
    """

    _inherit = "sync.handler.inbound"

    def _hold_lines(self, unit):
        """Hold the planned lines of a record back if an approval rule says so, or drop what was rejected."""
        plans = {target: plan for target, plan in unit.line_plans.items() if plan}
        gate = self._line_gate(unit, plans) if unit.record is not None and plans else None
        if gate is None or unit.granted.intersection(plans):
            return
        rule_id, reason = gate
        verdict = Verdict(PROPOSE, reason)
        if all(unit.situation.settled.get((target, self._line_print(unit, target))) for target in plans):
            verdict = Verdict(KEEP, "rejected")
        planner.hold_together(unit.decisions, self._held_pairs(unit, plans), verdict, rule_id)
        for name in unit.record._sync_tied_to_lines():
            if name in unit.decisions.verdicts and name in unit.draft.values:
                # Until somebody has decided, the document counts as saying what Odoo has.
                unit.draft.values[name] = self._value_of(unit.record, name)
        unit.line_plans = {}

    def _line_gate(self, unit, plans):
        """Return `(rule id or None, reason)` of what holds a record's lines back, or None."""
        for target, plan in plans.items():
            gates = unit.situation.line_gates.get(target, ()) if unit.situation else ()
            rule_id = lines.gate_of(plan, gates)
            if rule_id:
                return rule_id, "approval"
        for name in unit.record._sync_tied_to_lines():
            if name in unit.decisions.held:
                reason = unit.decisions.verdicts[name].reason
                return (unit.situation.gates.get(name) if reason == "approval" else None), reason
        return None

    def _held_pairs(self, unit, plans):
        """Return `{field: (before, after)}` of the lines and of what is only right with them."""
        seen = unit.seen or self._seen(self.env, [unit])[unit]
        pairs = {target: lines.planned(plan, seen.lines[target], along=True) for target, plan in plans.items()}
        decisions = unit.decisions
        for name in unit.record._sync_tied_to_lines():
            for pile in (decisions.writes, decisions.held):
                if name in pile:
                    pairs[name] = pile[name]
        return pairs

    def _line_print(self, unit, target):
        """Return a print of what the other side says of all lines, by which a rejection is remembered."""
        if target in unit.line_states:
            said = unit.line_states[target][1]
        else:
            said = [
                [line.external_id, {name: lines.exact(value) for name, value in line.values.items()}]
                for line in unit.draft.lines[target]
            ]
        return ownership.print_of(json.dumps(said, sort_keys=True, default=str))

    def _lines_wait(self, unit):
        """Whether lines of a document wait for an approval, or stay because it was refused."""
        return unit.decisions is not None and any(
            rule.target in unit.decisions.verdicts for rule in self._collections(unit)
        )
