import time

from odoo import _, fields, models

from ..lib.errors import FOR_A_PERSON, PolicyBlocked
from ..lib.fingerprint import fingerprint
from ..lib.outcome import Outcome
from ..lib.priorities import BULK

SMALL_POLL = 50  # up to so many new records get a job each, more get page jobs
POLL_SECONDS = 2  # a longer poll goes on in a next job, so that others get their turn


class SyncHandlerPoll(models.AbstractModel):
    """Looks for changes at the provider and enqueues what is new to us."""

    _name = "sync.handler.poll"
    _inherit = "sync.handler"
    _description = "Poll Handler"

    def _run(self, flow, jobs):
        return {job.id: self._poll(flow, job) for job in jobs}

    def _poll(self, flow, job):
        """Walk pages from the flow's cursor; each page commits with its cursor."""
        flow.connection_id._assert_live()
        end = time.monotonic() + POLL_SECONDS
        run = self.env["sync.run"]
        fresh = seen = 0
        done = False
        while not done and time.monotonic() < end:
            # Not named "cursor": a translation would take that for the database's.
            start = flow.poll_cursor or ""
            with self._guard(flow, "poll", job, subject=f"poll {flow.id} {start}"):
                page = flow._connector()._poll(flow.connection_id, flow, start)
            new = self._drop_known(flow, page.refs)
            if new and not run:
                run = self._start_run(flow, job)
            self._enqueue(flow, new, run)
            seen += len(page.refs)
            fresh += len(new)
            done = page.done or not page.refs
            flow.write({"poll_cursor": page.cursor, "last_poll_at": fields.Datetime.now()})
            if run:
                run.write({"cursor": page.cursor, "seen_count": seen, "new_count": fresh,
                           "known_count": seen - fresh})
                run.flush_recordset()
                if run.state == "cancelled":
                    raise PolicyBlocked(
                        _("%s was cancelled.", run.name),
                        hint=_("Nothing to do. Start it anew if it is wanted after all."),
                    )
            self.env["sync.lane"]._commit()
        if run and done:
            run.write({"state": "done", "done_at": fields.Datetime.now()})
        if not done:
            return Outcome(later=0.0, summary=_("%s seen, goes on", seen))
        return Outcome(summary=_("%(seen)s seen, %(new)s new", seen=seen, new=fresh))

    def _start_run(self, flow, job):
        existing = self.env["sync.run"].search(
            [("flow_id", "=", flow.id), ("kind", "=", "poll"), ("state", "=", "running")], limit=1
        )
        if existing:
            return existing
        run = self.env["sync.run"].create(
            {
                "name": _("%(flow)s: changes", flow=flow.name),
                "kind": "poll",
                "flow_id": flow.id,
                "connection_id": flow.connection_id.id,
                "company_id": flow.company_id.id,
                "cursor_start": flow.poll_cursor,
            }
        )
        job.run_id = run
        return run

    def _drop_known(self, flow, refs):
        """Return the refs whose version is neither applied nor waits on the desk (a query each)."""
        if not refs:
            return []
        self.env.cr.execute(
            """
            SELECT external_id, version FROM sync_binding
             WHERE connection_id = %s AND remote_object = %s AND external_id = ANY(%s)
            """,
            [flow.connection_id.id, flow.remote_object, [ref.external_id for ref in refs]],
        )
        known = dict(self.env.cr.fetchall())
        if flow.create_policy != "always":
            refs = [ref for ref in refs if ref.external_id in known]
        received = self.env["sync.event"]._received(
            flow.connection_id, [ref.source_id for ref in refs if ref.source_id]
        )
        fresh = [
            ref
            for ref in refs
            if ref.source_id not in received
            # Versions sort in time order: an older one than is known has been superseded.
            and (not ref.version or (known.get(ref.external_id) or "") < ref.version)
        ]
        waiting = self._waiting_for_a_person(flow, [ref for ref in fresh if ref.version and not ref.source_id])
        return [ref for ref in fresh if ref.external_id not in waiting]

    def _waiting_for_a_person(self, flow, refs):
        """Return the external ids of what failed at this very version, for good (one query).

        Polls overlap, and what could not be applied has no binding that knows the version:
        it would fail again at each look, until it is changed or a person retries it.
        """
        if not refs:
            return set()
        self.env["sync.job"].flush_model()
        self.env.cr.execute(
            """
            SELECT e.external_id FROM sync_event e
             WHERE e.connection_id = %s AND e.source_id = ANY(%s)
               AND EXISTS (SELECT 1 FROM sync_job j
                            WHERE j.state = 'failed' AND j.error_code = ANY(%s) AND j.done_at >= e.received_at
                              AND j.idempotency_key = 'in:' || %s || ':' || e.external_id)
            """,
            [flow.connection_id.id, [self._source_id(flow, ref) for ref in refs], list(FOR_A_PERSON), flow.id],
        )
        return {row[0] for row in self.env.cr.fetchall()}

    @staticmethod
    def _source_id(flow, ref):
        """Return under which id the event ledger knows what a poll found."""
        return ref.source_id or f"poll:{flow.remote_object}:{ref.external_id}:{ref.version}"

    def _enqueue(self, flow, refs, run):
        """Enqueue record jobs for a few records, page jobs for many."""
        gaps = self.env["sync.event"]._gaps_among(flow, refs, run) if refs else ()
        if len(refs) <= SMALL_POLL:
            self._enqueue_records(flow, refs, run, gaps)
            return
        specs, noted = [], []
        for start in range(0, len(refs), flow.page_size):
            page = refs[start : start + flow.page_size]
            ids = list(dict.fromkeys(ref.external_id for ref in page))  # a list of events may name one twice
            key = f"page:{flow.id}:{fingerprint(ids)}"
            specs.append(
                {
                    "flow": flow,
                    "kind": "page",
                    "idempotency_key": key,
                    "lane_key": key,
                    "priority": flow.priority + BULK,
                    "payload": {"ids": ids},
                    "remote_object": flow.remote_object,
                    "run_id": run.id,
                    "name": _("%(count)s × %(object)s", count=len(ids), object=flow._remote().label),
                }
            )
            noted.append([ref for ref in page if ref.external_id in gaps])
        jobs = self.env["sync.job"]._enqueue(specs)
        for job, page in zip(jobs, noted, strict=True):
            self._note(flow, {ref.external_id: job for ref in page}, page, gaps)

    def _enqueue_records(self, flow, refs, run, gaps):
        """Enqueue a job for each record, and note in the event ledger who noticed."""
        jobs = self.env["sync.job"]._enqueue_documents(
            flow.connection_id,
            flow.remote_object,
            [ref.external_id for ref in refs],
            {ref.external_id: ref.correlation_id for ref in refs},
            run,
        )
        by_id = {job["external_id"]: job for job in jobs}
        self._note(flow, by_id, [ref for ref in refs if ref.external_id in by_id], gaps)

    def _note(self, flow, jobs, refs, gaps):
        """Note in the event ledger what was found.

        :param jobs: `{external id: job}` that does it.
        :param gaps: external ids of what a webhook should have brought.
        """
        self.env["sync.event"]._insert(
            flow.connection_id,
            [
                {
                    "source_id": self._source_id(flow, ref),
                    "origin": "poll",
                    "event_type": ref.event_type or self.env._("Change found by polling"),
                    "remote_object": flow.remote_object,
                    "external_id": ref.external_id,
                    "job_id": jobs[ref.external_id]["id"],
                    "correlation_id": jobs[ref.external_id]["correlation_id"],
                    "gap": "missed" if ref.external_id in gaps else None,
                }
                for ref in refs
            ],
        )
