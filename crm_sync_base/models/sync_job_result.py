import traceback as tb

from odoo import _, models
from odoo.exceptions import UserError

from ..lib import clock
from ..lib.errors import Bug, DataInvalid, Recovery, SyncError, Transient
from ..lib.retry import decide
from ..lib.trouble import DATABASE_TROUBLE


class SyncJobResult(models.Model):
    """The job ledger after the work: results, retries, dead letters."""

    _inherit = "sync.job"

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
                    {"summary": outcome.summary, "depends_on_id": outcome.depends_on or False}
                )
                job._give_back(outcome.later)
            else:
                done.append((job, outcome))
        self._settle_done(done)

    def _settle_done(self, pairs):
        if not pairs:
            return
        now = clock.now()
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE sync_job j
               SET state = 'done', done_at = %(now)s, summary = v.summary, error_code = NULL,
                   model = COALESCE(v.model, j.model), res_id = COALESCE(v.res_id, j.res_id),
                   mapping_id = COALESCE(v.mapping_id, j.mapping_id),
                   document_token = COALESCE(v.document_token, j.document_token),
                   wait_seconds = GREATEST(
                       0, EXTRACT(EPOCH FROM j.started_at - GREATEST(j.eta, j.create_date))),
                   run_seconds = EXTRACT(EPOCH FROM %(now)s - j.started_at)
              FROM unnest(%(ids)s, %(summaries)s::text[], %(models)s::text[], %(res_ids)s::int[],
                          %(mapping_ids)s::int[], %(tokens)s::text[])
                AS v (id, summary, model, res_id, mapping_id, document_token)
             WHERE j.id = v.id
            """,
            {
                "now": now,
                "ids": [job.id for job, _out in pairs],
                "summaries": [out.summary for _job, out in pairs],
                "models": [out.res_model for _job, out in pairs],
                "res_ids": [out.res_id for _job, out in pairs],
                "mapping_ids": [out.mapping_id for _job, out in pairs],
                "tokens": [out.document_token for _job, out in pairs],
            },
        )
        jobs = self.browse([job.id for job, _outcome in pairs])
        keys = [job.idempotency_key for job in jobs]
        polls = jobs.filtered(lambda job: job.kind == "poll")
        jobs.invalidate_recordset()
        jobs._replace_failed(keys, _("Done by a later job"))
        polls._follow_poll()

    def _replace_failed(self, keys, summary):
        """Close older failures of the same work, and the exceptions they leave empty.

        :param keys: idempotency keys of these jobs.
        """
        self.flush_model(["state", "idempotency_key"])
        self.env.cr.execute(
            "SELECT id FROM sync_job WHERE state = 'failed' AND idempotency_key = ANY(%s)", [keys]
        )
        failed = self.browse([row[0] for row in self.env.cr.fetchall()]) - self
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
        if outcome is not None and outcome.document_token:
            vals["document_token"] = outcome.document_token
        self.write(vals)
        decision = decide(error, self.attempts, self.flow_id._retry_policy())
        if error.recovery is Recovery.HOLD:
            self._hold_back(error)
            return
        if decision.again:
            self._requeue({self: decision.delay})
            if error.recovery is Recovery.PAUSE:
                self.connection_id._pause_on_auth(error)
                self.env["sync.exception"]._raise_for_connection(self.connection_id, error)
            return
        now = clock.now()
        failure = self._failure_vals(error, outcome)
        self.write({"state": "failed", "done_at": now, **self._timings(now), **failure})
        self._follow_poll()
        self.exception_id = self.env["sync.exception"]._raise_for_job(self, error)
        self._replace_failed([self.idempotency_key], _("Failed again later"))

    def _timings(self, now):
        """Return how long a job was due before it started, and how long it ran."""
        if not self.started_at:
            return {}
        due = max(self.eta, self.create_date)
        return {
            "wait_seconds": max(0.0, (self.started_at - due).total_seconds()),
            "run_seconds": (now - self.started_at).total_seconds(),
        }

    def _follow_poll(self):
        """A poll that is over, well or badly, is followed by the next one in due time."""
        if self[:1].kind == "poll":
            self.flow_id._schedule_poll()

    def _hold_back(self, error):
        """Give a claimed batch back: the provider takes no calls for the time being."""
        self.write(
            {"error_code": error.code, "error_message": error.message, "error_hint": error.hint}
        )
        policy = self.flow_id._retry_policy()
        for job in self:
            job.attempts -= 1
        self._requeue({job: decide(error, job.attempts, policy).delay for job in self})

    def _as_sync_error(self, error, subject=""):
        """Return any error as one of ours; what is not one of a record's is a bug.

        :param subject: the record as people know it, where the job is about several.
        """
        if isinstance(error, SyncError):
            return error
        subject = subject or self.name or _("The decision")
        if isinstance(error, DATABASE_TROUBLE):
            # Connection lost, disk full, out of memory: nothing is wrong with the record.
            wrapped = Transient(
                _("%s: the database could not take it just then.", subject),
                hint=_("This usually passes by itself. If it does not, look at the database and retry."),
            )
        elif isinstance(error, UserError):
            wrapped = DataInvalid(
                _("%(job)s: Odoo refused it: %(error)s", job=subject, error=error),
                hint=_("Correct what Odoo objects to, in Odoo or where the value comes from, then retry."),
            )
        else:
            wrapped = Bug(
                _("%(job)s: unexpected %(error)s.", job=subject, error=type(error).__name__),
                hint=_("The technical details are on the job. Retry, or report them."),
                fingerprint=self._bug_fingerprint(error),
            )
        wrapped.__cause__ = error
        return wrapped

    @staticmethod
    def _bug_fingerprint(error):
        """Return what tells unexpected errors apart: their type and where an addon raised it.

        The place is file and function of the innermost frame of an addon: no line, which moves
        with every change above it, and no value.
        """
        codes = [
            frame.f_code for frame, _line in tb.walk_tb(error.__traceback__)
            if str(frame.f_globals.get("__name__")).startswith("odoo.addons.")
        ]
        place = f" in {codes[-1].co_filename.rpartition('/')[-1]}:{codes[-1].co_name}" if codes else ""
        return f"{type(error).__name__}{place}"

    @staticmethod
    def _safe_trace(error):
        """Return where a bug happened, without values: they may be personal data."""
        cause = error.__cause__
        if cause is None:
            return False
        frames = tb.extract_tb(cause.__traceback__)
        lines = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return "\n".join([*lines, type(cause).__name__])
