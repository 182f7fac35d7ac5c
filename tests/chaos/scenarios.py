"""The scenarios: each makes work, breaks something meanwhile, and compares everything after.

A scenario is a function of a world. It begins and ends with everything equal, so that
scenarios can follow each other in one world and a mess is found where it was made.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from .ledger import Job
from .load import Player
from .world import DATABASE_GONE, Report, World

#: Work that is left at a fault's end may take this long for each record (two cores, shared).
SECONDS_PER_RECORD = 0.6

#: Calls that were cut off while a server was killed or a database away fail loudly; that is theirs.
#: Among them are those with which the job queue's runner has its own server run a job.
_HTTP_CUT = r"Exception during request handling|during HTTP request|exception in GET \S+/queue_job/runjob"

Scenario = Callable[[World, int], Report]
SCENARIOS: dict[str, Scenario] = {}


def scenario(function: Callable[[World, Report, int], Any]) -> Scenario:
    """Register a scenario under its function's name, with dashes."""
    name = function.__name__.replace("_", "-")

    def run(world: World, records: int) -> Report:
        with world.scenario(name) as report:
            function(world, report, records)
        return report

    run.__name__, run.__doc__ = name, function.__doc__
    SCENARIOS[name] = run
    return run


def _finish(world: World, report: Report, player: Player | None, *log: Any, stranded: set | None = None,
            allowed: Callable[[Job], bool] = lambda job: False) -> None:
    """The fault has ended: work must go on within a minute, and all become equal.

    :param log: what errors of the fault's own contain
    :param stranded: jobs that were running at its end
    """
    ended = time.monotonic()
    report.recovered = world.wait_recovered(ended, world.stranded() if stranded is None else stranded)
    if player:
        player.finish()
        report.records = player.records
    world.poll()
    world.settle(60.0 + SECONDS_PER_RECORD * report.records, allowed)
    report.settled = time.monotonic() - ended
    world.assert_log(*log)


def _while_playing(player: Player, step: Callable[[], None], pause: Callable[[], float]) -> int:
    """Repeat a step with pauses while there is work to come; return how often."""
    count = 0
    while player.is_playing:
        deadline = time.monotonic() + pause()
        while player.is_playing and time.monotonic() < deadline:
            time.sleep(0.1)
        step()
        count += 1
    return count


# ---------------------------------------------------------------------------
# (a) Processes
# ---------------------------------------------------------------------------

@scenario
def killed_workers(world: World, report: Report, records: int) -> None:
    """Workers and servers are killed at random moments while the network is bad."""
    world.bad_network()
    player = world.play(records, per_second=records / 12)
    killed: Counter[str] = Counter()

    def kill() -> None:
        killed[world.kill().split()[0]] += 1

    _while_playing(player, kill, lambda: world.rand.uniform(0.5, 3.0))
    while sum(killed.values()) < 3:  # a server takes its time to come back
        time.sleep(world.rand.uniform(0.5, 3.0))
        kill()
    world.good_network()
    report.note = ", ".join(f"{count} × {what} killed" for what, count in sorted(killed.items()))
    _finish(world, report, player, _HTTP_CUT, DATABASE_GONE)
    _pay_out(world)


@scenario
def lost_host(world: World, report: Report, records: int) -> None:
    """Two servers share the work; one is lost in the middle of it, and the other does the rest."""
    world.set_lanes(4)  # more than one of them can run, so that neither does it all
    world.set_parameter("q2c_chaos.slow", "1")
    with world.another_host() as host:
        world.share_with(host)
        player = world.play(records, per_second=records / 4)
        lost = world.lose(host)
    report.note = f"{len(lost)} jobs taken over"
    world.set_parameter("q2c_chaos.slow", "")
    _finish(world, report, player, _HTTP_CUT, DATABASE_GONE, stranded=lost)
    world.set_lanes(2)


def _pay_out(world: World) -> None:
    """Everything that was charged goes to the bank and is found in the books."""
    world.admin.post("/stripe/payouts/run", {})
    world.settle(60.0)
    remote, _local = world.snapshot()
    assert remote.payouts, "nothing was paid out"


@scenario
def module_upgrade(world: World, report: Report, records: int) -> None:
    """The module is upgraded under a hold with jobs in the queue: they are all there afterwards."""
    (hold,) = world.rpc("sync.hold", "create", [{"name": "Upgrade", "scope": "all"}])
    player = world.play(records, per_second=50)
    player.finish()
    world.server.wait_for(lambda: world.count("pending") > records / 2, "deliveries to wait in the queue")
    world.server.wait_for(lambda: not world.count("running"), "what ran before the hold to end")
    world.server.stop()
    before = set(world.sql("SELECT id, idempotency_key FROM sync_job WHERE state = 'pending'"))
    world.server.upgrade("crm_sync_base")
    after = set(world.sql("SELECT id, idempotency_key FROM sync_job WHERE state = 'pending'"))
    assert before <= after, f"{len(before - after)} waiting jobs are gone after the upgrade"
    report.note = f"{len(before)} jobs kept"
    world.server.restart()
    world.rpc("sync.hold", "action_lift", [hold])
    # A server that stops cuts what Odoo's own scheduled actions were doing.
    _finish(world, report, player, DATABASE_GONE)


