from odoo import _, models

from ..lib import planner
from ..lib.declarations import Document
from ..lib.errors import NotReady, RemoteGone, Transient
from ..lib.fingerprint import fingerprint
from ..lib.ownership import NOTHING_KNOWN
from ..lib.planner import Problem
from ..lib.remedy import OPEN, Remedy
from ..lib.scope import matches


class SyncHandlerInboundPlan(models.AbstractModel):
    """Plan: what each document of a batch would change, or why it cannot."""

    _inherit = "sync.handler.inbound"

    def _plan_and_apply(self, flow, units):
        env = self._as_service(flow)
        registry = {}  # every unit of the batch by document, prerequisites too
        self._plan(env, flow, units, registry, depth=0)
        self._spread_failures(registry.values())
        self._set_aside_unneeded(units)
        self._hold_to_plan(env, flow, units)
        dry = [unit for unit in units if self._is_dry(unit)]
        self._record_plan(dry)
        applied = [unit for unit in units if not self._is_dry(unit)]
        if applied:
            self._assert_active_mapping()
            self._apply(env, applied, registry)

    def _plan(self, env, flow, units, registry, depth):
        """Plan units of one flow and, before them, what they need."""
        for unit in units:
            registry[unit.key] = unit
        units = [unit for unit in units if unit.error is None]
        mapping = flow._planning_mapping()
        rules = mapping._compiled() if mapping else ()
        label = flow._remote().label
        bindings = self.env["sync.binding"]._lock(
            flow.connection_id, flow.remote_object, [unit.external_id for unit in units]
        )
        conditions = () if depth else flow._remote_conditions()
        for unit in units:
            unit.rules, unit.mapping_id = rules, mapping.id
            unit.label = label
            unit.binding = bindings.get(unit.external_id)
        self._seek(flow, units, as_prerequisite=depth > 0)
        self._screen_merged(flow, units)
        for unit in units:
            if unit.is_open:
                self._screen(flow, unit, conditions, as_prerequisite=depth > 0)
        units = [unit for unit in units if unit.is_open]
        for unit in units:
            unit.draft = planner.evaluate(rules, unit.external_id, unit.document.data)
            unit.fingerprint = fingerprint([mapping.id, unit.draft.content()])
        self._load_records(env, flow, units)
        self._skip_unchanged(units)
        units = [unit for unit in units if unit.is_open]
        self._resolve(env, flow, units, registry, depth)
        self._match(env, flow, units)
        self._settle_money(env, flow, units)
        self._load_lines(flow, units)
        self._situate(env, flow, units)
        self._check_readiness(env, flow, units)
        self._check(env, flow, units)
        for unit in units:
            self._conclude(env, unit)

    def _screen(self, flow, unit, conditions, as_prerequisite):
        """Set aside what is gone, stale or not wanted."""
        document, binding = unit.document, unit.binding
        if document is None or document.deleted:
            self._on_deleted(flow, unit)
        elif self._is_superseded(unit):
            unit.summary = _("Older than what is known; nothing to do")
        elif not (binding or unit.sought or flow._may_create(as_prerequisite)):
            unit.summary = _("Not needed in Odoo yet; nothing to do")
        elif not matches(conditions, document.data):
            unit.summary = _("Does not meet the condition of the flow; nothing to do")

    def _on_deleted(self, flow, unit):
        """Flag the binding of a remote record that is gone; keep the Odoo record."""
        if not unit.binding:
            unit.summary = _("No longer exists at the provider; nothing to do")
            return
        binding = self.env["sync.binding"].browse(unit.binding.id)
        binding.remote_deleted = True
        unit.record = binding._record()
        unit.summary = _("Deleted at the provider; the Odoo record was kept")

    def _load_records(self, env, flow, units):
        """Attach the bound records; a binding whose record was deleted is dropped."""
        ids = [unit.binding.res_id for unit in units if unit.binding]
        # Taken from one recordset, they are read together.
        existing = {record.id: record for record in env[flow.model].browse(ids).exists()}
        for unit in units:
            if unit.binding and unit.binding.res_id in existing:
                unit.record = existing[unit.binding.res_id]
            elif unit.binding:
                unit.error = RemoteGone(
                    _("%s was deleted in Odoo but still exists at the provider.", self._subject(unit)),
                    hint=_("Restore it in Odoo, or delete its binding to create it anew."),
                    remedies=[Remedy(OPEN, model="sync.binding", res_id=unit.binding.id)],
                )

    def _skip_unchanged(self, units):
        """Set aside what says the same as when it was last applied."""
        same = [
            unit
            for unit in units
            if unit.is_open and unit.binding and unit.binding.fingerprint_in == unit.fingerprint
        ]
        self._touch(same)
        summary = _("Unchanged")
        for unit in same:
            unit.summary = summary

    def _touch(self, units):
        """Remember the versions that were seen (one query)."""
        self.env["sync.binding"]._touch_many(
            [(unit.binding.id, unit.document.version, unit.fingerprint) for unit in units]
        )

    # --- Conclusions ---

    def _check(self, env, flow, units):
        """Hook: add domain problems to `unit.draft.problems`, for a whole batch."""

    def _conclude(self, env, unit):
        """Decide what would be written, or why nothing can be."""
        if unit.error or unit.summary:
            return
        if unit.draft.problems:
            unit.error = planner.to_error(unit.draft.problems, self._subject(unit))
            return
        self._weigh(unit)
        unit.line_plans = {
            target: self._plan_lines(env, unit, target, said) for target, said in unit.draft.lines.items()
        }
        self._hold_lines(unit)
        if unit.record is None:
            unit.operation = "create"
        else:
            unit.operation = "update" if unit.changes or any(unit.line_plans.values()) else ""

    def _weigh(self, unit):
        """Decide field by field what becomes of the values that differ."""
        unit.decisions = planner.weigh(
            unit.rules, unit.draft.values, self._current(unit), unit.situation or NOTHING_KNOWN
        )
        unit.changes = unit.decisions.writes
        unit.operation = "update" if unit.record is not None and unit.changes else ""

    def _current(self, unit):
        """Return the present values of the mapped fields, as ids and plain values."""
        if unit.record is None:
            return None
        names = [rule.target for rule in unit.rules if not rule.is_collection]
        return {name: self._value_of(unit.record, name) for name in names}

    def _value_of(self, record, name):
        """Return the present value of a field as an id, a tuple of ids or a plain value."""
        value = record[name]
        if isinstance(value, models.BaseModel):
            many = record._fields[name].type in ("one2many", "many2many")
            return tuple(value._ids) if many else value.id
        return value

    def _subject(self, unit):
        """Return the document as people know it."""
        if not unit.subject:
            label = unit.label or unit.flow._remote().label
            name = ""
            if isinstance(unit.document, Document):
                name = unit.flow._connector()._label(unit.flow.remote_object, unit.document)
            unit.subject = f"{label} {name or unit.external_id}".strip()
        return unit.subject

    def _spread_failures(self, units):
        """A document whose prerequisite cannot be written cannot be written either."""
        for unit in units:
            self._settle_needs(unit, ())

    def _settle_needs(self, unit, path):
        if unit in path:
            circle = path[path.index(unit):]
            way = " → ".join(self._subject(one) for one in (*circle, unit))
            unit.error = unit.error or NotReady(
                _("%(record)s: the hierarchy goes round in a circle: %(way)s.",
                  record=self._subject(unit), way=way),
                hint=_("Correct the parents at the source, then retry."),
            )
            return
        problems = [Problem(text, unit.error.code) for text in unit.error.problems] if unit.error else []
        remedies = list(unit.error.remedies) if unit.error else []
        culprits = [unit.key] if problems else []
        blocked, passing = False, None
        for need in unit.needs:
            self._settle_needs(need, (*path, unit))
            if need.error:
                blocked = True
                passing = need.error if isinstance(need.error, Transient) else passing
                known = {problem.message for problem in problems}
                problems += [problem for problem in self._problems_of_need(need) if problem.message not in known]
                remedies += need.error.remedies
                culprits.append(need.error.culprit or need.key)
        if blocked:
            unit.needs = []
            # What passes by itself is no person's work, whatever else is wrong.
            unit.error = passing or planner.to_error(
                problems,
                self._subject(unit),
                remedies,
                culprit=culprits[0] if len(set(culprits)) == 1 else None,
            )

    def _problems_of_need(self, unit):
        """Return what is wrong with a prerequisite, each with the kind of record it is about."""
        own = {problem.message for problem in unit.draft.problems} if unit.draft else set()
        return [
            Problem(f"{unit.label}: {text}" if text in own else text, unit.error.code)
            for text in unit.error.problems or (unit.error.message,)
        ]
