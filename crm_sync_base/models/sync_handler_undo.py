from dataclasses import replace

import psycopg2
from odoo import SUPERUSER_ID, _, models
from odoo.tools.misc import Callbacks

from ..lib import lines, planner, undo
from ..lib.errors import DataInvalid
from ..lib.outcome import Outcome
from ..lib.ownership import NOTHING_KNOWN
from ..lib.planner import Draft, Rule
from ..lib.trouble import DATABASE_TROUBLE
from ..lib.undo import Past
from ..lib.unit import Unit

NO_RULE = Rule(path="", target="", label="")

class SyncHandlerUndo(models.AbstractModel):
    """Takes back what a run changed: drafts made from the ledger, on the way of live work.

    Ownership, isolation of bad records, the ledger and bindings hold as they do there.
    No remote call is made: what goes back in Odoo goes out by the outbound flows.
    """

    _name = "sync.handler.undo"
    _inherit = "sync.handler.inbound"
    _description = "Undo Handler"

    def _run(self, flow, jobs):
        units = self._units(flow, jobs)
        tried = [unit for unit in units if self._is_dry(unit)]
        self._take_back(flow, [unit for unit in units if unit not in tried])
        if tried:
            self._try_out(flow, tried)
        return self._outcomes(flow, jobs, units)

    def _take_back(self, flow, units):
        for round_ in self._rounds_of(units):
            self._apply_isolated(flow, round_)

    def _try_out(self, flow, units):
        """Take changes back to see what comes of it, and let nothing of that stay.

        What an earlier change of a record would go back to depends on the later one's way
        back, and what Odoo refuses on what it is asked. No remote call is made.
        """
        cr = self.env.cr
        # What is promised for after the commit belongs to what is not going to be committed.
        promised, cr.postcommit = cr.postcommit, Callbacks()
        try:
            with self._undone():
                for unit in units:
                    unit.tried = True
                self._take_back(flow, units)
        finally:
            cr.postcommit = promised
        for unit in units:
            unit.tried = False
        self._record_plan(units)

    def _is_dry(self, unit):
        return not unit.tried and super()._is_dry(unit)

    def _reachable(self, units):
        """Each change by itself: two of one record are two."""
        return [unit for unit in units if unit.is_open]

    def _units(self, flow, jobs):
        """Return one unit for each change, the newest first."""
        units = []
        for job in jobs:
            changes = self.env["sync.change"].sudo().browse(job.payload["changes"]).exists()
            for change in changes.sorted("id", reverse=True):
                unit = Unit(flow, job, change.external_id or f"{change.model},{change.res_id}")
                unit.subject = change.record_name or ""
                unit.undoes = self._past(flow, change)
                unit.line_states = {name: (after, before) for name, (before, after) in unit.undoes.lines.items()}
                units.append(unit)
        return units

    def _past(self, flow, change):
        """Return a change of the ledger as `Past`."""
        values = {name: tuple(pair) for name, pair in (change.values or {}).items()}
        of_lines = {name for name, pair in values.items() if lines.is_pair(pair)}
        totals = [name for name in self.env[flow.model]._sync_total_fields() if name in values]
        return Past(
            change.id,
            change.operation,
            change.res_id,
            change.record_name or "",
            {name: pair for name, pair in values.items() if name not in of_lines.union(totals)},
            change.create_date,
            {name: values[name] for name in of_lines},
            {name: values[name] for name in totals},
        )

    def _rounds_of(self, units):
        """Return units in lists: of several changes of one record, the newest comes first."""
        rounds, seen = [], {}
        for unit in units:
            number = seen.get(unit.undoes.res_id, 0)
            seen[unit.undoes.res_id] = number + 1
            if number == len(rounds):
                rounds.append([])
            rounds[number].append(unit)
        return rounds

    # === Plan ===#

    def _plan(self, env, flow, units, registry, depth):
        """Plan from the ledger what would go back, and why the rest does not."""
        units = [unit for unit in units if unit.error is None]
        registry.update({unit.key: unit for unit in units})
        self._load_past(env, flow, units)
        self._load_lines(flow, units)
        present = self._present_targets(env, flow, units)
        for unit in units:
            if unit.is_open:
                self._prepare(env, unit, present)
        self._situate(env, flow, [unit for unit in units if unit.is_open])
        for unit in units:
            if unit.is_open and unit.operation == "update":
                self._weigh_past(unit)

    def _load_past(self, env, flow, units):
        """Attach records, bindings (locked) and the rules of today (a query each)."""
        bindings = self.env["sync.binding"]._lock(
            flow.connection_id, flow.remote_object, [unit.external_id for unit in units]
        )
        ids = [unit.undoes.res_id for unit in units]
        # Taken from one recordset, they are read together.
        records = {record.id: record for record in env[flow.model].browse(ids).exists()}
        mapping = flow._planning_mapping()
        known = {rule.target: rule for rule in mapping._compiled()} if mapping else {}
        # All units of a batch have the same rules, as on the way of documents.
        names = {name for unit in units for name in unit.undoes.values if not known.get(name, NO_RULE).is_collection}
        rules = tuple(self._rule_for(known.get(name), name) for name in sorted(names))
        rules += self._collection_rules(units, known)
        for unit in units:
            unit.binding = bindings.get(unit.external_id)
            unit.record = records.get(unit.undoes.res_id)
            unit.draft = Draft(unit.external_id)
            unit.label = ""
            unit.rules, unit.mapping_id = rules, mapping.id
            if unit.record is None:
                self._leave(unit, _("It was deleted in Odoo since."))
            elif unit.binding and unit.binding.res_id != unit.record.id:
                self._leave(unit, _("It was merged into another record since."))

    def _rule_for(self, rule, name):
        """Return the rule by which a field goes back.

        What a rule writes on creation, or where a field is empty, was written by it: it
        may go back as long as nobody has changed it. Owners, protection and approvals
        hold as for any other write.
        """
        if rule is None:
            return Rule(path="", target=name, label=name)
        policy = "always" if rule.policy in ("create_only", "fill_empty") else rule.policy
        conflict = "owner" if rule.conflict == "fill_empty" else rule.conflict
        owner = "remote" if rule.conflict == "fill_empty" else rule.owner
        return replace(rule, policy=policy, conflict=conflict, owner=owner)

    def _present_targets(self, env, flow, units):
        """Return `{model: ids}` of the linked records that would be put back and still exist."""
        wanted = {}
        for model, name, before in self._past_values(env, flow, units):
            field = env[model]._fields.get(name)
            if field is not None and field.type in ("many2one", "many2many") and before:
                ids = before if isinstance(before, list) else [before]
                wanted.setdefault(field.comodel_name, set()).update(ids)
        return {model: set(env[model].browse(ids).exists()._ids) for model, ids in wanted.items()}

    def _prepare(self, env, unit, present):
        """Decide what undoing the change means."""
        operation = undo.OPPOSITE[unit.undoes.operation]
        if operation == "update":
            self._prepare_update(env, unit, present)
        elif operation == "restore":
            self._prepare_restore(unit)
        else:
            self._prepare_withdraw(env, unit)

    def _prepare_withdraw(self, env, unit):
        if unit.record._sync_is_set_aside():
            self._leave(unit, _("It is out of use already."))
            return
        changed = [] if self._untouched(unit) else undo.changed_since(
            unit.undoes, self._values_now(unit), self._kinds(unit)
        )  # fmt: skip
        others = self._lines_not_as_created(unit) or (not changed and self._totals_text(unit))
        if changed or others:
            self._leave(unit, " ".join(filter(None, (changed and self._who_changed(unit, changed), others))))
        else:
            unit.operation = "withdraw"

    def _prepare_restore(self, unit):
        if unit.record._sync_is_set_aside():
            unit.operation = "restore"
        else:
            self._leave(unit, _("It is in use again already."))

    def _prepare_update(self, env, unit, present):
        found = undo.restoration(
            unit.undoes, self._values_now(unit), self._kinds(unit), untouched=self._untouched(unit)
        )
        for name, value in list(found.values.items()):
            comodel = unit.record._fields[name].comodel_name
            ids = value if isinstance(value, tuple) else (value,) if value else ()
            if comodel and not present.get(comodel, set()).issuperset(ids):
                del found.values[name]
                found.left[name] = undo.GONE
        # A document goes back as a whole or not at all: its totals belong to its lines.
        in_the_way = self._prepare_lines(unit, present)
        names = [*found.values, *(target for target, plan in unit.line_plans.items() if plan)]
        refusal = unit.record._sync_undo_refusal(names) if names else ""
        left = self._left_text(unit, found.left)
        if in_the_way or refusal or not names or undo.LINES in found.left.values():
            unit.line_plans = {}
            self._leave(unit, in_the_way or refusal or left or _("It holds the old values already."))
            return
        unit.draft.values = found.values
        unit.operation = "update"
        unit.label = left  # told with the result

    def _weigh_past(self, unit):
        """Let the rules decide what may go back."""
        unit.decisions = planner.weigh(
            unit.rules, unit.draft.values, self._values_now(unit), unit.situation or NOTHING_KNOWN
        )
        unit.changes = unit.decisions.writes
        self._hold_lines(unit)
        note = self._kept_note(unit)
        unit.label = " ".join(filter(None, (unit.label, note)))
        if unit.changes or any(unit.line_plans.values()):
            return
        if unit.decisions.held or unit.decisions.asked:
            unit.verdict, unit.operation = "left", ""  # still open: somebody is asked
        else:
            self._leave(unit, unit.label)

    def _leave(self, unit, why):
        unit.summary, unit.label, unit.verdict, unit.operation = why, why, "left", ""

    # --- Facts ---

    def _untouched(self, unit):
        """Whether nobody wrote to the record since; the change was noted right after its write."""
        return unit.record.write_date <= unit.undoes.at

    def _kinds(self, unit):
        fields = unit.record._fields
        return {name: fields[name].type for name in unit.undoes.values if name in fields}

    def _values_now(self, unit):
        return {name: self._value_of(unit.record, name) for name in self._kinds(unit)}

    def _labels(self, unit, names):
        fields = unit.record._fields
        return ", ".join(
            fields[name]._description_string(self.env) if name in fields else name for name in names
        )

    def _who_changed(self, unit, names):
        writer = unit.record.sudo().write_uid
        # Not named "user": a translation would take that for the id of one.
        who = _("The synchronisation") if writer.id == SUPERUSER_ID else writer.name or _("Somebody")
        return _("%(user)s changed it since: %(fields)s.", user=who, fields=self._labels(unit, names))

    def _left_text(self, unit, left):
        """Return in words which fields stay as they are, and why."""
        by_reason = {}
        for name, reason in left.items():
            by_reason.setdefault(reason, []).append(name)
        texts = []
        if undo.CHANGED in by_reason:
            texts.append(self._who_changed(unit, by_reason[undo.CHANGED]))
        if undo.GONE in by_reason:
            names = self._labels(unit, by_reason[undo.GONE])
            texts.append(self.env._("What it named is gone: %s.", names))
        if undo.LINES in by_reason:
            names = self._labels(unit, by_reason[undo.LINES])
            texts.append(self.env._("Lines are not taken back by themselves: %s.", names))
        return " ".join(texts)

    # === Apply ===#

    def _write_level(self, env, units):
        self._look_at_lines(env, [unit for unit in units if unit.operation])
        for unit in units:
            if unit.operation == "withdraw":
                aside = unit.record._sync_set_aside()
                unit.changes = dict(aside.changes)
                if aside.note:
                    unit.verdict, unit.label = "proposed", aside.note
                    self._ask_person(unit)
                if not aside.changes:
                    unit.operation, unit.summary = "", aside.note
            elif unit.operation == "restore":
                unit.changes = unit.record._sync_bring_back(unit.undoes.values)
            elif unit.operation == "update":
                self._update(env, unit)
                self._assert_lines_back(unit)

    def _ask_person(self, unit):
        """Have the flow's owner decide what could only be prepared (one activity a record)."""
        record = unit.record.sudo()
        summary = _("Undo of a run: check the reversal")
        if "activity_ids" not in record._fields or summary in record.activity_ids.mapped("summary"):
            return
        person = unit.flow._person_for("policy_blocked")
        record.activity_schedule(
            "mail.mail_activity_data_todo", user_id=person.id, summary=summary,
            note=f"{unit.job.run_id.name}: {unit.label}",
        )  # fmt: skip

    def _remember(self, units):
        """Write the ledger; a record that went back is compared anew when it is looked at again.

        Its version stays known: only news from the source, or a person who asks, bring the
        undone values again.
        """
        self.env["sync.binding"]._forget_content([unit.binding.id for unit in units if unit.binding])
        self._bind_lines(units)
        self._note_written_lines(self.env, units)
        self.env["sync.change"]._record_many([self._change(unit, "applied") for unit in units])

    def _remember_unchanged(self, units):
        """Nothing was seen of the source."""

    def _remember_agreement(self, units):
        """What both sides agreed on stays what it was."""

    def _raise_proposals(self, units):
        """Ask for what needs an approval; what waits of the same record already goes first."""
        units = [unit for unit in units if self._waits(unit)]
        wanted = self._new_proposals(units)
        if wanted:
            Proposal = self.env["sync.proposal"].sudo()
            Proposal._insert(units[0].flow, {unit.external_id: unit for unit in units}, wanted)
            Proposal._wake()

    def _foresee_proposals(self, units):
        """Dry run: say how many people would be asked for; ask nobody."""
        self._new_proposals([unit for unit in units if self._waits(unit)])

    def _new_proposals(self, units):
        """Return what is to be asked for and does not wait already; note on the units how much it is."""
        if not units:
            return {}
        flow, ids = units[0].flow, [unit.external_id for unit in units]
        Proposal = self.env["sync.proposal"].sudo()
        waiting = {row[1:4] for row in Proposal._pending_rows(flow, ids)}
        wanted = {key: spec for key, spec in Proposal._wanted(flow, units).items() if key not in waiting}
        for unit in units:
            unit.asks = sum(key[0] == unit.external_id for key in wanted)
        return wanted

    def _follow_up(self, units):
        """No step follows."""

    def _change(self, unit, verdict):
        return {**super()._change(unit, verdict), "reverts_id": unit.undoes.change_id}

    def _isolate(self, flow, units, cause, verdict):
        """Blame nothing on a record that is only the database's trouble: the whole job is done again.

        A line that says why something was left is the last word on it.
        """
        if isinstance(cause, DATABASE_TROUBLE):
            raise cause
        if isinstance(cause, psycopg2.errors.UniqueViolation):
            verdict = DataInvalid(_("Another record has the former value by now, and only one may have it."))
        return super()._isolate(flow, units, cause, verdict)

    # === Results ===#

    def _line_key(self, unit):
        return f"{unit.flow.model}:{unit.undoes.res_id}"

    def _line_digest(self, env, unit):
        return None

    def _line_reason(self, unit, verdict):
        if unit.error:
            return unit.error.message
        return unit.label or (unit.summary if verdict == "left" else None)

    def _outcomes(self, flow, jobs, units):
        """Say what became of each batch; what could not go back is on the run's lines."""
        # Of several changes of one record, the line tells of one that went back.
        self._note_lines(flow, jobs, sorted(units, key=lambda unit: bool(unit.operation)))
        outcomes = {}
        for job in jobs:
            mine = [unit for unit in units if unit.job == job]
            back = sum(bool(unit.operation) and not unit.error for unit in mine)
            job.run_id._look_if_last(job)
            outcomes[job.id] = Outcome(
                summary=_("%(back)s taken back, %(left)s left", back=back, left=len(mine) - back)
            )
        return outcomes