# ---------------------------------------------------------------------------
# (b) Database
# ---------------------------------------------------------------------------

@scenario
def database_restarted(world: World, report: Report, records: int) -> None:
    """PostgreSQL is stopped, politely and as by a power cut, and comes back."""
    player = world.play(records, per_second=records / 8)
    for mode in ("fast", "immediate"):
        time.sleep(world.rand.uniform(1.0, 3.0))
        world.cluster.restart(mode, down=world.rand.uniform(0.0, 2.0))
    stranded = world.stranded()
    _finish(world, report, player, DATABASE_GONE, _HTTP_CUT, stranded=stranded)


@scenario
def sessions_terminated(world: World, report: Report, records: int) -> None:
    """Random database sessions are terminated, those of lanes and crons among them."""
    player = world.play(records, per_second=records / 8)
    ended: list[int] = []
    _while_playing(player, lambda: ended.append(world.terminate_backends()), lambda: world.rand.uniform(0.5, 2.0))
    report.note = f"{sum(ended)} sessions"
    _finish(world, report, player, DATABASE_GONE, _HTTP_CUT)


@scenario
def disk_full(world: World, report: Report, records: int) -> None:
    """PostgreSQL has no room left for a while (SQLSTATE 53100), for bindings, changes and jobs in turn."""
    player = world.play(records, per_second=records / 8)
    for table in ("sync_binding", "sync_change", "sync_job"):
        world.break_table(table)
        time.sleep(3.0)
        world.mend_table(table)
    _finish(world, report, player, r"No space left on device", _HTTP_CUT)


# ---------------------------------------------------------------------------
# (c) Connections
# ---------------------------------------------------------------------------

@scenario
def pool_exhausted(world: World, report: Report, records: int) -> None:
    """More webhooks at a time than there are database connections."""
    world.server.use([*world.arguments, "--db_maxconn=10"])
    try:
        world.begin()
        player = world.play(records, per_second=500)
        _finish(world, report, player, r"PoolError|Connection Pool Is Full", _HTTP_CUT)
    finally:
        world.server.use(world.arguments)


# ---------------------------------------------------------------------------
# (d) Providers
# ---------------------------------------------------------------------------

@scenario
def retry_storm(world: World, report: Report, records: int) -> None:
    """A provider refuses everything for a while; afterwards its calls do not come all at once."""
    for vendor in ("salesforce", "hubspot", "stripe"):
        world.fault(vendor, "status", status=429, retry_after=2, probability=0.5)
        world.fault(vendor, "status", status=500)
    since = world.admin.get("/calls", limit=0)["last_seq"]
    player = world.play(records, per_second=records / 6)
    player.finish()
    time.sleep(5.0)
    during = world.admin.get("/calls", since=since, limit=0)
    world.good_network()
    _finish(world, report, player)
    after = world.admin.get("/calls", since=during["last_seq"], limit=100_000)["calls"]
    most = _most_a_second(after)
    report.note = f"{during['total']} calls while refused, at most {most} in a second afterwards"
    assert most <= MOST_CALLS, f"{most} calls in one second after the outage, {MOST_CALLS} are allowed"


#: Calls that all providers together may get in one second after an outage.
MOST_CALLS = 100


def _most_a_second(calls: list[dict[str, Any]]) -> int:
    """Return the largest number of calls within any second."""
    moments = sorted(call["at"] for call in calls)
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] > 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


# ---------------------------------------------------------------------------
# (e) Poison
# ---------------------------------------------------------------------------

