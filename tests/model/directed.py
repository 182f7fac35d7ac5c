"""One story for each broken engine, told step by step: the shortest way to what it does wrong."""

from __future__ import annotations

from .machine import Story
from .remote import DOWN, LOST_ANSWER
from .stage import Actor


def begin(story: Story) -> None:
    """There is an account at the provider, and Odoo is told."""
    story.once_upon_a_time()
    arrive(story)


def arrive(story: Story, slowly: bool = False) -> None:
    """Have everything delivered that is on its way."""
    while story.remote.deliveries:
        story.webhook_arrives(0, again=False, slowly=slowly)
        story.nothing_is_wrong()


def quiet(story: Story) -> None:
    """Have everything done that is due, now and an hour later."""
    for _time in range(2):
        arrive(story)
        story.a_quiet_hour()
        story.nothing_is_wrong()
        story.time_passes(3600)


def until(story: Story, actor: Actor, at: str, times: int = 1) -> None:
    """Let an actor go on until it has stood at a place so many times."""
    while actor in story.stage.standing():
        times -= actor.at == at
        if not times:
            return
        story.stage.step(actor)
    raise LookupError(f"{actor.name} never stood at: {at}")


def new_worker(story: Story) -> Actor:
    """Have a worker begin, after all wake-ups."""
    story.background(lost=False)
    return story.world.worker()


def older_versions_are_applied(story):
    """A change is applied, then a late webhook leads to a read that does not know it yet."""
    begin(story)
    quiet(story)
    story.account_changes("a1", "US")
    quiet(story)
    story.replica_lags(0)
    quiet(story)


def bindings_are_not_unique(story):
    """A contact brings its account along while the account itself arrives."""
    begin(story)
    story.remote.deliveries.clear()
    story.contact_changes("c1", "a1")
    arrive(story)
    first = new_worker(story)
    until(story, first, "after read")
    second = new_worker(story)
    until(story, second, "after read", times=2)
    story.stage.run_through()
    story.nothing_is_wrong()


def results_are_committed_before_effects(story):
    """The worker dies while it reads."""
    begin(story)
    worker = new_worker(story)
    until(story, worker, "before read")
    story.stage.kill(worker)


def calls_are_not_repeated_under_their_key(story):
    """The answer to a creation is lost."""
    story.once_upon_a_time()
    story.tag_is_edited(0)
    story.remote.faults["push"] = [LOST_ANSWER]
    quiet(story)


def intents_are_committed_with_results(story):
    """The worker dies between the provider's answer and its commit; then the record changes."""
    story.once_upon_a_time()
    story.tag_is_edited(0)
    worker = new_worker(story)
    until(story, worker, "after push")
    story.stage.kill(worker)
    story.tag_is_edited(0)


def unknown_calls_are_not_taken_over(story):
    """The job gives up after lost answers; a person retries it."""
    story.once_upon_a_time()
    story.tag_is_edited(0)
    story.remote.faults["push"] = [LOST_ANSWER] * 50
    for _attempt in range(6):
        quiet(story)


def changes_during_a_wait_are_forgotten(story):
    """A tag is changed while its first call waits to be repeated."""
    story.once_upon_a_time()
    story.tag_is_edited(0)
    story.remote.faults["push"] = [DOWN]
    story.a_quiet_hour()
    story.tag_is_edited(0)


def nobody_recovers(story):
    """The worker dies while it reads."""
    results_are_committed_before_effects(story)


def nobody_watches(story):
    """The process that accepted a webhook dies right after its commit."""
    begin(story)
    story.background(lost=True)


def events_are_taken_in_before_their_jobs(story):
    """The worker that takes a delivery in dies right after that."""
    begin(story)
    worker = new_worker(story)
    until(story, worker, "after commit")
    while story.stage.query("SELECT 1 FROM sync_event WHERE waiting"):
        story.stage.step(worker)
        until(story, worker, "after commit")
    story.stage.kill(worker)


def two_jobs_of_a_record_at_a_time(story):
    """A record changes again while a worker reads it; another worker looks."""
    begin(story)
    until(story, new_worker(story), "before read")
    story.account_changes("a1", "US")
    arrive(story)
    second = new_worker(story)
    while second in story.stage.standing():
        story.stage.step(second)
        story.nothing_is_wrong()
