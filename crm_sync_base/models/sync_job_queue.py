import json
import uuid
from datetime import timedelta
from operator import itemgetter

from odoo import _, api, models
from odoo.tools import split_every
from psycopg2.errors import UniqueViolation

from ..lib import clock, worker
from ..lib.declarations import FlowFacts
from ..lib.errors import WorkerKilled
from ..lib.priorities import URGENT
from ..lib.retry import MAX_CRASHES, after_crash
from ..lib.timing import SQL_OPEN

LAST_CHANCE = MAX_CRASHES - 1  # one whose next crash parks it runs with nothing beside it
GATHERED = ("record", "push")  # kinds of jobs that a batch flow lets wait for each other
ALONE = ("poll", "load", "page", "undo")  # kinds of jobs that are a batch of their own
ENQUEUED = 1000  # jobs of one statement
OPTIONAL = ("run_id", "depends_on_id", "parent_id", "replay_of_id", "remote_object", "external_id", "model", "res_id",
            "source", "document_token")  # columns that a new job may come with


class SyncJobQueue(models.Model):
    """The job ledger as a queue: enqueue, claim, give back."""

    _inherit = "sync.job"

    # === Enqueue ===#

    @api.model
    def _enqueue(self, specs):
        """Enqueue jobs in one statement; the same pending work is only counted.

        :param specs: dictionaries with flow (a record or its `FlowFacts`), kind,
            idempotency_key, lane_key and name, and optionally priority, external_id, remote_object, model, res_id,
            payload, correlation_id, parent_id, run_id, replay_of_id, depends_on_id,
            eta, step, and source with document_token for a job that carries its document.
        :return: for each spec `{"id", "correlation_id"}` of the job that will do it.
        """
        unique = {spec["idempotency_key"]: spec for spec in specs}
        if not unique:
            return []
        now = clock.now()
        self.env.flush_all()
        # By one order, so that two transactions with the same work wait for each
        # other in one direction only.
        rows = [self._enqueue_row(spec, now) for spec in sorted(unique.values(), key=itemgetter("lane_key"))]
        found = {}
        for part in split_every(ENQUEUED, rows, list):
            # One value in place of thousands, whose adaptation took a quarter of a job's whole way.
            self.env.cr.execute(self._SQL_ENQUEUE, {"rows": json.dumps(part), "now": now, "uid": self.env.uid})
            found.update((key, {"id": job_id, "correlation_id": cid}) for key, job_id, cid in self.env.cr.fetchall())
        self.env["sync.lane"]._wake()
        return [found[spec["idempotency_key"]] for spec in specs]

    _SQL_ENQUEUE = """
        INSERT INTO sync_job (name, kind, state, flow_id, connection_id, company_id, step_id,
               run_id, idempotency_key, lane_key, priority, eta, depends_on_id, parent_id,
               replay_of_id, coalesced, remote_object, external_id, model, res_id, payload,
               correlation_id, attempts, crashes, create_date, create_uid, source, document_token)
        SELECT name, kind, 'pending', flow_id, connection_id, company_id, step_id,
               run_id, idempotency_key, lane_key, priority, eta, depends_on_id, parent_id,
               replay_of_id, 0, remote_object, external_id, model, res_id, payload,
               correlation_id, 0, 0, %(now)s, %(uid)s, source, document_token
          FROM json_populate_recordset(NULL::sync_job, %(rows)s)
        ON CONFLICT (idempotency_key) WHERE state = 'pending'
        DO UPDATE SET coalesced = sync_job.coalesced + 1,
                      eta = LEAST(sync_job.eta, EXCLUDED.eta),
                      priority = LEAST(sync_job.priority, EXCLUDED.priority),
                      payload = COALESCE(EXCLUDED.payload, sync_job.payload),
                      -- Whoever asks for it again may know of something newer.
                      source = CASE WHEN EXCLUDED.replay_of_id = sync_job.replay_of_id
                                    THEN sync_job.source END
        RETURNING idempotency_key, id, correlation_id
    """

    def _enqueue_row(self, spec, now):
        """Return a new job's columns, as far as it has them, ready for JSON."""
        flow = spec["flow"]
        flow = flow if isinstance(flow, FlowFacts) else flow._facts()
        step = spec.get("step")
        row = {
            "name": spec["name"],
            "kind": spec["kind"],
            "flow_id": flow.id,
            "connection_id": flow.connection_id,
            "company_id": flow.company_id,
            "idempotency_key": spec["idempotency_key"],
            "lane_key": spec["lane_key"],
            "priority": spec.get("priority", flow.priority),
            "eta": (spec.get("eta") or self._due_at(spec, flow, now)).isoformat(),
            "correlation_id": spec.get("correlation_id") or uuid.uuid4().hex,
            "step_id": step.id if step else None,
        }
        row |= {name: spec[name] for name in OPTIONAL if spec.get(name)}
        if spec.get("payload") is not None:
            row["payload"] = spec["payload"]
        return row

    def _due_at(self, spec, flow, now):
        """Return when new work is due: a batch flow gathers what others ask for.

        What a run hands over is a batch already; what a person repeats is not put off.
        """
        gathered = spec["kind"] in GATHERED and not (spec.get("run_id") or spec.get("replay_of_id"))
        return flow.due_at(now) if gathered else now

    @api.model
    def _enqueue_notifications(self, connection, notifications):
        """Enqueue what notifications lead to; None where no flow wants one."""
        by_object, stories = {}, {}
        for note in notifications:
            by_object.setdefault(note.remote_object, []).append(note.external_id)
            stories[note.external_id] = note.correlation_id
        found = {}
        for name, ids in sorted(by_object.items()):
            if name:
                for job in self._enqueue_documents(connection, name, ids, stories):
                    found.setdefault((name, job["external_id"]), job)
        return [found.get((note.remote_object, note.external_id)) for note in notifications]

    @api.model
    def _enqueue_documents(self, connection, remote_object, external_ids, correlations=None, run=None):
        """Enqueue a record job for each document and each flow that wants it.

        :param correlations: `{external id: correlation id}` to continue.
        :return: `[{"id", "correlation_id", "external_id"}]`.
        """
        flows = self.env["sync.flow"]._facts_for_object(connection, remote_object)
        ids = list(dict.fromkeys(external_ids))
        if not flows or not ids:
            return []
        # The story in which a document was created goes on with its later changes.
        stories = {}
        if any(flow.is_document for flow in flows):
            stories = self.env["sync.binding"]._stories(connection, remote_object, ids)
        label = connection._connector()._object(remote_object).label
        specs = []
        for flow in flows:
            for external_id in ids:
                story = flow.is_document and stories.get(external_id)
                specs.append(
                    {
                        "flow": flow,
                        "kind": "record",
                        "idempotency_key": f"in:{flow.id}:{external_id}",
                        "lane_key": f"{connection.id}:{remote_object}:{external_id}",
                        "remote_object": remote_object,
                        "external_id": external_id,
                        "correlation_id": story or (correlations or {}).get(external_id),
                        "run_id": run.id if run else None,
                        "name": f"{label} {external_id}",
                    }
                )
        jobs = self._enqueue(specs)
        return [dict(job, external_id=spec["external_id"]) for job, spec in zip(jobs, specs)]

    # === Claim ===#

    @api.model
    def _claim(self, lane):
        """Claim the most urgent batch of one flow and mark it running.

        The caller commits. Strictly one job of a lane key runs at a time: a
        unique index refuses the second claim, should two lanes race for it.

        :return: the claimed jobs, oldest first; empty when nothing is due.
        """
        self.env.flush_all()
        now = clock.now()
        terms = self._claim_terms(lane, now)
        head = self._most_urgent(terms)
        if not head:
            return self.browse()
        flow_id, kind, crashes, batch_size = head
        suspect = bool(crashes)
        terms.update(
            flow_id=flow_id,
            kind=kind,
            suspect=suspect,
            limit=1 if suspect or kind in ALONE else self._claim_size(flow_id, kind, batch_size),
        )
        self.env.cr.execute(self._SQL_CANDIDATES, terms, log_exceptions=False)
        first_of_lane = {}
        for job_id, lane_key in self.env.cr.fetchall():
            first_of_lane.setdefault(lane_key, job_id)
        jobs = self.browse(first_of_lane.values())
        if jobs:
            self.env.cr.execute(
                """
                UPDATE sync_job SET state = 'running', lane_id = %s, worker = %s, started_at = %s,
                       attempts = attempts + 1
                 WHERE id = ANY(%s)
                """,
                [lane.id, worker.identity(), now, jobs.ids],
                log_exceptions=False,  # a lost race is no error
            )
            jobs.invalidate_recordset()
        return jobs

    def _mine(self):
        """Return those of these jobs that this worker runs.

        A lane whose scheduled action lost its lock (its session was ended, say) goes on
        beside the lane's next run, which has taken its jobs back and may be at them.
        Whoever touched them then would undo that one's work, and it in turn his.
        """
        me = worker.identity()
        return self.filtered(lambda job: job.state == "running" and job.worker == me)

    def _are_stopped(self):
        """Return whether a hold, a switch or their company stops these claimed jobs of one flow and kind.

        The claim does not see what is committed while it is made. Once it is committed
        itself, either this sees the hold, or whoever set the hold sees them running: so
        nothing begins after a hold that did not run when it was set. The same holds for
        a job that has its last chance, and what another lane has claimed meanwhile.
        """
        terms = {
            "flow_id": self.flow_id.id, "now": clock.now(), "process": worker.process(), "ids": self.ids,
            "alone": self._have_last_chance(),
        }
        may_run = self._SQL_NOT_HELD if self[0].kind == "undo" else self._SQL_STILL_OPEN
        self.env.cr.execute(f"{may_run} AND {self._NOT_BESIDE}", terms)
        return not self.env.cr.fetchone()

    def _have_last_chance(self):
        """Return whether this job would be parked by one more death of its worker."""
        return self[:1].crashes >= LAST_CHANCE

    def _most_urgent(self, terms):
        """Return flow, kind, whether it is a suspect, and batch size of what runs next.

        A worker that dies takes with it what its other lanes were doing, and who was only
        there must not be parked for it. So one suspect runs at a time, of all lanes, and
        one whose next crash would park it runs in a process that does nothing else: its
        death is proof then. Until there is such a moment, others go on.
        """
        self.env.cr.execute(self._SQL_MOST_URGENT, terms, log_exceptions=False)
        head = self.env.cr.fetchone()
        if not head or not head[2] or self._may_run_suspect(alone=head[2] >= LAST_CHANCE):
            return head
        self.env.cr.execute(self._SQL_MOST_URGENT, {**terms, "suspects": False}, log_exceptions=False)
        return self.env.cr.fetchone()

    def _may_run_suspect(self, alone):
        """Return whether no suspect runs, and none is being claimed by another lane.

        :param alone: whether nothing else of this process may run, either.
        """
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(hashtext('sync_job suspects'))")
        if not self.env.cr.fetchone()[0]:
            return False
        # After the lock: what the lane before claimed is committed, and seen.
        self.env.cr.execute(
            f"""
            SELECT 1 FROM sync_job r
             WHERE r.state = 'running' AND (r.crashes > 0 OR (%(alone)s AND {self._OF_PROCESS})) LIMIT 1
            """,
            {"alone": alone, "process": worker.process()},
        )
        return not self.env.cr.fetchone()

    def _claim_terms(self, lane, now):
        """Return what the statements of a claim must know."""
        return {
            "now": now,
            "kinds": [kind for kind, _label in self._fields["kind"].selection if kind != "undo"],
            "less": URGENT if lane.express else 2**31 - 1,
            "blocked": self._blocked_rows(),
            "suspects": True,
            "process": worker.process(),
        }

    def _claim_size(self, flow_id, kind, batch_size):
        """Return how many jobs to claim: of writes, as many as fill the provider's calls."""
        if kind != "push":
            return batch_size
        size = self.env["sync.flow"].browse(flow_id)._remote().write_batch
        return max(batch_size // size, 1) * size

    _NOT_HELD = """
               NOT EXISTS (
                SELECT 1 FROM sync_hold h
                 WHERE h.active AND h.date_start <= %(now)s AND (h.date_end IS NULL OR h.date_end > %(now)s)
                   AND (h.scope = 'all' OR h.connection_id = f.connection_id OR h.flow_id = f.id))
    """

    # The flows whose jobs may run now.
    _SQL_OPEN_FLOWS = f"""
        SELECT f.id, f.batch_size
          FROM sync_flow f
          JOIN sync_connection c ON c.id = f.connection_id AND c.state = 'connected' AND c.active
         WHERE f.active AND f.paused IS NOT TRUE AND f.mode <> 'off'
           AND (f.timing <> 'batch' OR {SQL_OPEN})
           AND {_NOT_HELD}
    """

    # The flows whose runs are being undone: that calls nobody, so it works for flows that
    # were switched off or paused because of what is undone, too. Only a hold stops it.
    _SQL_UNDO_FLOWS = f"""
        SELECT f.id, f.batch_size
          FROM sync_flow f
         WHERE EXISTS (SELECT 1 FROM sync_job u
                        WHERE u.flow_id = f.id AND u.kind = 'undo' AND u.state = 'pending')
           AND {_NOT_HELD}
    """
    _SQL_STILL_OPEN = f"SELECT 1 FROM ({_SQL_OPEN_FLOWS}) o WHERE o.id = %(flow_id)s"
    _SQL_NOT_HELD = f"SELECT 1 FROM sync_flow f WHERE f.id = %(flow_id)s AND {_NOT_HELD}"
    _SQL_WORK = f"""
        SELECT o.id, o.batch_size, k.kind
          FROM ({_SQL_OPEN_FLOWS}) o
         CROSS JOIN unnest(%(kinds)s) AS k(kind)
         UNION ALL
        SELECT u.id, u.batch_size, 'undo' FROM ({_SQL_UNDO_FLOWS}) u
    """

    # The unfinished jobs of a job's record. Statistics are always older than a queue and
    # tell the planner that hardly a job is unfinished, so that it may as well read all of
    # them for each record. Sorting is switched off for claims, and only the index by
    # record has them in this order; OFFSET 0 keeps it from pulling conditions inside.
    _OPEN_JOBS = """
               SELECT * FROM sync_job w
                WHERE w.lane_key = j.lane_key AND w.state IN ('pending', 'running')
                ORDER BY w.id OFFSET 0
    """

    # Besides the clock: its record is free, what it waits for is done, and the
    # provider takes calls of this flow and kind at this priority.
    _TAKEN = """
               NOT EXISTS (SELECT 1 FROM jsonb_to_recordset(%(blocked)s) AS b(flow int, kind text, least int)
                            WHERE b.flow = j.flow_id AND b.kind = j.kind AND j.priority >= b.least)
    """
    _RUNNABLE = f"""
               j.state = 'pending' AND j.eta <= %(now)s AND j.priority < %(less)s
           AND (%(suspects)s OR j.crashes = 0)
           AND NOT COALESCE((SELECT bool_or(r.state = 'running') FROM ({_OPEN_JOBS}) r), FALSE)
           AND (j.depends_on_id IS NULL OR NOT EXISTS (
                SELECT 1 FROM (SELECT state FROM sync_job n WHERE n.id = j.depends_on_id OFFSET 0) d
                 WHERE d.state IN ('pending', 'running', 'failed')))
           AND {_TAKEN}
    """

    _OF_PROCESS = "starts_with(r.worker, %(process)s || ':')"

    # Of claimed jobs: this process runs nothing that must be alone, and nothing at all if they must.
    _NOT_BESIDE = f"""
               NOT EXISTS (SELECT 1 FROM sync_job r
                            WHERE r.state = 'running' AND {_OF_PROCESS} AND r.id <> ALL(%(ids)s)
                              AND (%(alone)s OR r.crashes >= {LAST_CHANCE}))
    """

    # The flow, kind, crashes and batch size of the job that should run next. One probe of the
    # index for each flow and kind: a backlog of one that is held costs the others nothing.
    # Nothing starts in a process in which a job has its last chance.
    _SQL_MOST_URGENT = f"""
        SELECT o.id, o.kind, head.crashes, o.batch_size
          FROM ({_SQL_WORK}) o
         CROSS JOIN LATERAL (
               SELECT j.priority, j.id, j.crashes FROM sync_job j
                WHERE j.flow_id = o.id AND j.kind = o.kind AND {_RUNNABLE}
                ORDER BY j.priority, j.id
                LIMIT 1) head
         WHERE NOT EXISTS (SELECT 1 FROM sync_job r
                            WHERE r.state = 'running' AND r.crashes >= {LAST_CHANCE} AND {_OF_PROCESS})
         ORDER BY head.priority, head.id
         LIMIT 1
    """

    # Its batch; rows that another lane is claiming right now are skipped, and those
    # whose record has older work waiting in another flow.
    _SQL_CANDIDATES = f"""
        SELECT j.id, j.lane_key
          FROM sync_job j
         WHERE j.flow_id = %(flow_id)s AND j.kind = %(kind)s AND (j.crashes > 0) = %(suspect)s
           AND {_RUNNABLE}
           AND NOT COALESCE((
                SELECT bool_or(
                       e.state = 'pending' AND e.id < j.id AND e.priority <= j.priority AND e.eta <= %(now)s
                   AND e.depends_on_id IS NULL AND (e.flow_id, e.kind) <> (j.flow_id, j.kind)
                   AND e.flow_id IN (SELECT o.id FROM ({_SQL_OPEN_FLOWS}) o)
                   AND NOT EXISTS (SELECT 1 FROM jsonb_to_recordset(%(blocked)s) AS b(flow int, kind text)
                                    WHERE b.flow = e.flow_id AND b.kind = e.kind))
                  FROM ({_OPEN_JOBS}) e), FALSE)
         ORDER BY j.priority, j.id
         LIMIT %(limit)s
           FOR UPDATE OF j SKIP LOCKED
    """

    def _blocked_rows(self):
        """Return as JSON which flows and kinds their provider does not take calls of now."""
        return json.dumps(
            [
                {"flow": row.flow_id, "kind": row.kind, "least": row.priority_from}
                for row in self.env["sync.endpoint"]._blocked()
            ]
        )

    @api.model
    def _next_eta(self):
        """Return when the next pending job becomes due, past moments included, or None.

        Jobs that wait for another one do not count: that one does. Nor do those that
        their provider takes no calls of: the end of that is known elsewhere.
        """
        self.env.flush_all()
        self.env.cr.execute(
            f"""
            SELECT min(next.eta)
              FROM (SELECT id, NULL AS kind FROM ({self._SQL_OPEN_FLOWS}) f
                    UNION ALL SELECT id, 'undo' FROM ({self._SQL_UNDO_FLOWS}) u) o
             CROSS JOIN LATERAL (
                   SELECT j.eta FROM sync_job j
                    WHERE j.flow_id = o.id AND j.state = 'pending' AND j.depends_on_id IS NULL
                      AND (o.kind IS NULL OR j.kind = o.kind)
                      AND {self._TAKEN}
                    ORDER BY j.eta LIMIT 1) next
            """,
            {"now": clock.now(), "blocked": self._blocked_rows()},
        )
        return self.env.cr.fetchone()[0]

    @api.model
    def _are_any_running(self):
        """Return whether any lane, wherever it is, is marked to run something."""
        self.env.cr.execute("SELECT 1 FROM sync_job WHERE state = 'running' LIMIT 1")
        return bool(self.env.cr.fetchone())

    # === Give back ===#

    @api.model
    def _recover(self, lane):
        """Return the jobs of a lane that does not run them any more to the queue.

        A lane is run by one worker at a time (Odoo holds its cron's row lock), so
        whatever is still marked running when a lane starts is an orphan. If its
        process lives, that one merely lost the database or gave up: no crash.

        :return: how many were recovered.
        """
        orphans = self.search([("state", "=", "running"), ("lane_id", "=", lane.id)])
        crashed = orphans.filtered(lambda job: not worker.lives(job.worker))
        for job in crashed:
            job.crashes += 1
        parked = crashed.filtered(lambda job: job.crashes >= MAX_CRASHES) | crashed._parked_before()
        waits = {job: after_crash(job.crashes, job.flow_id._retry_policy()) for job in crashed - parked}
        self._requeue(dict.fromkeys(orphans - crashed, 0.0) | waits)
        for job in parked:
            job._fail(
                WorkerKilled(
                    _("%(job)s: its worker died %(count)s times.", job=job.name, count=job.crashes),
                    hint=_("Look at the server log of that time, then retry."),
                )
            )
        return len(orphans)

    def _parked_before(self):
        """Return the jobs whose work was parked before for killing its worker.

        News of such a record, which every poll may bring, has one try and not three
        workers more; a person's retry has them.
        """
        killers = self.search(
            [
                ("idempotency_key", "in", self.mapped("idempotency_key")),
                ("state", "=", "failed"),
                ("error_code", "=", WorkerKilled.code),
            ]
        )
        known = set(killers.mapped("idempotency_key"))
        return self.filtered(lambda job: not job.replay_of_id and job.idempotency_key in known)

    def _release(self, delay=0.0):
        """Give claimed jobs back; the attempt counts."""
        self._requeue(dict.fromkeys(self, delay))

    def _give_back(self, delay=0.0):
        """Give claimed jobs back as if they had not been claimed (a race, a closed gate)."""
        for job in self:
            job.attempts -= 1
        self._release(delay)

    def _requeue(self, delays):
        """Put jobs back to pending; one whose work is pending anyway is replaced.

        :param delays: `{job: seconds}`.
        """
        if not delays:
            return
        now = clock.now()
        self.env.flush_all()
        # In the order in which others enqueue the same work: see `_enqueue`.
        jobs = sorted(delays, key=lambda job: (job.lane_key, job.id))
        rows = [(job.id, now + timedelta(seconds=delays[job])) for job in jobs]
        try:
            # Only the index knows what others have enqueued since our snapshot.
            with self.env.cr.savepoint(flush=False):
                self._requeue_rows(rows)
        except UniqueViolation:
            self._requeue_one_by_one(rows, now)
        self.browse([job.id for job in delays]).invalidate_recordset(
            ["state", "lane_id", "eta", "done_at", "summary"]
        )

    def _requeue_one_by_one(self, rows, now):
        for row in rows:
            try:
                with self.env.cr.savepoint(flush=False):
                    self._requeue_rows([row])
            except UniqueViolation:
                self.env.cr.execute(
                    "UPDATE sync_job SET state = 'cancelled', done_at = %s, summary = %s WHERE id = %s",
                    [now, _("Covered by a newer job"), row[0]],
                )

    def _requeue_rows(self, rows):
        self.env.cr.execute(
            """
            UPDATE sync_job j SET state = 'pending', lane_id = NULL, eta = v.eta
              FROM unnest(%s, %s::timestamp[]) AS v (id, eta) WHERE j.id = v.id
            """,
            [[job_id for job_id, _eta in rows], [eta for _job_id, eta in rows]],
            log_exceptions=False,  # that the same work waits already is no error
        )