@scenario
def poison(world: World, report: Report, records: int) -> None:
    """A record that kills its worker every time is parked after three; all others go on."""
    made = world.admin.post("/salesforce/records/Account", {"Name": "Poison Ltd", "BillingCountry": "Germany"})
    world.set_parameter("q2c_chaos.poison", made["Id"])
    player = world.play(records, per_second=records / 4)
    deadline = time.monotonic() + 120.0

    def parked() -> list[tuple]:
        return world.sql("SELECT crashes FROM sync_job WHERE external_id = %s AND state = 'failed'", [made["Id"]])

    while not parked():
        assert time.monotonic() < deadline, "the poisonous record is not parked"
        world.keep_server()
        time.sleep(0.2)
    ((crashes,),) = parked()
    assert crashes == 3, f"parked after {crashes} crashes"
    world.set_parameter("q2c_chaos.poison", "")
    report.note = "parked after 3"
    others = "SELECT count(*) FROM sync_job WHERE crashes >= 3 AND external_id <> %s"
    assert world.sql(others, [made["Id"]]) == [(0,)], "records that are not poisonous were parked, too"
    # Healed, a person presses retry, and the record arrives as if nothing had been.
    asked = world.rpc("sync.job", "action_retry", world.rpc(
        "sync.job", "search", [("external_id", "=", made["Id"]), ("state", "=", "failed")]))
    if asked.get("res_model"):  # the provider fails just now; the person wants it all the same
        world.rpc(asked["res_model"], "action_retry", [asked["res_id"]])
    _finish(world, report, player, _HTTP_CUT, DATABASE_GONE)


# ---------------------------------------------------------------------------
# (f) Priorities
# ---------------------------------------------------------------------------

#: A fresh deal becomes an order within this many seconds, whatever else is to do.
FRESH_SECONDS = 6.0


@scenario
def starvation(world: World, report: Report, records: int) -> None:
    """A backfill keeps the lanes busy; a deal that is won meanwhile does not wait for it."""
    count = max(records * 5, 1000)
    world.admin.post("/salesforce/generate", {"accounts": count, "contacts_each": 1, "label": f"Backfill {world.seed}"})
    world.poll()
    world.server.wait_for(lambda: world.count("running"), "the backfill to begin")
    waits = []
    for number in range(3):
        made = world.admin.post("/salesforce/deals", {
            "win": True, "name": f"Fresh {number}",
            "lines": [{"code": "Q2C-PLAT", "quantity": 1, "unit_price": "40.00"}],
            "account": {"Name": f"Fresh customer {number}", "BillingCountry": "Germany"}})
        started = time.monotonic()
        world.server.wait_for(lambda made=made: world.sql(
            "SELECT 1 FROM sync_binding WHERE external_id = %s AND model = 'sale.order'", [made["opportunity_id"]]),
            "the fresh deal")
        waits.append(time.monotonic() - started)
        busy = bool(world.sql("SELECT 1 FROM sync_job WHERE kind IN ('page', 'poll') AND eta <= timezone('utc', now())"
                              " AND state IN ('pending', 'running') LIMIT 1"))
        assert busy or number, "the backfill was over before the first deal"
    report.note = f"{2 * count} in the backfill; fresh deals waited {', '.join(f'{wait:.1f}' for wait in waits)} s"
    assert max(waits) <= FRESH_SECONDS, report.note
    report.records = 2 * count
    started = time.monotonic()
    world.settle(60.0 + 0.05 * count)
    report.settled = time.monotonic() - started
    world.assert_log()


# ---------------------------------------------------------------------------
# (g) Clocks
# ---------------------------------------------------------------------------

@scenario
def clock_skew(world: World, report: Report, records: int) -> None:
    """The providers' clocks are ahead, then behind; the newest state still wins."""
    # Less than the life of a signed request for a token: more, and Salesforce refuses it.
    for offset in (100, -100):
        world.admin.post("/clock", {"offset": offset})
        player = world.play(max(records // 2, 20), per_second=records)
        player.finish()
        report.records += player.records
        world.poll()
        world.settle(60.0 + SECONDS_PER_RECORD * player.records)
    world.admin.post("/clock", {"reset": True})
    _finish(world, report, None)


# ---------------------------------------------------------------------------
# (h) Scheduler
# ---------------------------------------------------------------------------

@scenario
def lanes_switched_off(world: World, report: Report, records: int) -> None:
    """Odoo has switched the lanes' scheduled actions off, as it does after repeated failures.

    Once somebody comes who wakes them. Once nobody does: a hold is gone without a word, so
    all that waits is left to the watchdog.
    """
    half = records // 2
    player = world.play(half, per_second=records / 3)
    time.sleep(1.0)
    world.switch_crons_off()
    player.finish()
    _finish(world, report, player)
    (hold,) = world.rpc("sync.hold", "create", [{"name": "Nobody lifts it", "scope": "all"}])
    player = world.play(records - half, per_second=50)
    player.finish()
    world.server.wait_for(lambda: not world.count("running"), "what ran before the hold to end")
    time.sleep(3.0)  # until the last webhook is there: each would wake the lanes
    world.switch_crons_off()
    world.sql("UPDATE sync_hold SET active = false WHERE id = %s", [hold])
    woken = report.recovered
    _finish(world, report, player)
    report.recovered = max(woken, report.recovered)
    report.records = records
