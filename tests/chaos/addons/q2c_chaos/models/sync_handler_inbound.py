import os
import signal
import time

from odoo import models

#: system parameters that a scenario sets: ids of documents, separated by commas
POISON = "q2c_chaos.poison"
#: and seconds that every batch takes longer
SLOW = "q2c_chaos.slow"


class SyncHandlerInbound(models.AbstractModel):
    """A record that kills the process which handles it, when everything is written
    and nothing committed: the worst moment."""

    _inherit = "sync.handler.inbound"

    def _run(self, flow, jobs):
        outcomes = super()._run(flow, jobs)
        parameter = self.env["ir.config_parameter"].sudo().get_param
        poisoned = set(parameter(POISON, "").split(",")) - {""}
        for job in jobs:
            if poisoned & {job.external_id, *((job.payload or {}).get("ids") or ())}:
                self.env.flush_all()
                os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(parameter(SLOW, "0")))
        return outcomes
