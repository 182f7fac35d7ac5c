from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..models.sync_job_replay import OPEN_WORK


class SyncJobDiscardWizard(models.TransientModel):
    """Takes jobs off the queue for good; asks why."""

    _name = "sync.job.discard.wizard"
    _inherit = "sync.selection.mixin"
    _description = "Discard Jobs"

    reason = fields.Char()
    job_count = fields.Integer(compute="_compute_job_count")

    def _asked(self):
        return self._pointed_at() & OPEN_WORK

    @api.depends("scope", "selected", "filter_domain")
    def _compute_job_count(self):
        for wizard in self:
            wizard.job_count = self.env["sync.job"].search_count(wizard._asked())

    @api.model
    def _action_for(self, jobs):
        """Return the action that asks about jobs of a list, or about its whole filter."""
        return self._of_list(jobs.ids)._action(_("Discard Jobs"))

    def action_discard(self):
        """Discard the jobs; they stay in the ledger with the reason.

        :raises AccessError: for who may not work on jobs.
        :raises ValidationError: without a reason.
        :raises UserError: when none of them waits or has failed.
        """
        self.ensure_one()
        if not (self.reason or "").strip():
            raise ValidationError(
                _("Say why this job is given up.") if self.job_count == 1 else _("Say why these jobs are given up.")
            )
        jobs = self.env["sync.job"].search(self._asked())
        if not jobs:
            raise UserError(_("None of these jobs is waiting or has failed."))
        jobs._discard(self.reason.strip())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": _("The job was discarded.")
                if len(jobs) == 1
                else _("%s jobs were discarded.", len(jobs)),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
