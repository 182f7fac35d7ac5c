from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..models.sync_job_retry import TO_RUN


class SyncJobRetryWizard(models.TransientModel):
    """Says how many jobs would run and what would keep them waiting, before they do."""

    _name = "sync.job.retry.wizard"
    _inherit = "sync.selection.mixin"
    _description = "Retry Jobs"

    job_count = fields.Integer(compute="_compute_job_count")
    obstacles = fields.Text(compute="_compute_job_count")

    def _asked(self):
        return self._pointed_at() & TO_RUN

    @api.depends("scope", "selected", "filter_domain")
    def _compute_job_count(self):
        Job = self.env["sync.job"]
        for wizard in self:
            wizard.job_count = Job.search_count(wizard._asked())
            wizard.obstacles = "\n".join(Job._obstacles(wizard._asked()))

    @api.model
    def _action_for(self, domain):
        """Return the action that asks about the jobs that a domain finds."""
        return self._of_domain(domain)._action(_("Retry Later?"))

    @api.model
    def _action_for_list(self, jobs):
        """Return the action that asks about jobs of a list, or about its whole filter."""
        return self._of_list(jobs.ids)._action(_("Run Now"))

    def action_retry(self):
        """Put the jobs in the queue: they run as soon as nothing is in the way.

        :raises AccessError: for who may not work on jobs.
        :raises UserError: when none of them waits or has failed.
        """
        self.ensure_one()
        Job = self.env["sync.job"]
        Job.check_access("write")
        count = Job._retry_found(self._asked())
        if not count:
            raise UserError(_("None of these jobs is waiting or has failed."))
        return Job._notice(
            _("The job runs by itself as soon as it can.")
            if count == 1
            else _("%s jobs run by themselves as soon as they can.", count),
            then={"type": "ir.actions.act_window_close"},
        )
