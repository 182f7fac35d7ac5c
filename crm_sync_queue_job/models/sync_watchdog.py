from odoo import _, api, models


class SyncWatchdog(models.AbstractModel):
    """Knows that lanes may run on the job queue, too."""

    _inherit = "sync.watchdog"

    @api.model
    def _overlooked(self, now):
        error = super()._overlooked(now)
        if error and self.env["sync.lane"]._runner_lives():
            error.hint = _(
                "The job queue's runner is there but does not run the lanes: look at its jobs in "
                "the channel root.crm_sync, and at the capacity that the configuration gives it."
            )
        return error
