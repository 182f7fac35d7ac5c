"""Webhooks that arrive while lanes take in what arrived before."""

from __future__ import annotations


def announced(world, *external_ids):
    """Have accounts change at the provider; return the deliveries that tell of it."""
    from tests.model.connector import Door

    for external_id in external_ids:
        Door.remote.put("Account", external_id, Name=f"Zeppelin {external_id}", Email=f"{external_id}@zeppelin.example")
    found, Door.remote.deliveries[:] = list(Door.remote.deliveries), []
    return found


def reads():
    """Return how often records were read at the provider."""
    from tests.model.connector import Door

    return Door.remote.calls["read"]


def test_what_one_lane_takes_in_another_passes_over(world):
    """Neither waits for the other, and each event leads to its job once."""
    first, second = announced(world, "a1", "a2")
    world.deliver(first, stops=False)
    one = world.worker_until("claimed")
    world.deliver(second, stops=False)
    other = world.worker_until("claimed")
    assert world.one("SELECT count(*) FROM sync_event WHERE waiting") == 2, "neither has committed"
    world.finish(other)
    world.finish(one)
    assert world.stage.query("SELECT external_id, state FROM sync_job WHERE kind = 'record' ORDER BY 1") == [
        ("a1", "done"), ("a2", "done")]
    assert reads() == 2


def test_a_repetition_of_what_is_being_taken_in_is_counted(world):
    """Whoever delivers it waits until it is taken in; then it is known."""
    [delivery] = announced(world, "a1")
    world.deliver(delivery, stops=False)
    worker = world.worker_until("claimed")
    again = world.deliver(delivery, stops=False)
    assert again in world.stage.actors, "it waits"
    world.finish(worker)
    world.stage.run_through()
    world.work()
    assert world.stage.query("SELECT delivery_count, duplicate_count, waiting FROM sync_event") == [(2, 1, None)]
    assert world.one("SELECT count(*) FROM sync_job WHERE kind = 'record'") == 1


def test_the_same_delivery_twice_at_the_same_moment(world):
    """The second waits for the first, and is a repetition of it."""
    [delivery] = announced(world, "a1")
    first = world.deliver(delivery, stops=True)
    assert first.at == "before commit"
    second = world.deliver(delivery, stops=False)
    assert second in world.stage.actors, "it waits"
    world.finish(first)
    world.stage.run_through()
    world.work()
    assert world.stage.query("SELECT delivery_count, duplicate_count FROM sync_event") == [(2, 1)]
    assert world.one("SELECT count(*) FROM sync_job WHERE kind = 'record'") == 1


def test_a_change_that_is_announced_while_it_is_read_is_read_again(world):
    """Its event waits until the record is free."""
    from tests.model.connector import Door

    [delivery] = announced(world, "a1")
    world.deliver(delivery, stops=False)
    worker = world.worker_until("after read")
    [news] = announced(world, "a1")
    Door.remote.put("Account", "a1", Name="Zeppelin & Sons", Email="a1@zeppelin.example")
    world.deliver(news, stops=False)
    world.finish(worker)
    world.work()
    assert world.one("SELECT name FROM res_partner WHERE email = 'a1@zeppelin.example'") == "Zeppelin & Sons"
    assert world.stage.query("SELECT state FROM sync_job WHERE kind = 'record'") == [("done",), ("done",)]
