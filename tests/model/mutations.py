"""Engines that are broken on purpose: a model test that finds nothing wrong with them proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from .world import World

#: name → context manager that breaks the engine of a world
MUTATIONS = {}


def mutation(function):
    """Register a way to break the engine."""
    MUTATIONS[function.__name__] = contextmanager(function)
    return function


def _method(world: World, model: str, name: str, replacement):
    """Replace a method; the replacement gets the original as its first argument."""
    cls = world.registry[model]
    original = getattr(cls, name)

    def mutant(self, *args, **kwargs):
        return replacement(original, self, *args, **kwargs)

    return patch.object(cls, name, mutant)


@contextmanager
def _without_index(world: World, index: str) -> Iterator[None]:
    with world.registry.cursor() as cr:
        cr.execute("SELECT indexdef FROM pg_indexes WHERE indexname = %s", [index])
        (definition,) = cr.fetchone()
        cr.execute(f'DROP INDEX "{index}"')  # pylint: disable=sql-injection
    try:
        yield
    finally:
        world.open()
        world.close()
        with world.registry.cursor() as cr:
            cr.execute(definition)  # pylint: disable=sql-injection


@mutation
def older_versions_are_applied(world):
    """A document that is older than what is known is written all the same."""

    def screen(original, self, flow, unit, *args, **kwargs):
        original(self, flow, unit, *args, **kwargs)
        if unit.summary and unit.summary.startswith("Older"):
            unit.summary = ""

    with _method(world, "sync.handler.inbound", "_screen", screen):
        yield


@mutation
def bindings_are_not_unique(world):
    """Nothing keeps a remote record from being bound twice, nor its customer from being created twice."""

    def claim(original, self, model, company, identities):
        return None

    with _without_index(world, "sync_binding_remote_unique"), _method(world, "sync.match.guard", "_claim", claim):
        yield


@mutation
def results_are_committed_before_effects(world):
    """A job is done before its effect is committed."""

    def run(original, self, flow, jobs):
        self.env.cr.execute("UPDATE sync_job SET state = 'done' WHERE id = ANY(%s)", [jobs.ids])
        self.env.cr.commit()  # pylint: disable=invalid-commit
        return original(self, flow, jobs)

    with _method(world, "sync.handler.inbound", "_run", run):
        yield


@mutation
def calls_are_not_repeated_under_their_key(world):
    """Every attempt is a new call."""

    def intents(original, self, flow, jobs, outcomes):
        jobs.write({"intent": False, "intent_at": "2000-01-01"})
        return original(self, flow, jobs, outcomes)

    with _method(world, "sync.handler.outbound", "_intents", intents):
        yield


@mutation
def intents_are_committed_with_results(world):
    """What is about to be called is not written down before the call."""

    def run(original, self, flow, jobs):
        with _method(world, "sync.lane", "_commit", lambda original, lane: None):
            return original(self, flow, jobs)

    with _method(world, "sync.handler.outbound", "_run", run):
        yield


@mutation
def unknown_calls_are_not_taken_over(world):
    """A later job knows nothing of the unfinished call of an earlier one."""
    with _method(world, "sync.handler.outbound", "_take_over", lambda original, self, jobs: None):
        yield


@mutation
def changes_during_a_wait_are_forgotten(world):
    """What changed while a call waited to be repeated is not sent after it."""

    def look(original, self, flow, job, outcome):
        return outcome

    with _method(world, "sync.handler.outbound", "_look_again", look):
        yield


@mutation
def nobody_recovers(world):
    """What a dead worker had claimed stays claimed."""
    with _method(world, "sync.job", "_recover", lambda original, self, lane: 0):
        yield


@mutation
def nobody_watches(world):
    """A wake-up that is lost with its process is lost."""
    with _method(world, "sync.watchdog", "_arm", lambda original, self, moment=None: None):
        yield


@mutation
def events_are_taken_in_before_their_jobs(world):
    """Events do not wait any more in one transaction, their jobs are enqueued in the next."""

    def enqueue(original, self, connection, notes):
        def later():
            with self.env.registry.cursor() as cr:
                jobs = self.with_env(self.env(cr=cr))
                original(jobs, connection.with_env(jobs.env), notes)

        self.env.cr.postcommit.add(later)
        return [None] * len(notes)

    with _method(world, "sync.job", "_enqueue_notifications", enqueue):
        yield


@mutation
def two_jobs_of_a_record_at_a_time(world):
    """Neither the claim nor the database keeps two lanes from one record."""
    cls = world.registry["sync.job"]
    runnable = cls._RUNNABLE
    start = runnable.index("AND NOT COALESCE((SELECT bool_or(r.state = 'running')")
    end = runnable.index("AND (j.depends_on_id", start)
    changes = {
        name: getattr(cls, name).replace(runnable[start:end], "") for name in ("_SQL_MOST_URGENT", "_SQL_CANDIDATES")
    }
    with _without_index(world, "sync_job_one_running"), patch.multiple(cls, **changes):
        yield
