from functools import partial

import psycopg2
from odoo import _, models
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib.apart import Reading, read_apart
from ..lib.declarations import Document
from ..lib.errors import Bug, Recovery, SyncError, Transient
from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome
from ..lib.unit import Unit


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
        reading = self._read_documents(
            flow,
            [unit.external_id for unit in units if unit not in carried],
            {unit.job for unit in units},
        )
        for unit in units:
            unit.document = carried.get(unit) or reading.found.get(unit.external_id)
            if unit not in carried and unit.external_id in reading.failed:
                unit.error = unit.job._as_sync_error(reading.failed[unit.external_id])

    def _read_documents(self, flow, external_ids, jobs):
        """Read what the provider has; a record that cannot be read fails alone.

        :param jobs: for which it is read.
        :return: `lib.apart.Reading`, of `Document`.
        """
        size = flow._remote().read_batch
        ids = list(dict.fromkeys(external_ids))
        reading = Reading({}, {})
        for start in range(0, len(ids), size):
            chunk = ids[start : start + size]
            with self._guard(flow, "read", jobs, subject=fingerprint([flow.remote_object, chunk])):
                part = read_apart(chunk, partial(self._read_call, flow), partial(self._is_of_one, jobs))
            reading.found.update(part.found)
            reading.failed.update(part.failed)
        return reading

    def _read_call(self, flow, chunk):
        documents = flow._connector()._read(flow.connection_id, flow.remote_object, chunk)
        return {document.external_id: document for document in documents}

    def _is_of_one(self, jobs, error):
        """Whether a read may have failed because of one of its records.

        What passes by itself is tried once more together before it is looked into.
        """
        if not isinstance(error, SyncError):
            return not isinstance(error, psycopg2.Error)
        if isinstance(error, Transient):
            return any(job.attempts > 1 for job in jobs)
        return isinstance(error, Bug) or error.recovery is Recovery.PERSON

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
            unit.record = unit.binding = unit.decisions = unit.situation = None
            unit.line_bindings, unit.line_plans, unit.line_rows, unit.seen = {}, {}, {}, None
            unit.verdict, unit.asks = "", 0
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
            summary=self._told(unit),
            error=unit.error,
            res_model=flow.model if unit.record else None,
            res_id=unit.record.id if unit.record else None,
            mapping_id=flow._planning_mapping().id or None,
            document_token=self._document_to_keep(unit),
            subject=self._subject(unit) if unit.error else "",
            amount=self._document_amount(unit) if unit.error else None,
        )

    def _told(self, unit):
        """Return in words what became of a unit, or would become of it."""
        if not unit.is_open:
            return unit.summary
        done = self._summary(unit)
        return _("Dry run: %s", done) if self._is_dry(unit) else done

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
        return Outcome(summary=summary, mapping_id=flow._planning_mapping().id or None)

    def _record_plan(self, units):
        """Dry run: store the differences, apply nothing."""
        reached = self._reachable(units)
        planned = [unit for unit in reached if unit.operation]
        planned = self._not_planned_before(planned)
        self._note_planned_lines(self.env, planned)
        self.env["sync.change"]._record_many([self._change(unit, "planned") for unit in planned])
        self._foresee_proposals(reached)

    def _summary(self, unit):
        """Return what was done, and what was left as it is and why."""
        if unit.operation == "create":
            done = _("Created %s", self._subject(unit))
        elif unit.operation == "update":
            done = _("Updated %s", self._subject(unit))
        else:
            done = _("Unchanged")
        kept = self._kept_note(unit)
        return f"{done}; {kept}" if kept else done

    def _follow_up(self, units):
        """Enqueue the first follow-up step of what was written."""
        first = units[0].flow.step_ids.filtered("active")[:1] if units else None
        if not first:
            return
        done = [unit for unit in units if unit.operation and unit.error is None]
        records = {unit.record.id: unit.job for unit in done}
        if records:
            first._enqueue_for(self.env[units[0].flow.model].browse(list(records)), records)
