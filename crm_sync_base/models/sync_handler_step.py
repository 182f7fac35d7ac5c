from odoo import _, models
from odoo.exceptions import MissingError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib import saga
from ..lib.errors import PolicyBlocked
from ..lib.outcome import Outcome


class SyncHandlerStep(models.AbstractModel):
    """Runs follow-up steps and their compensations, each in a savepoint of its own.

    What a step did is stored on its saga in the same transaction.
    """

    _name = "sync.handler.step"
    _inherit = "sync.handler"
    _description = "Step Handler"

    def _run(self, flow, jobs):
        return {job.id: self._run_one(flow, job) for job in jobs}

    def _run_one(self, flow, job):
        try:
            with self.env.cr.savepoint():
                return self._run_undo(flow, job) if job._undoes() else self._run_step(flow, job)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:  # noqa: BLE001 (stored on the job)
            return Outcome(error=job._as_sync_error(error))

    # === Forward ===#

    def _run_step(self, flow, job):
        env = self._as_service(flow)
        record = env[job.model].browse(job.res_id).exists()
        if not record:
            raise MissingError(_("The record was deleted."))
        line = self._line(record, job)
        if line.saga_id.backward:
            return self._start_again(record, line, job)
        result = job.step_id.with_env(env(su=True))._run(record, job)
        line._note_done(job, result)
        line.saga_id._advance(line, job)
        return Outcome(summary=result.summary, res_model=job.model, res_id=job.res_id)

    def _line(self, record, job):
        """Return the saga's line of a job, locked; a job without a saga gets one."""
        line = self.env["sync.saga.step"]._of_job(job)
        if not line:
            self.env["sync.saga"]._begin(job.step_id, record.with_env(self.env), {record.id: job})
            line = self.env["sync.saga.step"]._of_job(job)
        line.saga_id._lock()
        return line

    def _start_again(self, record, line, job):
        """A step that was undone is asked for again: all of them run, from the first.

        :raises PolicyBlocked: while a person has to finish the undoing.
        """
        if line.saga_id.state != saga.TAKEN_BACK:
            raise PolicyBlocked(
                _("%s: its steps are being undone.", line.saga_id.name),
                hint=_("Finish that on the saga of the record first, then retry."),
                fingerprint="saga: being undone",
            )
        first = job.flow_id.step_ids.filtered("active")[:1]
        first._enqueue_for(record.with_env(self.env), {record.id: job})
        return Outcome(summary=_("Its steps were undone: they run again from the first one"))

    # === Backward ===#

    def _run_undo(self, flow, job):
        line = self.env["sync.saga.step"]._of_job(job)
        line.saga_id._lock()
        if line.state == saga.PERSON:
            line.state = saga.UNDOING  # retried from the desk
        if line.state != saga.UNDOING:
            return Outcome(summary=_("Nothing is to be undone any more"))
        verdict = line._undo(self._as_service(flow))
        if verdict.state == saga.PERSON:
            return self._refused(line, verdict)
        line._settle_undo(job, verdict)
        line.saga_id._continue_back(job)
        return Outcome(summary=verdict.summary, res_model=job.model, res_id=job.res_id)

    def _refused(self, line, verdict):
        """Return the outcome of a compensation that only a person can finish.

        What it prepared is kept, so nothing is raised: the job fails, its saga is told as
        of any failure, and the job waits on the desk until the rest is done.
        """
        error = PolicyBlocked(verdict.summary, hint=verdict.hint, fingerprint=f"undo by hand: {line.name}")
        return Outcome(error=error, subject=line.saga_id.name or "")
