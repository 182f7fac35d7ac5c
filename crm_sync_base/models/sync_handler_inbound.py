from typing import NamedTuple

import psycopg2
from odoo import _, fields, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import planner
from ..lib.declarations import Document
from ..lib.errors import NotReady, RemoteGone, SyncError, Transient
from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome
from ..lib.planner import Found, Problem
from ..lib.remedy import CHOOSE, IDENTIFY, OPEN, Remedy
from ..lib.scope import matches
from ..lib.transforms import Reference

MAX_DEPTH = 5  # of prerequisites of prerequisites


class Unit:
    """One document on its way into Odoo, from planning to result."""

    __slots__ = (
        "binding",
        "brought",
        "changes",
        "document",
        "draft",
        "error",
        "external_id",
        "fingerprint",
        "flow",
        "job",
        "label",
        "line_bindings",
        "needs",
        "operation",
        "record",
        "rules",
        "subject",
        "summary",
    )

    def __init__(self, flow, job, external_id):
        self.flow = flow
        self.job = job
        self.external_id = external_id
        self.document = None
        self.brought = ()  # what it needed and was fetched for it, whatever became of that
        self.draft = None
        self.rules = ()
        self.record = None  # the Odoo record, once there is one
        self.binding = None  # a `Bound`, once there is one
        self.line_bindings = {}  # field → `LineBindings`
        self.fingerprint = ""
        self.label = ""  # what people call documents of this kind, once planned
        self.subject = ""  # the document as people know it, once somebody asked
        self.needs = []  # prerequisites: units that must exist first
        self.operation = ""  # create | update | "" (nothing to write)
        self.changes = {}
        self.error = None
        self.summary = ""

    @property
    def key(self):
        """Identity of the document inside its connection."""
        return (self.flow.remote_object, self.external_id)

    @property
    def is_open(self):
        """Whether the unit is still to be planned or applied."""
        return self.error is None and not self.summary


class LineBindings(NamedTuple):
    """What is bound of one record's lines."""

    by_external_id: dict[str, int]  #: the source's lines → line record
    present: set[int]  #: the record's lines that came from the provider


