"""What stops the engine, at the moment at which a lane claims; failures at the moment at which their card closes."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from . import ON_BOTH_RUNNERS

pytestmark = ON_BOTH_RUNNERS

ACCOUNT = {"Name": "Zeppelin Works", "Email": "post@zeppelin.example"}


def flow_of(env):
    """Return the flow of accounts."""
    return env["sync.flow"].search([("code", "=", "inbound_Account")])


def hold(scope):
    """Return what sets a hold, and what lifts it."""

    def place(env):
        flow = flow_of(env)
        env["sync.hold"].create(
            {"name": "Stop", "scope": scope, "connection_id": flow.connection_id.id, "flow_id": flow.id}
        )

    return place, lambda env: env["sync.hold"].search([]).action_lift()


def switch(**values):
    """Return what writes on the flow, and what takes that back."""
    before = {"mode": "live", "paused": False}
    return lambda env: flow_of(env).write(values), lambda env: flow_of(env).write(before)


STOPS = {
    "hold of everything": hold("all"),
    "hold of the connection": hold("connection"),
    "hold of the flow": hold("flow"),
    "flow off": switch(mode="off"),
    "flow paused": switch(paused=True),
    "connection paused": (
        lambda env: flow_of(env).connection_id.action_pause(),
        lambda env: flow_of(env).connection_id.action_resume(),
    ),
}


def stop_while_claiming(world, how):
    """Stop the engine in one of its ways while a lane claims; nothing may begin, nothing is lost."""
    from tests.model.connector import Door

    stop, go_on = STOPS[how]
    Door.remote.put("Account", "a1", **ACCOUNT)
    world.deliver_all()
    worker = world.worker_until("claimed")
    person = world.request("root", stop)
    world.finish(person.actor)
    assert person.error is None
    world.finish(worker)
    assert Door.remote.calls["read"] == 0
    assert world.stage.query("SELECT state, attempts FROM sync_job WHERE kind = 'record'") == [("pending", 0)]
    world.do(go_on)
    world.work()
    assert world.stage.query("SELECT state, attempts FROM sync_job WHERE kind = 'record'") == [("done", 1)]


@pytest.mark.parametrize("how", STOPS)
def test_nothing_begins_after_it_was_stopped(world, how):
    """The claim could not see it; the lane looks again."""
    stop_while_claiming(world, how)


def test_otherwise_it_would_begin(world):
    """The claim alone sees what was committed before it began."""
    with world.broken("sync.job", "_are_stopped", lambda self: False), pytest.raises(AssertionError):
        stop_while_claiming(world, "hold of everything")


def test_who_holds_too_late_sees_what_runs(world):
    """What had begun before is finished, and the hold says that it drains."""
    from tests.model.connector import Door

    Door.remote.put("Account", "a1", **ACCOUNT)
    world.deliver_all()
    worker = world.worker_until("before read")

    def place(env):
        held = env["sync.hold"].create({"name": "Stop"})
        return held.state, held.running_count

    assert world.do(place) == ("draining", 1)
    world.finish(worker)
    assert world.one("SELECT state FROM sync_job WHERE kind = 'record'") == "done"


# === A lane whose lock is lost ===#


def run_twice(world):
    """Have a lane's lock end with its session while it works, and the lane's next run begin.

    :return: both workers; one has done the job, the other is at it; neither has committed.
    """
    from tests.model.connector import Door

    Door.remote.put("Account", "a1", **ACCOUNT)
    world.deliver_all()
    first = world.worker_until("worked")
    world.stage.cut_lock(first, "ir_cron")
    world.do(lambda env: env["sync.lane"]._wake())
    return first, world.worker_until("after read")


def tries_of_both(world):
    """Return what became of the job, and how often its record was read."""
    from tests.model.connector import Door

    return world.one("SELECT state FROM sync_job WHERE kind = 'record'"), Door.remote.calls["read"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_run_that_lost_its_lane_leaves_the_jobs_to_the_next(world, fails, caplog):
    """It learns that another run has them, and neither gives them back nor fails them."""
    first, second = run_twice(world)
    bug = world.broken("sync.job", "_settle", lambda self, outcomes: 1 / 0)
    with bug if fails else nullcontext():
        world.finish(first)
    world.finish(second)
    assert tries_of_both(world) == ("done", 2)
    assert world.one("SELECT count(*) FROM res_partner WHERE name = 'Zeppelin Works'") == 1


def test_otherwise_both_would_take_them_from_each_other(world):
    """What one run gives back the other one has not done any more, and so on."""
    with world.broken("sync.job", "_mine", lambda self: self):
        first, second = run_twice(world)
        world.finish(first)
        world.finish(second)
    assert tries_of_both(world) != ("done", 2)


# === Undo jobs call nobody: only a hold stops them ===#


def test_an_undo_is_stopped_by_a_hold_alone(world):
    """It is claimed for a flow that is off; a hold that comes while it is claimed stops it."""
    run = load(world, Name="Zeppelin Works", Email="post@zeppelin.example")
    world.do(lambda env: flow_of(env).write({"mode": "off"}))
    world.do(lambda env: env["sync.run"].browse(run)._start_undo() and None, "mia")
    worker = world.worker_until("claimed")
    person = world.request("root", hold("all")[0])
    world.finish(person.actor)
    world.finish(worker)
    assert world.one("SELECT state FROM sync_job WHERE kind = 'undo'") == "pending"
    world.do(hold("all")[1])
    world.work()
    assert world.one("SELECT state FROM sync_job WHERE kind = 'undo'") == "done"


# === Undo beside a lane ===#


def load(world, **data):
    """Have an account change at the provider and a first load bring it; return the run."""
    from tests.model.connector import Door

    Door.remote.put("Account", "a1", **data)
    Door.remote.deliveries.clear()
    run = world.do(lambda env: env["sync.run"]._start_pass(flow_of(env), dry_run=False).id)
    world.work()
    world.pass_time(5)
    world.work()
    assert world.one("SELECT state FROM sync_run WHERE id = %s", run) == "done"
    return run


@pytest.fixture
def changed(world):
    """A run that renamed an account; and what the source says by now was not brought yet."""
    world.arrive("a1", **ACCOUNT)
    return load(world, Name="Zeppelin Renamed")


def say_newer(world):
    """Have the source say something newer."""
    from tests.model.connector import Door

    Door.remote.put("Account", "a1", Name="Zeppelin Newest")
    world.deliver_all()


def undo(world, run):
    """Start to undo a run; return the undo."""
    return world.do(lambda env: env["sync.run"].browse(run)._start_undo().id, "mia")


def end(world, *actors):
    """Have everybody finish, and what was given back be done."""
    world.come_to_rest(*actors)
    assert world.stage.query("SELECT DISTINCT state FROM sync_job") == [("done",)], world.ledger()
    return world.one("SELECT name FROM res_partner ORDER BY id DESC LIMIT 1")


def test_a_newer_document_beside_an_undo_stays_and_is_listed(world, changed):
    """The lane was faster: the undo waits for it, begins again, and leaves the record alone."""
    say_newer(world)
    lane = world.worker_until("worked")
    back = undo(world, changed)
    undoing = world.worker_until("claimed")
    world.finish(undoing)
    assert undoing in world.stage.actors, "it waits for the lane"
    assert end(world, lane) == "Zeppelin Newest"
    [(verdict, reason)] = world.stage.query("SELECT verdict, reason FROM sync_run_line WHERE run_id = %s", [back])
    assert verdict == "left"
    assert "changed it since: Name" in reason


def test_an_undo_beside_a_newer_document_is_not_the_last_word(world, changed):
    """The undo was faster: the lane waits for it, and brings what is newer."""
    back = undo(world, changed)
    undoing = world.worker_until("worked")
    say_newer(world)
    lane = world.worker_until("claimed")
    world.finish(lane)
    assert lane in world.stage.actors, "it waits for the undo"
    assert end(world, undoing) == "Zeppelin Newest"
    assert world.one("SELECT verdict FROM sync_run_line WHERE run_id = %s", back) != "left"
    texts = world.stage.query(
        """SELECT "values" -> 'name' ->> 1 FROM sync_change WHERE direction = 'inbound' ORDER BY id"""
    )
    assert [text for (text,) in texts] == ["Zeppelin Works", "Zeppelin Renamed", "Zeppelin Works", "Zeppelin Newest"]


# === The exception desk ===#


def fail(world, external_id):
    """Have an account with a country that nobody knows arrive, and a worker try it."""
    from tests.model.connector import Door

    Door.remote.put(
        "Account", external_id, Name=f"Zeppelin {external_id}", Email=f"{external_id}@zep.example", Country="ZZ"
    )
    world.deliver_all()
    return world.worker_until("worked")


def cards(world):
    """Return [(state of a card, how many failed jobs are on it)]."""
    return world.stage.query(
        """
        SELECT e.state, count(j.id) FROM sync_exception e
          LEFT JOIN sync_job j ON j.exception_id = e.id AND j.state = 'failed'
         GROUP BY e.id ORDER BY e.id
        """
    )


def test_two_workers_that_fail_for_the_same_cause_make_one_card(world):
    """Neither waits for the other; the desk is tidied afterwards."""
    one, other = fail(world, "a1"), fail(world, "a2")
    world.until(one, "before commit")
    world.finish(other)
    assert other not in world.stage.actors, "it waits for nobody"
    world.finish(one)
    world.background()
    assert cards(world) == [("new", 2)]


def mend_one_and_fail_one(world):
    """Return who lets a failed record go through, and who fails another one for the same cause."""
    from tests.model.connector import Door

    world.finish(fail(world, "a1"))
    world.background()
    Door.remote.put("Account", "a1", Country="US")
    world.deliver_all()
    mended = world.worker_until("worked")
    return mended, fail(world, "a2")


def fail_while_the_card_closes(world):
    """A record fails for a cause whose last other record has just gone through."""
    mended, failing = mend_one_and_fail_one(world)
    world.until(failing, "before commit")  # it has found the open card, and is on it
    world.finish(mended)
    world.background()  # its processes tidy the desk; nobody fails any more, as far as is committed
    assert cards(world) == [("resolved", 0)]
    world.finish(failing)
    world.background()
    assert cards(world) == [("resolved", 0), ("new", 1)]


def test_a_failure_is_not_lost_on_a_card_that_closes(world):
    """It gets a card of its own."""
    fail_while_the_card_closes(world)


def test_otherwise_it_would_be_lost(world):
    """Nobody would look at a closed card."""
    with world.broken("sync.exception", "_take_back_late_ones", lambda self: None), pytest.raises(AssertionError):
        fail_while_the_card_closes(world)


def test_a_card_stays_open_for_a_failure_that_was_faster(world):
    """It is committed when the desk is tidied."""
    mended, failing = mend_one_and_fail_one(world)
    world.finish(failing)
    world.finish(mended)
    world.background()
    assert cards(world) == [("new", 1)]
