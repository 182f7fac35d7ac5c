"""Lanes and polls used to tick every minute; now they sleep until something is due."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    """Remove the cron of the polls, give the lanes their new pace.

    The next polls are planned by the new watchdog's first look, when all modules are loaded.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    ticking = env.ref("crm_sync_base.ir_cron_poll", raise_if_not_found=False)
    if ticking:
        ticking.unlink()
    lanes = env["sync.lane"].with_context(active_test=False).search([])
    lanes.cron_id.write({"interval_number": 1, "interval_type": "hours"})
    env["sync.lane"]._set_count(len(lanes) or 2)
