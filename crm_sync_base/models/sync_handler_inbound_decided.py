from odoo import _, models

from ..lib import lines
from ..lib.errors import PolicyBlocked, RemoteGone
from ..lib.planner import Draft
from ..lib.unit import Unit


class SyncHandlerInboundDecided(models.AbstractModel):
    """Values that a person decided on, applied on the way that documents take."""

    _inherit = "sync.handler.inbound"

    def _apply_decided(self, flow, decided):
        """Write decided values; each proposal whole or not at all, a bad one stops no other.

        :param decided: `{sync.proposal: {field: value}}`.
        :return: `{sync.proposal: SyncError}` of those that could not be applied.
        """
        failed = {}
        for round_ in self._rounds(decided):
            units = {proposal: self._decided_unit(flow, proposal, decided[proposal]) for proposal in round_}
            self._apply_isolated(flow, list(units.values()))
            failed.update({proposal: unit.error for proposal, unit in units.items() if unit.error})
        return failed

    def _rounds(self, proposals):
        """Return proposals in lists, so that no list has two of one record."""
        rounds, seen = [], {}
        for proposal in proposals:
            number = seen.get(proposal.external_id, 0)
            seen[proposal.external_id] = number + 1
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(proposal)
        return rounds

    def _decided_unit(self, flow, proposal, values):
        unit = Unit(flow, proposal.job_id, proposal.external_id)
        unit.line_states = {name: proposal.values[name] for name in values if lines.is_pair(proposal.values[name])}
        plain_values = {name: value for name, value in values.items() if name not in unit.line_states}
        unit.decided = (proposal.id, proposal.res_id, plain_values)
        unit.granted = frozenset(values)
        unit.subject = proposal.record_name
        return unit

    def _plan(self, env, flow, units, registry, depth):
        """Plan decided values from the decision; documents go their usual way."""
        decided = [unit for unit in units if unit.decided]
        if not decided:
            return super()._plan(env, flow, units, registry, depth)
        return self._plan_decided(env, flow, decided, registry)

    def _plan_decided(self, env, flow, decided, registry):
        registry.update({unit.key: unit for unit in decided})
        bindings = self.env["sync.binding"]._lock(
            flow.connection_id, flow.remote_object, [unit.external_id for unit in decided]
        )
        mapping = flow.mapping_id
        rules = mapping._compiled()
        # Taken from one recordset, they are read together.
        records = {
            record.id: record
            for record in env[flow.model].browse([unit.decided[1] for unit in decided]).exists()
        }
        for unit in decided:
            unit.rules, unit.mapping_id = rules, mapping.id
            unit.binding = bindings.get(unit.external_id)
            unit.draft = Draft(unit.external_id, values=dict(unit.decided[2]))
            unit.record = records.get(unit.decided[1])
            if unit.record is None:
                unit.error = RemoteGone(_("%s was deleted in Odoo.", unit.subject))
        self._load_lines(flow, decided)
        self._situate(env, flow, decided)
        for unit in decided:
            if unit.is_open:
                self._weigh(unit)
                self._plan_decided_lines(unit)

    def _plan_decided_lines(self, unit):
        """Plan exactly the lines that were decided on, or refuse them all."""
        names = [*unit.decided[2], *unit.line_states]
        refusal = unit.record._sync_undo_refusal(names) if unit.line_states else ""
        if refusal:
            unit.error = PolicyBlocked(refusal, hint=_("Nothing was changed. Reject it, or bring it in by hand."))
            return
        for target, (start, end) in unit.line_states.items():
            plan, left = self._line_way(unit, target, start, end)
            if left or self._line_rule(unit, target) is None:
                unit.error = PolicyBlocked(
                    _("%s: its lines are not as they were when the change was proposed.", unit.subject),
                    hint=_("It is compared anew; decide on what is shown then."),
                )
                return
            unit.line_plans[target] = plan
        if any(unit.line_plans.values()):
            unit.operation = "update"

    def _hold_to_plan(self, env, flow, units):
        """An approved plan binds the documents of its run, not what was decided since."""
        return super()._hold_to_plan(env, flow, [unit for unit in units if not unit.decided])

    def _is_dry(self, unit):
        """Who decides has seen what will be written."""
        return not unit.decided and super()._is_dry(unit)

    def _touch(self, units):
        """Remember versions; a decision has none."""
        return super()._touch([unit for unit in units if not unit.decided])

    def _bind(self, units):
        """Bind what documents brought; a decision brings nothing new."""
        return super()._bind([unit for unit in units if not unit.decided])

    def _change(self, unit, verdict):
        row = super()._change(unit, verdict)
        return {**row, "proposal_id": unit.decided[0], "user_id": self.env.uid} if unit.decided else row
