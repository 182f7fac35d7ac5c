from odoo import _, models

from ..lib import ownership
from ..lib.ownership import Situation
from ..lib.unit import plain


class SyncHandlerInboundRules(models.AbstractModel):
    """Ownership: what the rules must know of a batch's records, and what is remembered."""

    _inherit = "sync.handler.inbound"

    # === Before deciding ===#

    def _situate(self, env, flow, units):
        """Gather, for a whole batch, what `ownership.decide` must know of each record."""
        units = [unit for unit in units if unit.is_open and unit.record]
        rules = [rule for rule in (units[0].rules if units else ()) if not rule.is_collection]
        if not units:
            return
        protected = self._protected(env, flow, rules, units)
        records = env[flow.model].browse([unit.record.id for unit in units])
        targets = [rule.target for rule in self._collections(units[0])]
        gates, line_gates = self.env["sync.approval.rule"]._gates(
            flow, records, targets, lambda: self._said_amounts(units)
        )
        pasts = self._pasts(env, flow, rules, units)
        # What waits is shown as Odoo has it.
        self._look_at_lines(env, [unit for unit in units if unit.record.id in line_gates])
        remembering = any(rule.terms.needs_memory for rule in rules)
        rejected = {}
        if remembering or protected or gates or line_gates:
            ids = [unit.record.id for unit in units]
            rejected = self.env["sync.proposal"].sudo()._rejections(flow, ids)
        for unit in units:
            record = unit.record
            past = pasts.get(record.id, {})
            known = (protected, gates, line_gates)
            if remembering or past or unit.granted or any(record.id in one for one in known):
                unit.situation = Situation(
                    memory=self._memory(unit, past),
                    protected=frozenset(protected.get(record.id, ())),
                    gates=gates.get(record.id, {}),
                    line_gates=line_gates.get(record.id, {}),
                    granted=unit.granted,
                    settled=rejected.get(record.id, {}),
                    said_at=self._said_at(unit),
                    held_at=self._moments(unit, past),
                    held_by=record.sudo().write_uid.name or "",
                    edited_by={name: one.edited_by for name, one in past.items() if one.edited_by},
                )

    def _protected(self, env, flow, rules, units):
        """Return `{record id: names of its protected fields}`."""
        found = {}
        # The state of a record counts, not what the service user may see of it.
        records = env[flow.model].sudo().browse([unit.record.id for unit in units])
        for rule in rules:
            if rule.policy == "protected":
                for record in records.filtered_domain(list(rule.protected_domain)):
                    found.setdefault(record.id, set()).add(rule.target)
        return found

    def _said_amounts(self, units):
        """Return `{record id: (Decimal, currency code)}` of what documents say they are worth."""
        said = {unit.record.id: self._document_amount(unit) for unit in units}
        return {res_id: worth for res_id, worth in said.items() if worth is not None}

    def _said_at(self, unit):
        """Return when the source's record was changed, naive UTC, or None."""
        if unit.document is None:
            return None
        return unit.flow._connector()._changed_at(unit.flow.remote_object, unit.document)

    # === Afterwards ===#

    def _remember_agreement(self, units):
        """Keep what both sides say now of the fields whose rules must know (one query)."""
        rows = []
        for unit in units:
            agreed = self._agreement(unit)
            if agreed:
                connection = unit.flow.connection_id
                rows.append((connection.id, unit.flow.remote_object, unit.external_id, agreed))
        self.env["sync.binding"]._agree_many(rows)

    def _agreement(self, unit):
        """Return `{field: [print of the source's value, print of Odoo's when they agreed]}`."""
        agreed = self._spelling(unit)
        memory = unit.situation.memory if unit.situation else {}
        for rule in unit.rules:
            name = rule.target
            if rule.is_collection or not rule.terms.needs_memory or name not in unit.draft.values:
                continue
            if name in unit.decisions.asked or name in unit.decisions.held:
                continue  # nothing is agreed before somebody has decided
            said, present = plain(unit.draft.values[name]), self._value_of(unit.record, name)
            if name in unit.changes or ownership.same(present, said):
                # What Odoo made of the value: it may be rounded or formatted.
                held = ownership.print_of(present)
            else:
                held = memory[name].held if name in memory else ""
            agreed[name] = [ownership.print_of(said), held]
        return agreed

    def _note_violations(self, units):
        """Note who changed what he does not own (one query)."""
        rows = []
        for unit in units:
            terms = {rule.target: rule for rule in unit.rules}
            for name, verdict in unit.decisions.verdicts.items():
                if verdict.violation:
                    rows.append(self._violation(unit, terms[name], verdict))
        self.env["sync.violation"].sudo()._note_many(rows)

    def _violation(self, unit, rule, verdict):
        # Where the other system owns the field, it was Odoo's value that had no right to be there.
        remote = rule.owner != ownership.REMOTE
        outcomes = {ownership.KEEP: "kept", ownership.WRITE: "accepted" if remote else "restored"}
        return {
            "flow": unit.flow,
            "res_id": unit.record.id,
            "record_name": self._subject(unit),
            "field_name": rule.target,
            "label": rule.label,
            "offender": "remote" if remote else "odoo",
            "outcome": outcomes.get(verdict.action, "asked"),
            "values": {rule.target: self._both_values(unit, rule.target)},
            "edited_by": self._offender_name(unit, rule.target, remote),
            "correlation_id": unit.job.correlation_id or None,
        }

    def _both_values(self, unit, name):
        """Return what Odoo had and what the source says."""
        before, after = unit.changes.get(name) or (self._value_of(unit.record, name), unit.draft.values[name])
        return [plain(before), plain(after)]

    def _offender_name(self, unit, name, remote):
        """Return, for people, who made a change that he had no right to, as far as that is known."""
        if remote:
            return unit.document.changed_by if unit.document is not None else ""
        situation = unit.situation
        if situation is None or situation.edited_by.get(name) or not situation.held_by:
            return situation.edited_by.get(name, "") if situation else ""
        return _("%s (who changed the record last)", situation.held_by)

    def _raise_proposals(self, units):
        """Ask people for what waits for a decision."""
        for flow, mine in self._may_ask(units).items():
            self.env["sync.proposal"].sudo()._raise_for(flow, mine)

    def _foresee_proposals(self, units):
        """Dry run: say how many people would be asked for; ask nobody."""
        waiting = [unit for unit in units if self._waits(unit)]
        for flow, mine in self._may_ask(waiting).items():
            self.env["sync.proposal"].sudo()._news(flow, mine)

    @staticmethod
    def _may_ask(units):
        """Return `{flow: those of the units about whose records people can be asked}`."""
        by_flow = {}
        for unit in units:
            if unit.operation != "create" and not unit.decided:
                by_flow.setdefault(unit.flow, []).append(unit)
        return by_flow

    @staticmethod
    def _waits(unit):
        """Whether something of a unit is for a person to decide."""
        return unit.decisions is not None and bool(unit.decisions.held or unit.decisions.asked)

    # === For people ===#

    def _kept_note(self, unit):
        """Return, in words, which fields were left as they are and why; empty for none."""
        verdicts = unit.decisions.verdicts if unit.decisions else {}
        if not verdicts:
            return ""
        labels = {rule.target: rule.label for rule in unit.rules}
        reasons = self._reasons()
        kept = [
            f"{labels[name]} ({reasons[verdict.reason]})"
            for name, verdict in verdicts.items()
            if verdict.reason and verdict.reason != "unchanged"
        ]
        return _("left as it is: %s", ", ".join(kept)) if kept else ""

    def _reasons(self):
        """Return `{reason of a verdict: what people call it}`."""
        return {
            "create_only": _("only set on creation"),
            "filled": _("filled already"),
            "protected": _("protected"),
            "not_owner": _("Odoo is its system of record"),
            "older": _("newer in Odoo"),
            "unchanged": _("changed in Odoo only"),
            "approval": _("waits for an approval"),
            "conflict": _("changed on both sides"),
            "rejected": _("rejected before"),
        }
