from typing import Any, NamedTuple

from odoo import _, models

from ..lib import plan
from ..lib.outcome import Outcome
from ..lib.scope import matches, parse_scope
from ..lib.unit import with_needs
from .sync_run_pass import PASSES

TERMS = "sync_terms"  # their place in what a transaction remembers


class Terms(NamedTuple):
    """What a job's records must know of it."""

    dry: bool  #: they are only planned
    scope: tuple[Any, ...]  #: the condition of the run


class SyncHandlerInboundRun(models.AbstractModel):
    """What runs add to the way in: dry runs, approved plans, a line for each record.

    All of them go the way of live work up to the point at which it writes.
    """

    _inherit = "sync.handler.inbound"

    # === What may be written ===#

    def _is_dry(self, unit):
        """Whether a unit is only planned: by its run, or because its flow only plans."""
        # What a person has decided is applied, whatever the flow does by itself.
        return not unit.decided and self._unit_terms(unit).dry

    def _unit_terms(self, unit):
        """Return the terms of a unit's job."""
        if unit.terms is None:
            unit.terms = self._terms(unit.job)
        return unit.terms

    def _terms(self, job):
        """Return the terms of a job; a page's many records ask for them again and again.

        They are those of this attempt: a lane's cursor outlives it.
        """
        cache = self.env.cr.cache
        key = (TERMS, job.id, job.attempts)
        if key not in cache:
            cache[key] = self._read_terms(job)
        return cache[key]

    def _read_terms(self, job):
        scope = job.kind == "page" and job.payload.get("scope")
        decided = job.kind == "undo" or self._carries_out(job)
        dry = (job.kind in ("page", "undo") and job.run_id.dry_run) or (
            job.flow_id.mode == "dry_run" and not decided
        )
        return Terms(dry, parse_scope(scope) if scope else ())

    def _screen(self, flow, unit, conditions, as_prerequisite):  # pylint: disable=missing-return
        """Besides: set aside what does not meet the condition of the run."""
        super()._screen(flow, unit, conditions, as_prerequisite)
        scope = not as_prerequisite and self._unit_terms(unit).scope
        if scope and unit.is_open and not matches(scope, unit.document.data):
            unit.summary = _("Does not meet the condition of the run; nothing to do")

    def _read_documents(self, flow, external_ids, jobs):
        """Besides: read what the conditions of their runs are about, mapped or not."""
        asked = {path for job in jobs for path, _operator, _value in self._terms(job).scope}
        if asked:
            known = flow.env.context.get("sync_read_paths", ())
            flow = flow.with_context(sync_read_paths=sorted(asked.union(known)))
        return super()._read_documents(flow, external_ids, jobs)

    # === Dry runs ===#

    def _touch(self, units):
        """Planning remembers nothing."""
        return super()._touch([unit for unit in units if not self._is_dry(unit)])

    def _on_deleted(self, flow, unit):
        if unit.binding and self._is_dry(unit):
            unit.summary = _("Deleted at the provider; the Odoo record would be kept")
            return None
        return super()._on_deleted(flow, unit)

    def _not_planned_before(self, units):
        """Return the units whose plan is new: what many records need is planned once in a run."""
        keys = {}
        for unit in units:
            if unit.job.run_id.kind in PASSES:
                keys.setdefault(unit.job.run_id.id, []).append(self._line_key(unit))
        known = set()
        for run_id, wanted in keys.items():
            known |= self.env["sync.run.line"]._written_keys(run_id, wanted)
        return [unit for unit in units if (unit.job.run_id.id, self._line_key(unit)) not in known]

    # === Approved plans ===#

    def _hold_to_plan(self, env, flow, units):
        """Set aside what differs from the plan that was approved, and say in what."""
        held = [unit for unit in units if unit.is_open and self._carries_out(unit.job)]
        for job in {unit.job for unit in held}:
            mine = [unit for unit in held if unit.job == job]
            reached = {unit.key: unit for unit in self._reachable(mine) if self._is_in_plan(unit)}
            planned = job.run_id.plan_id._planned(
                [self._line_key(unit) for unit in reached.values()]
            )
            differing = {
                key: text
                for key, unit in reached.items()
                if (text := self._difference_from(env, planned.get(self._line_key(unit)), unit))
            }
            for unit in mine:
                self._hold_one(unit, differing)

    def _is_in_plan(self, unit):
        """Whether anything comes of a unit: it is written, bound, or somebody is asked."""
        return bool(unit.operation) or self._is_only_bound(unit) or self._waits(unit)

    @staticmethod
    def _is_only_bound(unit):
        """Whether a document is found to be an Odoo record, and both say the same."""
        return unit.record is not None and not (unit.binding or unit.operation) and unit.draft is not None

    def _hold_one(self, unit, differing):
        """Set a unit aside if it, or anything that it needs, differs."""
        for other in with_needs([unit]):
            if other.key in differing:
                text = differing[other.key]
                if other is not unit:
                    text = f"{self._subject(other)}: {text}"
                unit.summary = _("Changed since the plan, nothing was written. %s", text)
                unit.verdict = "differs"
                unit.operation, unit.changes, unit.needs = "", {}, []
                return

    def _difference_from(self, env, planned, unit):
        """Return in what a unit differs from what was planned for it, or an empty text."""
        if planned is None:
            return _("It was not part of the plan.")
        if planned.digest == plan.digest(unit, self._line_digest(env, unit)):
            return ""
        if planned.operation == "create" and unit.record is not None:
            return _("It was to be created, but is in Odoo by now.")
        if planned.operation != "create" and unit.record is None:
            return _("It was to be updated, but its Odoo record is gone.")
        if planned.res_id != (unit.record.id if unit.record else None):
            return _("It belongs to another Odoo record by now.")
        if planned.mapping_id and planned.mapping_id != unit.mapping_id:
            return _("Another mapping version is active by now.")
        names = plan.altered(planned.values, unit)
        fields = env[unit.flow.model]._fields
        labels = [fields[name]._description_string(env) if name in fields else name for name in names]
        if not labels:
            return _("The source, or the lines in Odoo, say something else by now.")
        return self.env._("Not as planned any more: %s.", ", ".join(labels))

    def _line_digest(self, env, unit):
        """Return what makes the plan for a record's lines; None where it has none yet."""
        if not unit.draft.lines or unit.record is None:
            return None
        return {target: plan.content() for target, plan in unit.line_plans.items()}

    # === A line for each record ===#

    def _outcomes(self, flow, jobs, units):
        self._note_lines(flow, jobs, units)
        return super()._outcomes(flow, jobs, units)

    def _note_lines(self, flow, jobs, units):
        """Write a line for each record of a run, and for what was brought along for it."""
        of_passes = {job.id for job in jobs if job.run_id.kind in PASSES}
        if not of_passes:
            return
        own = [unit for unit in units if unit.job.id in of_passes]
        env = self._as_service(flow)
        keys = {unit.key for unit in own}
        brought = [
            unit for unit in with_needs(unit for unit in own if unit.error is None)
            if unit.key not in keys and self._is_in_plan(unit)
        ]
        self.env["sync.run.line"]._upsert(
            # What was looked for and is created all the same, something else needs.
            [self._line(env, unit, unit.key not in keys or (unit.sought and unit.operation == "create"))
             for unit in own + brought]
        )

    def _line_key(self, unit):
        return f"{unit.flow.remote_object}:{unit.external_id}"

    def _line(self, env, unit, needed):
        verdict = self._verdict(unit)
        planned = not unit.error and self._is_in_plan(unit) and self._is_dry(unit)
        return {
            "run_id": unit.job.run_id.id,
            "key": self._line_key(unit),
            "flow_id": unit.flow.id,
            "company_id": unit.flow.company_id.id or None,
            "remote_object": unit.flow.remote_object,
            "external_id": unit.external_id,
            "record_name": self._subject(unit),
            "model": unit.flow.model,
            "res_id": unit.record.id if unit.record else None,
            "verdict": verdict,
            "reason": self._line_reason(unit, verdict),
            "digest": plan.digest(unit, self._line_digest(env, unit)) if planned else None,
            "needed": needed,
            "asks": unit.asks,
            "error_code": unit.error.code if unit.error else None,
            "job_id": unit.job.id,
        }

    def _line_reason(self, unit, verdict):
        if unit.error:
            return unit.error.message
        if verdict in ("skipped", "not_needed", "differs"):
            return unit.summary
        return self._kept_note(unit) or None

    def _verdict(self, unit):
        """Return what became of a unit, or would become of it, in one word."""
        if unit.error:
            return "conflict" if unit.error.code == "conflict" else "blocked"
        if unit.verdict:
            return unit.verdict
        if unit.operation:
            return unit.operation
        if unit.decisions is not None and unit.decisions.asked:
            return "conflict"
        if self._is_only_bound(unit):
            return "bind"
        if unit.draft is not None:
            return "unchanged"
        # Set aside before it was planned; of an approved plan, that is news.
        return "differs" if self._carries_out(unit.job) else "skipped"

    def _page_outcome(self, flow, job, units):
        """Of a dry run, what is blocked is on the run's lines and on nobody's desk."""
        run = job.run_id
        if run.kind not in PASSES:
            return super()._page_outcome(flow, job, units)
        run._look_if_last(job)
        if not run.dry_run:
            return super()._page_outcome(flow, job, units)
        blocked = sum(bool(unit.error) for unit in units)
        summary = _("%(planned)s planned, %(blocked)s blocked", planned=len(units) - blocked, blocked=blocked)
        return Outcome(summary=summary, mapping_id=flow._planning_mapping().id or None)
