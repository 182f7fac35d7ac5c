import logging

from odoo import fields, models

from ..lib.trouble import DATABASE_TROUBLE

_logger = logging.getLogger(__name__)


class SyncJobStep(models.Model):
    """The job ledger tells the sagas what became of their steps."""

    _inherit = "sync.job"

    has_saga = fields.Boolean(compute="_compute_has_saga")

    def _compute_has_saga(self):
        for job in self:
            job.has_saga = bool(job._saga())

    def _saga(self):
        """Return the saga of the job's record, or an empty recordset."""
        self.ensure_one()
        ran = ["|", ("job_id", "=", self.id), ("undo_job_id", "=", self.id)]
        lines = self.env["sync.saga.step"].search(ran, limit=1)
        if lines or not self.res_id:
            return lines.saga_id
        return self.env["sync.saga"].search([("model", "=", self.model), ("res_id", "=", self.res_id)], limit=1)

    def action_open_saga(self):
        """Open the steps that the job's record went through."""
        self.ensure_one()
        return self._saga()._form()

    def _undoes(self):
        """Whether the job is the compensation of a step."""
        return self.kind == "step" and isinstance(self.payload, dict) and "undo" in self.payload

    def _settle_done(self, pairs):
        pushed = self.browse([job.id for job, _outcome in pairs if job.kind == "push"])
        result = super()._settle_done(pairs)
        if pushed and pushed.flow_id._handler("push")._is_story_step():
            self.env["sync.saga"]._on_pushed(pushed)
        return result

    def _fail(self, error, outcome=None):
        result = super()._fail(error, outcome)
        if self.state == "failed" and self.kind in ("step", "push"):
            self._tell_saga()
        return result

    def _discard(self, reason):
        waiting = self.filtered(lambda job: job.kind == "step" and job.state == "pending")
        result = super()._discard(reason)
        self.env["sync.saga"].sudo()._on_discarded(waiting)
        return result

    def _tell_saga(self):
        """Tell the saga; whatever is wrong with it, the failure of the job is kept.

        When the database cannot take it just then, both are done again.
        """
        try:
            with self.env.cr.savepoint():
                self.env["sync.saga"]._on_failed(self)
        except DATABASE_TROUBLE:
            raise
        except Exception:
            _logger.exception("Synchronisation: the saga of job %s does not know that it failed", self.id)
