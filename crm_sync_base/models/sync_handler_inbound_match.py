from odoo import _, models

from ..lib import matching
from ..lib.errors import Ambiguous, NotReady, Transient
from ..lib.matching import BIND, CREATE, KEY, REVIEW, Entry, Verdict
from ..lib.remedy import MATCH, Remedy
from ..lib.unit import Unit

PENDING = "to be created"  # stands for a parent that has no id yet


class SyncHandlerInboundMatch(models.AbstractModel):
    """Matching: which record an unbound document is, before one is created.

    Each rung of the flow's ladder costs a handful of queries for the whole batch. What a
    person decided before holds; what nobody can decide without a person becomes a
    `sync.match`, and the document waits.
    """

    _inherit = "sync.handler.inbound"

    def _match(self, env, flow, units):
        """Find the records of documents that are not bound yet."""
        unbound = [unit for unit in units if not unit.binding]
        if not unbound:
            return
        decisions = self.env["sync.match"]._decisions(flow, [unit.external_id for unit in unbound])
        free = self._free(env, flow, [one.res_id for one in decisions.values() if one.state == "bind"])
        climbing = []
        for unit in unbound:
            unit.match, unit.identities, unit.answer = None, (), None
            if unit.is_open and (unit.sought or not unit.draft.problems):
                decision = decisions.get(unit.external_id)
                if decision is None or not self._follow_decision(unit, decision, free):
                    climbing.append(unit)
        if decided := [unit for unit in unbound if unit.match is not None]:
            self._identify(env, flow, decided)
        if climbing:
            self._climb(env, flow, climbing)

    def _free(self, env, flow, ids):
        """Return `{id: record}` of those that exist and are bound to no remote record of the kind."""
        records = env[flow.model].browse(ids).exists()
        bound = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, records)
        return {record.id: record for record in records if record.id not in bound}

    def _follow_decision(self, unit, decision, free):
        """Do what was decided before; return whether that settles it."""
        if decision.state == "skip":
            unit.summary = _("Left out: decided by %s", decision._decided_by())
        elif decision.state == "create":
            unit.match = Verdict(CREATE)
        elif decision.state == "bind" and decision.res_id in free:
            unit.record = free[decision.res_id]
        else:
            return False  # still open; or its record was deleted, or bound to another one, since
        unit.answer = decision.id
        return True

    def _identify(self, env, flow, units):
        """Say who those are that a person has decided to create: they have not climbed.

        Somebody else may create the same at this moment, without having asked.
        """
        ladder = flow._match_ladder()
        for number, entry in self._entries(env, flow, ladder, units).items():
            units[number].identities = matching.identities(ladder, entry)

    # === The climb ===#

    def _climb(self, env, flow, units):
        """Look at one rung after the other, until it is clear what each document is."""
        ladder = flow._match_ladder()
        entries = self._entries(env, flow, ladder, units)
        found = {number: [] for number in entries}
        records = {}  # id → `Entry`, of everything that was proposed so far
        taken = {}  # id → external id of the remote record that it is bound to
        for rung in ladder:
            waiting = {number: entry for number, entry in entries.items() if units[number].match is None}
            proposed = self._proposed(env, flow, units, rung, waiting)
            self._read_proposed(env, flow, ladder, proposed, records, taken)
            for number, ids in proposed.items():
                rated = [
                    self._rated(ladder, rung, entries[number], records[key], key, taken.get(key, ""))
                    for key in ids
                    if key in records
                ]
                found[number] += filter(None, rated)
                units[number].match = matching.weigh(one for one in found[number] if one.rung is rung)
        for number, unit in enumerate(units):
            unit.match = unit.match or matching.conclude(found[number])
            unit.identities = matching.identities(ladder, entries[number])
            self._follow_verdict(env, flow, unit)

    @staticmethod
    def _rated(ladder, rung, entry, other, key, taken):
        candidate = matching.rate(ladder, rung, entry, other, taken)
        if candidate:
            candidate.key = key
        return candidate

    def _proposed(self, env, flow, units, rung, entries):
        """Return `{number: ids}` of the records that a rung proposes."""
        if not entries:
            return {}
        if rung.kind != KEY:
            return self.env["sync.match.index"]._propose(env[flow.model], flow.company_id, rung, entries)
        return self._proposed_by_key(env, flow, {number: units[number] for number in entries})

    def _proposed_by_key(self, env, flow, units):
        """Return records with an identifying value, or with the remote id as Odoo's external id."""
        Model = env[flow.model].with_context(active_test=False)
        found = {}
        rules = next(iter(units.values())).rules
        for target in (rule.target for rule in rules if rule.is_key):
            wanted = {number: unit.draft.values.get(target) for number, unit in units.items()}
            wanted = {number: value for number, value in wanted.items() if value}
            by_value = {}
            if wanted:
                for record in Model.search([(target, "in", list(wanted.values()))]):
                    by_value.setdefault(self._plain(record[target]), []).append(record.id)
            for number, value in wanted.items():
                found.setdefault(number, set()).update(by_value.get(value, ()))
        self.env.cr.execute(
            "SELECT name, array_agg(res_id) FROM ir_model_data WHERE model = %s AND name = ANY(%s) GROUP BY name",
            [flow.model, [unit.external_id for unit in units.values()]],
        )
        by_name = dict(self.env.cr.fetchall())
        for number, unit in units.items():
            found.setdefault(number, set()).update(by_name.get(unit.external_id, ()))
        return {number: ids for number, ids in found.items() if ids}

    # === Both sides as values ===#

    def _entries(self, env, flow, ladder, units):
        """Return `{position: what the document says}`."""
        countries = self._country_codes(env, {unit.draft.values.get("country_id") for unit in units})
        title = self._title(env, flow, ladder)
        return {
            number: self._entry(env[flow.model], unit.draft.values, title, countries)
            for number, unit in enumerate(units)
        }

    def _entry(self, model, values, title, countries, archived=False):
        parent = values.get("parent_id")
        if isinstance(parent, Unit):
            parent = parent.record.id if parent.record else f"{PENDING} {parent.external_id}"
        country = values.get("country_id")
        return Entry(
            values,
            country=country or None,
            country_code=countries.get(country, ""),
            role=model._sync_match_role(values),
            parent=parent or None,
            archived=archived,
            title=title,
        )

    @staticmethod
    def _title(env, flow, ladder):
        """Return the field of the name: what the ladder compares, else what names the record."""
        named = next((rung.field for rung in ladder if rung.kind == matching.NAME), "")
        return named or env[flow.model]._rec_name or "name"

    def _country_codes(self, env, ids):
        """Return `{country id: ISO code}` (countries are few, and cached by the ORM)."""
        countries = env["res.country"].browse({one for one in ids if isinstance(one, int) and one})
        return {country.id: country.code or "" for country in countries}

    def _read_proposed(self, env, flow, ladder, proposed, records, taken):
        """Read the records that were proposed for the first time, as far as they may be seen."""
        new = {key for ids in proposed.values() for key in ids} - records.keys()
        if not new:
            return
        found = env[flow.model].with_context(active_test=False).browse(sorted(new))._filtered_access("read")
        names = {name for rung in ladder for name in (rung.field, rung.second) if name}
        names = [*(names | {self._title(env, flow, ladder)} | set(found._sync_match_fields()))]
        rows = [{name: self._plain(record[name]) for name in names} for record in found]
        countries = self._country_codes(env, {row.get("country_id") for row in rows})
        title = self._title(env, flow, ladder)
        for record, row in zip(found, rows, strict=True):
            archived = row.get(found._active_name) is False
            records[record.id] = self._entry(found, row, title, countries, archived)
        bindings = self.env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, found)
        taken.update({res_id: binding.external_id for res_id, binding in bindings.items()})

    @staticmethod
    def _plain(value):
        return value.id if isinstance(value, models.BaseModel) else value

    # === Verdicts ===#

    def _follow_verdict(self, env, flow, unit):
        if unit.match.action == BIND:
            unit.record = env[flow.model].browse(unit.match.best.key)
        elif unit.match.action == REVIEW:
            problem = _("%s: it could be a record that is there already", unit.label)
            unit.error = Ambiguous(
                _("%s could be a record that is in Odoo already: decide which one it is.", self._subject(unit)),
                hint=_("Open Matches to Review and say whether it is the same, a new one, or left out."),
                problems=[problem],
                fingerprint="ambiguous",
                remedies=[Remedy(MATCH, flow.name, "sync.flow", res_id=flow.id)],
            )

    def _spread_failures(self, units):
        """What needs a record that is left out waits for a person, too."""
        units = list(units)
        for unit in units:
            for need in unit.needs:
                if need.summary and need.record is None and not need.error:
                    unit.error = unit.error or NotReady(
                        _("%(record)s needs %(need)s. %(why)s.",
                          record=self._subject(unit), need=self._subject(need), why=need.summary),
                        hint=_("Bring that one in first, then retry."),
                    )
        return super()._spread_failures(units)

    # === Never created twice ===#

    def _apply(self, env, units, registry):  # pylint: disable=missing-return
        reached = self._reachable(units)
        created = [unit for unit in reached if unit.operation == "create" and unit.identities]
        self._part_twins(units, created)
        self.env["sync.match"]._carry_out([unit.answer for unit in reached if unit.answer])
        by_model = {}
        for unit in created:
            key = (unit.flow.model, unit.flow.company_id)
            by_model.setdefault(key, set()).update(unit.identities)
        for (model, company), identities in sorted(by_model.items(), key=lambda item: (item[0][0], item[0][1].id)):
            self.env["sync.match.guard"]._claim(model, company, identities)
        super()._apply(env, units, registry)
        self._forget_matches(set(registry.values()) - set(reached))

    @staticmethod
    def _forget_matches(units):
        """What was found is worth keeping once it was bound, or when a person is asked."""
        for unit in units:
            if not isinstance(unit.error, Ambiguous):
                unit.match = None

    def _part_twins(self, units, created):
        """Never create two of a batch that are certainly the same: the second meets the first.

        The batch is halved until they are apart. Then the one that comes later finds the
        other's record.

        :raises Transient: when two share an identity and can be parted.
        """
        seen = {}
        if len(units) < 2:
            return
        for unit in created:
            for identity in unit.identities:
                other = seen.setdefault((unit.flow.model, unit.flow.company_id, identity), unit)
                if other is not unit:
                    raise Transient(_("Two records of one batch seem to be the same; looking again, one by one."))

    # === What a person must decide, and what was decided without one ===#

    def _record_plan(self, units):  # pylint: disable=missing-return
        """A dry run asks people already, but binds nothing."""
        super()._record_plan(units)
        self._forget_matches({one for unit in units for one in (unit, *self._all_brought(unit))})

    def _outcomes(self, flow, jobs, units):
        self.env["sync.match"]._keep(self._matched(units))
        return super()._outcomes(flow, jobs, units)

    def _matched(self, units):
        """Return `[(unit, jobs that wait for it)]` of all that a verdict was given on."""
        waiting = {}
        for unit in units:
            for one in (unit, *self._all_brought(unit)):
                if one.match is not None:
                    waiting.setdefault(one.key, (one, set()))[1].add(unit.job)
        return [
            (unit, self.env["sync.job"].union(*jobs))
            for unit, jobs in waiting.values()
            if isinstance(unit.error, Ambiguous) or not unit.error
        ]
