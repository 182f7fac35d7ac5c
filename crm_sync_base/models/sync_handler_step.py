from odoo import _, models
from odoo.exceptions import MissingError
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..lib.outcome import Outcome


class SyncHandlerStep(models.AbstractModel):
    """Runs follow-up steps, each record in a savepoint of its own."""

    _name = "sync.handler.step"
    _inherit = "sync.handler"
    _description = "Step Handler"

    def _run(self, flow, jobs):
        return {job.id: self._run_one(flow, job) for job in jobs}

    def _run_one(self, flow, job):
        try:
            with self.env.cr.savepoint():
                return self._run_step(flow, job)
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
            raise
        except Exception as error:  # noqa: BLE001 (stored on the job)
            return Outcome(error=job._as_sync_error(error))

    def _run_step(self, flow, job):
        env = self._as_service(flow)
        record = env[job.model].browse(job.res_id).exists()
        if not record:
            raise MissingError(_("The record was deleted."))
        summary = job.step_id.with_env(env(su=True))._run(record, job)
        following = job.step_id._next()
        if following:
            following._enqueue_for(record, {record.id: job})
        return Outcome(summary=summary, res_model=job.model, res_id=job.res_id)
