import json
import traceback as tb
import uuid
from datetime import datetime, timedelta, timezone

from odoo import _, api, fields, models
from odoo.exceptions import UserError
from psycopg2.errors import UniqueViolation

from ..lib.declarations import FlowFacts
from ..lib.errors import ERROR_CLASSES, Bug, DataInvalid, Recovery, SyncError, WorkerKilled
from ..lib.retry import decide

MAX_CRASHES = 3  # a job that killed its worker so often is parked

KINDS = [
    ("record", "Record"),
    ("page", "Page of Records"),
    ("poll", "Look for Changes"),
    ("push", "Write to Provider"),
    ("step", "Follow-up Step"),
]
STATES = [
    ("pending", "Waiting"),  # may be claimed from `eta` on
    ("running", "Running"),  # claimed by a lane that is alive, or about to be recovered
    ("done", "Done"),
    ("failed", "Failed"),  # dead letter: waits for a person
    ("cancelled", "Replaced"),  # a later job did, or does, the same
]


class SyncJob(models.Model):
    """The job ledger: one unit of work on one record or one page of records."""

    _name = "sync.job"
    _description = "Job"
    _order = "id desc"

    name = fields.Char(readonly=True)
    kind = fields.Selection(KINDS, required=True, readonly=True)
    state = fields.Selection(STATES, default="pending", required=True, readonly=True)
    flow_id = fields.Many2one("sync.flow", required=True, readonly=True, ondelete="cascade", index=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="cascade", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    step_id = fields.Many2one("sync.flow.step", readonly=True, ondelete="set null")
    run_id = fields.Many2one("sync.run", readonly=True, ondelete="set null", index=True)
    mapping_id = fields.Many2one("sync.mapping", readonly=True, ondelete="set null")

    # === Identity and order ===#
    idempotency_key = fields.Char(required=True, readonly=True)
    lane_key = fields.Char(
        required=True, readonly=True, help="Jobs with the same key run one at a time."
    )
    priority = fields.Integer(readonly=True, help="Smaller numbers run first.")
    eta = fields.Datetime(string="Not Before", required=True, readonly=True)
    depends_on_id = fields.Many2one("sync.job", readonly=True, ondelete="set null")
    parent_id = fields.Many2one("sync.job", readonly=True, ondelete="set null")
    replay_of_id = fields.Many2one("sync.job", readonly=True, ondelete="set null")
    coalesced = fields.Integer(readonly=True, help="Further requests that this job covers.")

    # === Subject ===#
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(readonly=True, index=True)
    model = fields.Char(readonly=True)
    res_id = fields.Many2oneReference(string="Record", model_field="model", readonly=True)
    payload = fields.Json(readonly=True)
    correlation_id = fields.Char(readonly=True, index=True)

    # === Remote effect: persisted before the call ===#
    intent = fields.Json(readonly=True, groups="base.group_system")
    intent_at = fields.Datetime(readonly=True)

    # === Execution ===#
    lane_id = fields.Many2one("sync.lane", readonly=True, ondelete="set null")
    attempts = fields.Integer(readonly=True)
    crashes = fields.Integer(readonly=True, help="How often its worker died while it ran.")
    started_at = fields.Datetime(readonly=True)
    done_at = fields.Datetime(readonly=True)
    wait_seconds = fields.Float(compute="_compute_times", string="Waited (s)")
    run_seconds = fields.Float(compute="_compute_times", string="Ran (s)")
    summary = fields.Char(string="Result", readonly=True)

    # === Failure ===#
    error_code = fields.Selection("_selection_error_code", string="Error Class", readonly=True)
    error_message = fields.Text(readonly=True)
    error_hint = fields.Text(string="What to Do", readonly=True)
    error_trace = fields.Text(readonly=True, groups="crm_sync_base.group_sync_manager")
    exception_id = fields.Many2one("sync.exception", readonly=True, ondelete="set null", index=True)
    outcome = fields.Char(string="Result or Error", compute="_compute_outcome")
    event_ids = fields.One2many("sync.event", "job_id", string="Events", readonly=True)
    change_ids = fields.One2many("sync.change", "job_id", string="Changes", readonly=True)

    _one_pending = models.UniqueIndex(
        "(idempotency_key) WHERE state = 'pending'", "The same work is waiting already."
    )
    _one_running = models.UniqueIndex(
        "(lane_key) WHERE state = 'running'", "A job of this record is running already."
    )
    _claimable = models.Index("(priority, id) WHERE state = 'pending'")
    _claimable_of_flow = models.Index("(flow_id, kind, priority, id) WHERE state = 'pending'")
    _failed_key = models.Index("(idempotency_key) WHERE state = 'failed'")
    _record = models.Index("(model, res_id)")

    # === Computes ===#

    @api.model
    def _selection_error_code(self):
        labels = self._error_labels()
        return [(code, labels.get(code, code)) for code in ERROR_CLASSES]

    @api.model
    def _error_labels(self):
        """Return `{error code: what people call this class of errors}`."""
        return {
            "transient": _("Passing trouble"),
            "rate_limited": _("Asked to slow down"),
            "circuit_open": _("Provider is failing"),
            "budget_spent": _("Calls used up"),
            "auth_failed": _("Access refused"),
            "misconfigured": _("Not set up"),
            "data_invalid": _("Data to correct"),
            "mapping_missing": _("Value not mapped"),
            "not_ready": _("Not ready yet"),
            "amount_mismatch": _("Amounts differ"),
            "conflict": _("Changed on both sides"),
            "remote_gone": _("Deleted at the source"),
            "policy_blocked": _("Blocked by a rule"),
            "payment_declined": _("Payment declined"),
            "worker_killed": _("Worker died"),
            "lane_stalled": _("Work is not picked up"),
            "bug": _("Unexpected error"),
        }

    @api.depends("create_date", "started_at", "done_at")
    def _compute_times(self):
        for job in self:
            job.wait_seconds = _seconds(job.create_date, job.started_at)
            job.run_seconds = _seconds(job.started_at, job.done_at)

    @api.depends("state", "summary", "error_message")
    def _compute_outcome(self):
        """One line for lists: what came of it, or what is in the way."""
        for job in self:
            unfinished = job.state in ("pending", "running", "failed")
            job.outcome = (job.error_message if unfinished else job.summary) or False

    # === Enqueue ===#

    @api.model
    def _enqueue(self, specs):
        """Enqueue jobs in one statement; the same pending work is only counted.

        :param specs: dictionaries with flow (a record or its `FlowFacts`), kind,
            idempotency_key, lane_key and name, and optionally priority, external_id, remote_object, model, res_id,
            payload, correlation_id, parent_id, run_id, replay_of_id, depends_on_id,
            eta and step.
        :return: for each spec `{"id", "correlation_id"}` of the job that will do it.
        """
        unique = {spec["idempotency_key"]: spec for spec in specs}
        if not unique:
            return []
        now = _now()
        self.env.flush_all()
        rows = self.env.cr.execute_values(
            """
            INSERT INTO sync_job (name, kind, state, flow_id, connection_id, company_id, step_id,
                   run_id, idempotency_key, lane_key, priority, eta, depends_on_id, parent_id,
                   replay_of_id, coalesced, remote_object, external_id, model, res_id, payload,
                   correlation_id, attempts, crashes, create_date, create_uid)
            VALUES %s
            ON CONFLICT (idempotency_key) WHERE state = 'pending'
            DO UPDATE SET coalesced = sync_job.coalesced + 1,
                          eta = LEAST(sync_job.eta, EXCLUDED.eta),
                          priority = LEAST(sync_job.priority, EXCLUDED.priority),
                          payload = COALESCE(EXCLUDED.payload, sync_job.payload)
            RETURNING idempotency_key, id, correlation_id
            """,
            [self._enqueue_row(spec, now) for spec in unique.values()],
            page_size=1000,
            fetch=True,
        )
        self.env["sync.lane"]._wake()
        found = {key: {"id": job_id, "correlation_id": cid} for key, job_id, cid in rows}
        return [found[spec["idempotency_key"]] for spec in specs]

    def _enqueue_row(self, spec, now):
        flow = spec["flow"]
        flow = flow if isinstance(flow, FlowFacts) else flow._facts()
        step = spec.get("step")
        payload = spec.get("payload")
        return (
            spec["name"],
            spec["kind"],
            "pending",
            flow.id,
            flow.connection_id,
            flow.company_id,
            step.id if step else None,
            spec.get("run_id") or None,
            spec["idempotency_key"],
            spec["lane_key"],
            spec.get("priority", flow.priority),
            spec.get("eta") or now,
            spec.get("depends_on_id") or None,
            spec.get("parent_id") or None,
            spec.get("replay_of_id") or None,
            0,
            spec.get("remote_object"),
            spec.get("external_id"),
            spec.get("model"),
            spec.get("res_id") or None,
            json.dumps(payload) if payload is not None else None,
            spec.get("correlation_id") or uuid.uuid4().hex,
            0,
            0,
            now,
            self.env.uid,
        )

    @api.model
    def _enqueue_notifications(self, connection, notifications):
        """Enqueue what notifications lead to; None where no flow wants one."""
        by_object, stories = {}, {}
        for note in notifications:
            by_object.setdefault(note.remote_object, []).append(note.external_id)
            stories[note.external_id] = note.correlation_id
        found = {}
        for name, ids in by_object.items():
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
        now = _now()
        self.env.cr.execute(self._SQL_MOST_URGENT, [now], log_exceptions=False)
        head = self.env.cr.fetchone()
        if not head:
            return self.browse()
        flow_id, kind, suspect, batch_size = head
        limit = 1 if suspect or kind in ("poll", "page") else batch_size
        self.env.cr.execute(
            self._SQL_CANDIDATES, [flow_id, kind, now, suspect, limit], log_exceptions=False
        )
        first_of_lane = {}
        for job_id, lane_key in self.env.cr.fetchall():
            first_of_lane.setdefault(lane_key, job_id)
        jobs = self.browse(first_of_lane.values())
        if jobs:
            self.env.cr.execute(
                """
                UPDATE sync_job SET state = 'running', lane_id = %s, started_at = %s,
                       attempts = attempts + 1
                 WHERE id = ANY(%s)
                """,
                [lane.id, now, jobs.ids],
                log_exceptions=False,  # a lost race is no error
            )
            jobs.invalidate_recordset()
        return jobs

    _RUNNABLE = """
               j.state = 'pending'
           AND NOT EXISTS (SELECT 1 FROM sync_job r
                            WHERE r.lane_key = j.lane_key AND r.state = 'running')
           AND NOT EXISTS (SELECT 1 FROM sync_job d
                            WHERE d.id = j.depends_on_id AND d.state IN ('pending', 'running', 'failed'))
    """

    # The flow, kind and batch size of the job that should run next.
    _SQL_MOST_URGENT = f"""
        SELECT j.flow_id, j.kind, j.crashes > 0, f.batch_size
          FROM sync_job j
          JOIN sync_flow f ON f.id = j.flow_id AND f.paused IS NOT TRUE AND f.mode <> 'off'
          JOIN sync_connection c ON c.id = j.connection_id AND c.state = 'connected'
         WHERE {_RUNNABLE} AND j.eta <= %s
         ORDER BY j.priority, j.id
         LIMIT 1
    """

    # Its batch; rows that another lane is claiming right now are skipped.
    _SQL_CANDIDATES = f"""
        SELECT j.id, j.lane_key
          FROM sync_job j
         WHERE {_RUNNABLE} AND j.flow_id = %s AND j.kind = %s AND j.eta <= %s
           AND (j.crashes > 0) = %s
         ORDER BY j.priority, j.id
         LIMIT %s
           FOR UPDATE OF j SKIP LOCKED
    """

    @api.model
    def _recover(self, lane):
        """Return the jobs of a lane whose worker died to the queue.

        A lane is run by one worker at a time (Odoo holds its cron's row lock), so
        whatever is still marked running when a lane starts is an orphan.

        :return: how many were recovered.
        """
        orphans = self.search([("state", "=", "running"), ("lane_id", "=", lane.id)])
        for job in orphans:
            job.crashes += 1
        parked = orphans.filtered(lambda job: job.crashes >= MAX_CRASHES)
        (orphans - parked)._release()
        for job in parked:
            job._fail(
                WorkerKilled(
                    _("%(job)s: its worker died %(count)s times.", job=job.name, count=job.crashes),
                    hint=_("Look at the server log of that time, then retry."),
                )
            )
        return len(orphans)

    def _release(self, delay=0.0):
        """Give claimed jobs back without blame (a race, a restart)."""
        self._requeue(dict.fromkeys(self, delay))

    def _requeue(self, delays):
        """Put jobs back to pending; one whose work is pending anyway is replaced.

        :param delays: `{job: seconds}`.
        """
        now = _now()
        self.env.flush_all()
        for job, delay in delays.items():
            try:
                # Only the index knows what others have enqueued since our snapshot.
                with self.env.cr.savepoint(flush=False):
                    self.env.cr.execute(
                        "UPDATE sync_job SET state = 'pending', lane_id = NULL, eta = %s WHERE id = %s",
                        [now + timedelta(seconds=delay), job.id],
                        log_exceptions=False,
                    )
            except UniqueViolation:
                self.env.cr.execute(
                    "UPDATE sync_job SET state = 'cancelled', done_at = %s, summary = %s WHERE id = %s",
                    [now, _("Covered by a newer job"), job.id],
                )
            job.invalidate_recordset(["state", "lane_id", "eta", "done_at", "summary"])

    # === Settle ===#

    def _settle(self, outcomes):
        """Store what became of claimed jobs.

        :param outcomes: `{job id: Outcome}`; a job that has none stays as it is.
        """
        done = []
        for job in self:
            outcome = outcomes.get(job.id)
            if outcome is None:
                continue
            if outcome.error is not None:
                job._fail(outcome.error, outcome)
            elif outcome.later is not None:
                job.write(
                    {
                        "attempts": job.attempts - 1,
                        "summary": outcome.summary,
                        "depends_on_id": outcome.depends_on or False,
                    }
                )
                job._release(outcome.later)
            else:
                done.append((job, outcome))
        self._settle_done(done)

    def _settle_done(self, pairs):
        if not pairs:
            return
        now = _now()
        self.env.flush_all()
        self.env.cr.execute_values(
            """
            UPDATE sync_job j
               SET state = 'done', done_at = v.done_at, summary = v.summary, error_code = NULL,
                   model = COALESCE(v.model, j.model), res_id = COALESCE(v.res_id, j.res_id),
                   mapping_id = COALESCE(v.mapping_id, j.mapping_id)
              FROM (VALUES %s) AS v (id, done_at, summary, model, res_id, mapping_id)
             WHERE j.id = v.id
            """,
            [
                (job.id, now, out.summary, out.res_model, out.res_id, out.mapping_id)
                for job, out in pairs
            ],
            template="(%s, %s::timestamp, %s, %s, %s::int, %s::int)",
            page_size=1000,
        )
        jobs = self.browse([job.id for job, _outcome in pairs])
        jobs.invalidate_recordset()
        jobs._replace_failed(_("Done by a later job"))

    def _replace_failed(self, summary):
        """Close older failures of the same work, and the exceptions they leave empty."""
        keys = [job.idempotency_key for job in self]
        failed = self.search([("state", "=", "failed"), ("idempotency_key", "in", keys)]) - self
        if failed:
            exceptions = failed.exception_id
            failed.write({"state": "cancelled", "summary": summary})
            exceptions._close_if_empty()

    def _fail(self, error, outcome=None):
        """Decide what follows a failure and store it.

        :param error: anything; what is not a `SyncError` is a bug.
        """
        self.ensure_one()
        error = self._as_sync_error(error)
        vals = {
            "error_code": error.code,
            "error_message": error.message,
            "error_hint": error.hint,
            "error_trace": self._safe_trace(error),
        }
        if outcome is not None and outcome.mapping_id:
            vals["mapping_id"] = outcome.mapping_id
        self.write(vals)
        decision = decide(error, self.attempts, self.flow_id._retry_policy())
        if decision.again:
            self._requeue({self: decision.delay})
            if error.recovery is Recovery.PAUSE:
                self.connection_id._pause_on_auth(error)
                self.env["sync.exception"]._raise_for_connection(self.connection_id, error)
            return
        self.write({"state": "failed", "done_at": _now()})
        self.exception_id = self.env["sync.exception"]._raise_for_job(self, error)
        self._replace_failed(_("Failed again later"))

    def _as_sync_error(self, error):
        if isinstance(error, SyncError):
            return error
        subject = self.name
        if isinstance(error, UserError):
            wrapped = DataInvalid(_("%(job)s: Odoo refused it: %(error)s", job=subject, error=error))
        else:
            wrapped = Bug(
                _("%(job)s: unexpected %(error)s.", job=subject, error=type(error).__name__),
                hint=_("The technical details are on the job. Retry, or report them."),
                fingerprint=f"{type(error).__name__}",
            )
        wrapped.__cause__ = error
        return wrapped

    @staticmethod
    def _safe_trace(error):
        """Return where a bug happened, without values: they may be personal data."""
        cause = error.__cause__
        if cause is None:
            return False
        frames = tb.extract_tb(cause.__traceback__)
        lines = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return "\n".join([*lines, type(cause).__name__])

    # === Actions ===#

    def action_retry(self):
        """Run the work of failed jobs again, as new jobs linked to the old ones.

        :raises AccessError: for who may not work on jobs; enqueueing itself asks nobody.
        """
        self.check_access("write")
        specs = [job._replay_spec() for job in self.filtered(lambda job: job.state == "failed")]
        self._enqueue(specs)
        waiting = self.filtered(lambda job: job.state == "pending")
        waiting.write({"eta": _now()})
        self.env["sync.lane"]._wake()
        return True

    def _replay_spec(self):
        return {
            "flow": self.flow_id,
            "kind": self.kind,
            "step": self.step_id,
            "idempotency_key": self.idempotency_key,
            "lane_key": self.lane_key,
            "priority": self.priority,
            "external_id": self.external_id,
            "remote_object": self.remote_object,
            "model": self.model,
            "res_id": self.res_id,
            "payload": self.payload,
            "correlation_id": self.correlation_id,
            "parent_id": self.parent_id.id,
            "run_id": self.run_id.id,
            "replay_of_id": self.id,
            "name": self.name,
        }

    def action_open_record(self):
        """Open the Odoo record of the job."""
        self.ensure_one()
        if not self.res_id or self.model not in self.env:
            raise UserError(_("This job has no Odoo record (yet)."))
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    def action_open_remote(self):
        """Open the record at the provider.

        :raises UserError: when its address is not known.
        """
        self.ensure_one()
        url = self.external_id and self.connection_id._connector()._record_url(
            self.connection_id, self.remote_object, self.external_id
        )
        if not url:
            raise UserError(_("The address of this record is not known."))
        return {"type": "ir.actions.act_url", "url": url, "target": "new"}

    def action_open_exception(self):
        """Open the exception that this job waits for."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.exception",
            "res_id": self.exception_id.id,
            "view_mode": "form",
        }

    def action_open_trace(self):
        """Open the whole story that this job belongs to."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id)


def _now():
    """Return the present moment with its fraction: waits and runs are short."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def _seconds(start, end):
    return (end - start).total_seconds() if start and end else 0.0
