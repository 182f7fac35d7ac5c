from odoo import models
from odoo.addons.crm_sync_base.lib.outcome import Outcome


class SyncHandlerBench(models.AbstractModel):
    """Does nothing with any job, at once."""

    _name = "sync.handler.bench_noop"
    _inherit = "sync.handler"
    _description = "Bench Handler"

    def _run(self, flow, jobs):
        return {job_id: Outcome(summary="Nothing") for job_id in jobs.ids}