class SyncHandlerInbound(models.AbstractModel):
    """Documents → Odoo records: fetch, plan, apply, a whole batch at a time.

    A document whose prerequisites (its customer, say) are not there yet brings
    them along: either all of them are written in one transaction, or nothing.
    """

    _name = "sync.handler.inbound"
    _inherit = "sync.handler"
    _description = "Inbound Handler"

    # === The story ===#

    def _run(self, flow, jobs):
        units = self._units(flow, jobs)
        self._fetch(flow, units)
        self._apply_isolated(flow, units)
        return self._outcomes(flow, jobs, units)

    def _units(self, flow, jobs):
        """Return one unit for each document that the jobs name."""
        return [
            Unit(flow, job, external_id)
            for job in jobs
            for external_id in (
                job.payload["ids"] if job.kind == "page" else [job.external_id]
            )
        ]

    def _fetch(self, flow, units):
        """Read the current documents, prerequisites not included."""
        flow.connection_id._assert_live()
        carried = self._carried_documents(units)
        documents = self._read_documents(
            flow,
            [unit.external_id for unit in units if unit not in carried],
            {unit.job for unit in units},
        )
        for unit in units:
            unit.document = carried.get(unit) or documents.get(unit.external_id)

    def _read_documents(self, flow, external_ids, jobs):
        """Return `{external id: document}` of what the provider has."""
        connector = flow._connector()
        declared = flow._remote()
        ids = list(dict.fromkeys(external_ids))
        found = {}
        for start in range(0, len(ids), declared.read_batch):
            chunk = ids[start : start + declared.read_batch]
            with self._guard(flow, "read", jobs, subject=fingerprint([flow.remote_object, chunk])):
                documents = connector._read(flow.connection_id, flow.remote_object, chunk)
            for document in documents:
                found[document.external_id] = document
        return found

    def _apply_isolated(self, flow, units):
        """Plan and apply units together; a bad one is found by halving."""
        if not units:
            return
        try:
            with self.env.cr.savepoint():
                self._plan_and_apply(flow, units)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except psycopg2.errors.UniqueViolation as error:
            # Another worker bound or created the same thing a moment ago.
            self._isolate(flow, units, error, Transient(_("Another job was faster; trying again.")))
        except Exception as error:  # noqa: BLE001 (stored on the job)
            self._isolate(flow, units, error, error)

    def _isolate(self, flow, units, cause, verdict):
        for unit in units:
            unit.summary, unit.operation, unit.changes, unit.needs = "", "", {}, []
            unit.record = unit.binding = None
            unit.line_bindings = {}
        if len(units) == 1:
            unit = units[0]
            error = unit.job._as_sync_error(verdict)
            error.__cause__ = error.__cause__ or cause
            unit.error = error
            return
        middle = len(units) // 2
        self._apply_isolated(flow, units[:middle])
        self._apply_isolated(flow, units[middle:])

    def _outcomes(self, flow, jobs, units):
        """Return the outcome of each job; what failed of a page gets its own job."""
        by_job = {}
        for unit in units:
            by_job.setdefault(unit.job.id, []).append(unit)
        outcomes = {}
        for job in jobs:
            mine = by_job[job.id]
            if job.kind == "page":
                outcomes[job.id] = self._page_outcome(flow, job, mine)
            else:
                outcomes[job.id] = self._outcome(flow, mine[0])
        return outcomes

    def _outcome(self, flow, unit):
        return Outcome(
            summary=unit.summary,
            error=unit.error,
            res_model=flow.model if unit.record else None,
            res_id=unit.record.id if unit.record else None,
            mapping_id=flow.mapping_id.id or None,
            document_token=self._document_to_keep(unit),
            subject=self._subject(unit) if unit.error else "",
            amount=self._document_amount(unit) if unit.error else None,
        )

    def _document_amount(self, unit):
        """Return what a document is worth, (`Decimal`, currency code) or None.

        It failed already: what makes no sense in it must not get in the way.
        """
        if not isinstance(unit.document, Document) or unit.document.deleted:
            return None
        flow = unit.flow
        try:
            return flow._connector()._amount(
                flow.connection_id, flow.remote_object, unit.document
            )
        except (ArithmeticError, LookupError, TypeError, ValueError, SyncError):
            return None

    def _page_outcome(self, flow, job, units):
        failed = [unit.external_id for unit in units if unit.error]
        self.env["sync.job"]._enqueue_documents(
            flow.connection_id, flow.remote_object, failed, run=job.run_id
        )
        summary = _(
            "%(done)s done, %(failed)s handed to jobs of their own",
            done=len(units) - len(failed),
            failed=len(failed),
        )
        return Outcome(summary=summary, mapping_id=flow.mapping_id.id or None)

    # === Plan ===#

    def _plan_and_apply(self, flow, units):
        env = self._as_service(flow)
        registry = {}  # every unit of the batch by document, prerequisites too
        self._plan(env, flow, units, registry, depth=0)
        self._spread_failures(registry.values())
        if flow.mode == "dry_run":
            self._record_plan(units)
            return
        self._apply(env, units, registry)

    def _plan(self, env, flow, units, registry, depth):
        """Plan units of one flow and, before them, what they need."""
        units = [unit for unit in units if unit.error is None]
        for unit in units:
            registry[unit.key] = unit
        mapping = flow.mapping_id
        rules = mapping._compiled() if mapping else ()
        label = flow._remote().label
        bindings = self.env["sync.binding"]._lock(
            flow.connection_id, flow.remote_object, [unit.external_id for unit in units]
        )
        conditions = () if depth else flow._remote_conditions()
        for unit in units:
            unit.rules = rules
            unit.label = label
            unit.binding = bindings.get(unit.external_id)
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
        self._load_lines(flow, units)
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
        elif not binding and not flow._may_create(as_prerequisite):
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

    # --- References and look-ups: one query for each kind, for the whole batch ---

    def _resolve(self, env, flow, units, registry, depth):
        wanted = {target for unit in units for target in unit.draft.pending()}
        # Whoever asks first brings it along: the changes belong to that job's story.
        references = {
            target: unit.job
            for unit in reversed(units)
            for target in unit.draft.pending()
            if isinstance(target, Reference)
        }
        answers = self._answer_references(env, flow, references, registry, depth)
        answers.update(self._answer_lookups(env, wanted - references.keys()))
        for unit in units:
            for target in unit.draft.pending():
                found = answers[target]
                if isinstance(found.res_id, Unit):
                    unit.needs.append(found.res_id)
            planner.resolve(unit.draft, answers)

    def _answer_references(self, env, flow, references, registry, depth):
        answers = {}
        by_object = {}
        for reference in references:
            by_object.setdefault(reference.remote_object, []).append(reference)
        for name, wanted in by_object.items():
            normalize = flow._connector()._object(name).normalize_id
            bindings = self.env["sync.binding"]._lookup(
                flow.connection_id, name, [normalize(ref.external_id) for ref in wanted]
            )
            missing = {}
            for reference in wanted:
                binding = bindings.get(normalize(reference.external_id))
                if binding:
                    answers[reference] = Found(binding.res_id)
                else:
                    missing[reference] = references[reference]
            answers.update(self._bring_along(env, flow, name, missing, registry, depth))
        return answers

    def _bring_along(self, env, flow, name, references, registry, depth):
        """Plan the records that are needed and not there yet, in their own flow.

        :param references: `{reference: job that asks for it}`.
        """
        if not references:
            return {}
        source = self.env["sync.flow"]._for_object(flow.connection_id, name)[:1]
        label = flow._connector()._object(name).label
        if not source or depth >= MAX_DEPTH:
            problem = _("no flow brings %s into Odoo", label)
            return {reference: Found(problem=problem, code="not_ready") for reference in references}
        normalize = source._remote().normalize_id
        keys = {reference: normalize(reference.external_id) for reference in references}
        askers = {keys[reference]: job for reference, job in references.items()}
        units = [
            Unit(source, job, key) for key, job in askers.items() if (name, key) not in registry
        ]
        if units:
            handler = source._handler("record")
            handler._fetch(source, units)
            handler._plan(env, source, units, registry, depth + 1)
        return {
            reference: self._answer_unit(registry[(name, key)], label)
            for reference, key in keys.items()
        }

    def _answer_unit(self, unit, label):
        """Return the record of a planned prerequisite, or why there is none."""
        if unit.document is None or unit.document.deleted:
            return Found(problem=_("the %s no longer exists at the provider", label), code="not_ready")
        return Found(unit)

    def _answer_lookups(self, env, targets):
        answers = {}
        groups = {}
        for model, lookup in targets:
            groups.setdefault((model, lookup.field, lookup.scope), []).append(lookup)
        for (model, field, scope), lookups in groups.items():
            domain = [(field, "in", [lookup.value for lookup in lookups]), *scope]
            found = {}
            for record in env[model].search(domain):
                found.setdefault(str(record[field]), []).append(record.id)
            for lookup in lookups:
                answers[(model, lookup)] = self._answer_lookup(env, model, lookup, found)
        return answers

    def _answer_lookup(self, env, model, lookup, found):
        ids = found.get(lookup.value, [])
        if len(ids) == 1:
            return Found(ids[0])
        what = env[model]._description
        field = env[model]._fields[lookup.field]._description_string(env)
        if not ids:
            problem = _(
                "there is no %(what)s with %(field)s “%(value)s”",
                what=what,
                field=field,
                value=lookup.value,
            )
        else:
            problem = _(
                "%(count)s records of %(what)s have %(field)s “%(value)s”",
                count=len(ids),
                what=what,
                field=field,
                value=lookup.value,
            )
        kind = CHOOSE if ids else IDENTIFY
        remedy = Remedy(kind, model=model, field=lookup.field, value=lookup.value)
        return Found(problem=problem, remedy=remedy)

    # --- Matching ---

    def _match(self, env, flow, units):
        """Bind documents to records that are already there, by identifying fields."""
        for rule in (rule for rule in (units[0].rules if units else ()) if rule.is_key):
            candidates = {
                unit: unit.draft.values.get(rule.target)
                for unit in units
                if unit.record is None and unit.draft.values.get(rule.target)
            }
            if not candidates:
                continue
            records = env[flow.model].search([(rule.target, "in", list(candidates.values()))])
            taken = self.env["sync.binding"]._for_records(
                flow.connection_id, flow.remote_object, records
            )
            by_value = {}
            for record in records.browse(set(records._ids) - set(taken)):
                by_value.setdefault(record[rule.target], []).append(record)
            for unit, value in candidates.items():
                self._match_one(unit, rule, by_value.get(value, []))

    def _match_one(self, unit, rule, records):
        if len(records) == 1:
            unit.record = records[0]
        elif len(records) > 1:
            unit.draft.problems.append(
                Problem(
                    _(
                        "%(count)s Odoo records have the same %(field)s: decide which one it is",
                        count=len(records),
                        field=rule.label,
                    ),
                    remedy=Remedy(
                        CHOOSE,
                        rule.label,
                        records[0]._name,
                        rule.target,
                        str(records[0][rule.target]),
                    ),
                )
            )

    # --- Conclusions ---

    def _check(self, env, flow, units):
        """Hook: add domain problems to `unit.draft.problems`, for a whole batch."""

    def _conclude(self, env, unit):
        """Decide what would be written, or why nothing can be."""
        if unit.error:
            return
        if unit.draft.problems:
            unit.error = planner.to_error(unit.draft.problems, self._subject(unit))
            return
        current = self._current(unit)
        unit.changes = planner.difference(unit.rules, unit.draft.values, current)
        if unit.record is None:
            unit.operation = "create"
        elif unit.changes or self._lines_differ(env, unit):
            unit.operation = "update"

    def _current(self, unit):
        """Return the present values of the mapped fields, as ids and plain values."""
        if unit.record is None:
            return None
        names = [rule.target for rule in unit.rules if not rule.is_collection]
        current = {}
        for name in names:
            value = unit.record[name]
            if isinstance(value, models.BaseModel):
                many = unit.record._fields[name].type in ("one2many", "many2many")
                value = tuple(value._ids) if many else value.id
            current[name] = value
        return current

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
            unit.error = unit.error or NotReady(
                _("%s: the hierarchy goes round in a circle.", self._subject(unit)),
                hint=_("Correct the parents at the source, then retry."),
            )
            return
        problems = list(unit.error.problems) if unit.error else []
        remedies = list(unit.error.remedies) if unit.error else []
        blocked = False
        for need in unit.needs:
            self._settle_needs(need, (*path, unit))
            if need.error:
                blocked = True
                problems += [p for p in need.error.problems or (need.error.message,) if p not in problems]
                remedies += need.error.remedies
        if blocked:
            unit.needs = []
            unit.error = planner.to_error(
                [Problem(text) for text in problems], self._subject(unit), remedies
            )

    # === Apply ===#

    def _apply(self, env, units, registry):
        """Write what the open units and their prerequisites ask for."""
        for level in self._levels(units):
            self._write_level(env, level)
        reached = self._reachable(units)
        self._remember([unit for unit in reached if unit.operation])
        self._remember_unchanged([unit for unit in reached if not unit.operation and unit.record])
        for unit in units:
            if unit.is_open:
                unit.summary = self._summary(unit)
        self._follow_up(units)

    def _reachable(self, units):
        """Return the open units and all they need, each once."""
        seen = {}
        stack = [unit for unit in units if unit.is_open]
        while stack:
            unit = stack.pop()
            if unit.key not in seen:
                seen[unit.key] = unit
                stack += unit.needs
        return list(seen.values())

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
            self._unbind_removed_lines(
                unit, {name: vals[name] for name in unit.draft.lines if name in vals}
            )
            unit.record.write(vals)

    def _vals(self, env, unit):
        """Return the values to write: only what changes, with real ids."""
        vals = {
            name: _storable(env[unit.flow.model]._fields[name], after)
            for name, (_before, after) in unit.changes.items()
        }
        for target, lines in unit.draft.lines.items():
            commands = self._line_commands(env, unit, target, lines)
            if commands:
                vals[target] = commands
        return vals

    def _verify(self, env, unit):
        """Hook: compare what was written with the source; raise to undo it."""

    # --- Lines ---

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
                name: _storable(line_model._fields[name], value)
                for name, value in line.values.items()
            }
            if res_id not in present:
                commands.append(fields.Command.create(vals))
                continue
            kept.add(res_id)
            if self._line_changed(present[res_id], vals):
                commands.append(fields.Command.update(res_id, vals))
        bound = set(self._bound_lines(unit, rule, present))
        commands += [fields.Command.delete(res_id) for res_id in sorted(bound - kept)]
        return commands

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

    # === Remember ===#

    def _remember(self, units):
        """Write bindings and change rows for what was written."""
        self._bind([unit for unit in units if not unit.binding])
        self._touch([unit for unit in units if unit.binding])
        self._bind_lines(units)
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

    def _unbind_removed_lines(self, unit, commands):
        """Forget the bindings of lines that are about to be deleted."""
        for target, lines in commands.items():
            removed = [command[1] for command in lines if command[0] == fields.Command.DELETE]
            rule = self._line_rule(unit, target)
            if removed and rule.child_object:
                self.env["sync.binding"]._forget(unit.flow.connection_id, rule.child_object, removed)

    def _bind_lines(self, units):
        """Bind the lines of records that have an id of their own at the provider."""
        by_flow = {}
        for unit in units:
            by_flow.setdefault(unit.flow, []).append(unit)
        for flow, mine in by_flow.items():
            self._load_lines(flow, mine)
        self.env["sync.binding"]._bind_many(
            [
                row
                for unit in units
                for target in unit.line_bindings
                for row in self._new_line_bindings(unit, target)
            ]
        )

    def _new_line_bindings(self, unit, target):
        """Yield a binding for each line that was just created, in the source's order."""
        rule = self._line_rule(unit, target)
        lines = unit.draft.lines.get(target, ())
        known = self._line_bindings(unit, rule, lines)
        taken = set(known.values())
        free = [record for record in unit.record[target].sorted("id") if record.id not in taken]
        new = [line for line in lines if line.external_id not in known]
        for line, record in zip(new, free[len(free) - len(new):]):
            yield {
                "connection": unit.flow.connection_id,
                "remote_object": rule.child_object,
                "external_id": line.external_id,
                "model": record._name,
                "res_id": record.id,
                "correlation_id": unit.job.correlation_id,
            }

    def _change(self, unit, verdict):
        values = {
            name: [_plain(before), _plain(after)] for name, (before, after) in unit.changes.items()
        }
        for target, lines in unit.draft.lines.items():
            values[target] = [None, _("%s lines", len(lines))]
        return {
            "job": unit.job,
            "flow": unit.flow,
            "mapping_id": unit.flow.mapping_id.id,
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

    def _record_plan(self, units):
        """Dry run: store the differences, apply nothing."""
        planned = [unit for unit in self._reachable(units) if unit.operation]
        self.env["sync.change"]._record_many([self._change(unit, "planned") for unit in planned])
        for unit in units:
            if unit.is_open:
                unit.summary = _("Dry run: %s", self._summary(unit))

    def _summary(self, unit):
        if unit.operation == "create":
            return _("Created %s", self._subject(unit))
        if unit.operation == "update":
            return _("Updated %s", self._subject(unit))
        return _("Unchanged")

    def _follow_up(self, units):
        """Enqueue the first follow-up step of what was written."""
        first = units[0].flow.step_ids.filtered("active")[:1] if units else None
        if not first:
            return
        done = [unit for unit in units if unit.operation and unit.error is None]
        records = {unit.record.id: unit.job for unit in done}
        if records:
            first._enqueue_for(self.env[units[0].flow.model].browse(list(records)), records)


def _plain(value):
    """Return a change value as the ledger stores it."""
    if isinstance(value, Unit):
        return value.record.id if value.record else None
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _storable(field, value):
    """Return a planned value as the ORM takes it."""
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
