"""Two lanes at work on one run, on real connections: each record is counted and written once."""

from __future__ import annotations

import threading
import time

import pytest

ACCOUNTS, CONTACTS = 40, 60
SECONDS = 120  # after which it is stuck


@pytest.fixture
def swept(world):
    """A world without stories, two lanes for bulk work, and no stage: threads run as they like."""
    _sweep(world)
    _commit(world, lambda env: env["sync.lane"]._set_count(3))
    yield world
    _commit(world, lambda env: env["sync.lane"]._set_count(2))
    _sweep(world)


def _sweep(world):
    world.open()
    world.close()


def _env(cr):
    """Return the environment of a cursor; Odoo is known once there is a world."""
    from odoo import SUPERUSER_ID, api

    return api.Environment(cr, SUPERUSER_ID, {})


def _remote():
    from .connector import Door

    return Door.remote


def _commit(world, play):
    """Do something in a transaction of its own; return its result."""
    with world.registry.cursor() as cr:
        return play(_env(cr))


def _query(world, query, *params):
    with world.registry.cursor() as cr:
        cr.execute(query, params)
        return cr.fetchall()


def _work(world, lane_id, barrier, raised):
    """Be a lane, until nothing of a run waits any more."""
    try:
        barrier.wait(10)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with world.registry.cursor() as cr:
                env = _env(cr)
                if not env["sync.lane"].browse(lane_id)._run_once():
                    cr.execute("SELECT 1 FROM sync_job WHERE state IN ('pending', 'running') LIMIT 1")
                    if not cr.fetchone():
                        return
                    time.sleep(0.02)
        raised.append(TimeoutError(f"lane {lane_id} is stuck"))
    except Exception as error:  # told in the test's own thread
        raised.append(error)


def _run(world, start):
    """Start a run and have two lanes do it; return its id.

    :param start: called with an environment; returns the run.
    """
    run_id = _commit(world, lambda env: start(env).id)
    lanes = [row[0] for row in _query(world, "SELECT id FROM sync_lane WHERE active AND NOT express ORDER BY id")]
    barrier, raised = threading.Barrier(len(lanes)), []
    threads = [threading.Thread(target=_work, args=(world, lane, barrier, raised)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 30)
    assert raised == []
    _commit(world, lambda env: env["sync.run"]._cron_replay())
    worked = _query(
        world, "SELECT count(DISTINCT lane_id) FROM sync_job WHERE run_id = %s AND kind IN ('page', 'push')", run_id
    )
    assert worked == [(len(lanes),)], "both lanes took part, or it proves nothing"
    return run_id


def _totals(world, run_id):
    """Return the state of a run, its total, and `{verdict: count}` of its lines."""

    def read(env):
        run = env["sync.run"].browse(run_id)
        names = ("create", "update", "bind", "unchanged", "not_needed", "skipped", "blocked", "conflict", "differs")
        return run.state, run.seen_count, {name: run[f"{name}_count"] for name in names if run[f"{name}_count"]}

    return _commit(world, read)


def _people(world):
    """Return the names of the customers that runs brought, in order."""
    return sorted(name for (name,) in _query(world, "SELECT name FROM res_partner WHERE name LIKE %s", "Run %"))


def _flow(env, code, page_size):
    flow = env["sync.flow"].search([("code", "=", code)])
    flow.page_size = page_size
    return flow


def _twice(world, run_id):
    """Return the records that the ledger says were written twice by a run."""
    return _query(
        world,
        """
        SELECT remote_object, external_id, res_id, verdict FROM sync_change
         WHERE run_id = %s AND operation = 'create'
         GROUP BY 1, 2, 3, 4 HAVING count(*) > 1
        """,
        run_id,
    )


@pytest.fixture
def crowd(swept):
    """Contacts whose pages need the same accounts, so that both lanes want to create them."""
    for number in range(ACCOUNTS):
        _remote().put("Account", f"a{number}", Name=f"Run Account {number}", Email="", Country="DE")
    for number in range(CONTACTS):
        _remote().put(
            "Contact", f"c{number}", Name=f"Run Contact {number}", Email=f"c{number}@run.example",
            AccountId=f"a{number % ACCOUNTS}",
        )
    return swept


def _start(dry_run):
    return lambda env: env["sync.run"]._start_pass(_flow(env, "inbound_Contact", 5), dry_run=dry_run)


def test_a_first_load_by_two_lanes_writes_and_counts_each_record_once(crowd):
    """Each contact once, and each account once, whichever page needed it first."""
    run_id = _run(crowd, _start(dry_run=False))
    assert _totals(crowd, run_id) == ("done", CONTACTS, {"create": CONTACTS + ACCOUNTS})
    assert _twice(crowd, run_id) == []
    assert _people(crowd) == sorted(
        [f"Run Account {number}" for number in range(ACCOUNTS)]
        + [f"Run Contact {number}" for number in range(CONTACTS)]
    )
    assert _query(
        crowd, "SELECT count(*), count(DISTINCT (remote_object, external_id)), count(DISTINCT res_id) FROM sync_binding"
    ) == [(100, 100, 100)]


def test_a_plan_and_its_execution_by_two_lanes_are_the_same(crowd):
    """A dry run counts each record once and writes none; approved, it writes each once."""
    plan_id = _run(crowd, _start(dry_run=True))
    planned = {"create": CONTACTS + ACCOUNTS}
    assert _totals(crowd, plan_id) == ("done", CONTACTS, planned)
    assert _people(crowd) == []
    run_id = _run(
        crowd, lambda env: env["sync.run"].browse(env["sync.run"].browse(plan_id).action_approve()["res_id"])
    )
    assert _totals(crowd, run_id) == ("done", CONTACTS, planned)
    assert _twice(crowd, run_id) == []
    assert len(_people(crowd)) == CONTACTS + ACCOUNTS


def test_two_lanes_send_each_record_once(swept):
    """What one page hands over while another is being planned reaches the provider once."""

    def tags(env):
        env["sync.flow"].search([("code", "=", "outbound_Tag")]).mode = "off"
        env["res.partner.category"].create([{"name": f"Sent {number}"} for number in range(60)])
        env.flush_all()
        env.cr.precommit.run()
        env["sync.flow"].search([("code", "=", "outbound_Tag")]).mode = "live"

    _commit(swept, tags)

    def start(env):
        return env["sync.run"]._start_pass(
            _flow(env, "outbound_Tag", 7), dry_run=False, odoo_scope="[('name', '=like', 'Sent %')]"
        )

    run_id = _run(swept, start)
    assert _totals(swept, run_id) == ("done", 60, {"create": 60})
    names = [effect.values["Value"] for effect in _remote().effects]
    assert sorted(names) == sorted(f"Sent {number}" for number in range(60))
    assert _twice(swept, run_id) == []
    again = _commit(swept, lambda env: start(env).id)
    _commit(swept, lambda env: env["sync.lane"].search([("express", "=", False)], limit=1)._cron_run())
    _commit(swept, lambda env: env["sync.run"]._cron_replay())
    assert _totals(swept, again) == ("done", 60, {"unchanged": 60})
