from odoo import _, models

from ..lib import planner
from ..lib.planner import Found
from ..lib.remedy import CHOOSE, IDENTIFY, Remedy
from ..lib.transforms import Reference
from ..lib.unit import Unit

MAX_DEPTH = 30  # of prerequisites of prerequisites; each level is a remote call


class SyncHandlerInboundResolve(models.AbstractModel):
    """References and look-ups: one query for each kind, for the whole batch."""

    _inherit = "sync.handler.inbound"

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
            if source:
                problem = _("there are more than %(count)s levels above it: %(what)s", count=MAX_DEPTH, what=label)
            return {reference: Found(problem=problem, code="not_ready") for reference in references}
        problem = self.env["sync.hold"]._schema_hold_of(source)
        if problem:
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
        if unit.error is None and (unit.document is None or unit.document.deleted):
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
                "Odoo has no %(what)s with %(field)s “%(value)s”",
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
