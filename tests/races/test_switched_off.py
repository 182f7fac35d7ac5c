"""Scheduled actions that Odoo has switched off, while somebody runs them all the same."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("world", ["queue_place"], indirect=True)
def test_the_watchdog_passes_over_a_lane_that_the_job_queue_runs(world):
    """Odoo refuses to change an action that is at work; the others are switched on all the same."""
    from tests.model.connector import Door

    off = "SELECT count(*) FROM ir_cron WHERE NOT active AND id IN (SELECT cron_id FROM sync_lane)"
    Door.remote.put("Account", "a1", Name="Zeppelin Works", Email="post@zeppelin.example")
    world.deliver_all()
    world.background()
    world.stage.query("UPDATE ir_cron SET active = false WHERE id IN (SELECT cron_id FROM sync_lane)")
    worker = world.worker_until("worked")
    world.do(lambda env: env["sync.watchdog"]._cron_watch())
    assert world.one(off) == 1
    world.finish(worker)
    world.do(lambda env: env["sync.watchdog"]._cron_watch())
    assert world.one(off) == 0
    assert world.one("SELECT state FROM sync_job WHERE kind = 'record'") == "done"
