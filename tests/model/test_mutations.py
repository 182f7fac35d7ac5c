"""The model test finds every engine that is broken on purpose, and nothing wrong with the real one."""

from __future__ import annotations

import pytest
from hypothesis.errors import FlakyFailure
from hypothesis.stateful import run_state_machine_as_test

from . import profiles

NAMES = (
    "older_versions_are_applied",
    "bindings_are_not_unique",
    "results_are_committed_before_effects",
    "calls_are_not_repeated_under_their_key",
    "intents_are_committed_with_results",
    "unknown_calls_are_not_taken_over",
    "changes_during_a_wait_are_forgotten",
    "nobody_recovers",
    "nobody_watches",
    "events_are_taken_in_before_their_jobs",
    "two_jobs_of_a_record_at_a_time",
)


def tell(world, name):
    """Tell the story that one broken engine does not survive, to its end."""
    from . import directed
    from .machine import Story

    story = Story(world)
    try:
        getattr(directed, name)(story)
        story.nothing_is_wrong()
    except BaseException:
        story.spoilt = True
        raise
    finally:
        story.teardown()


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_engine_does_not_survive_its_story(world, name):
    """What it does wrong is seen."""
    from .mutations import MUTATIONS

    with MUTATIONS[name](world), pytest.raises(AssertionError) as found:
        tell(world, name)
    assert "unexpected" not in str(found.value), "this mutation only breaks down"
    print(f"{name}: {str(found.value).splitlines()[0]}")


@pytest.mark.parametrize("name", NAMES)
def test_the_real_engine_survives_them_all(world, name):
    """The stories themselves are harmless."""
    tell(world, name)


@pytest.mark.timeout(0)
@pytest.mark.skipif(profiles.name() != "long", reason="takes many minutes each: HYPOTHESIS_PROFILE=long")
@pytest.mark.parametrize("name", NAMES)
def test_random_stories_find_it(world, name):
    """Such a story is among the first hundreds that are made up."""
    from .machine import Story
    from .mutations import MUTATIONS

    with MUTATIONS[name](world), pytest.raises((AssertionError, FlakyFailure)) as found:
        run_state_machine_as_test(lambda: Story(world), settings=profiles.SEARCH)
    # A story whose end depends on a hair may end well when it is told again.
    wrong = found.value.exceptions[0] if isinstance(found.value, FlakyFailure) else found.value
    assert isinstance(wrong, AssertionError), wrong
    assert "unexpected" not in str(wrong), f"this mutation only breaks down: {wrong}"


def test_every_mutation_is_tried():
    """None of them is forgotten here."""
    from .mutations import MUTATIONS

    assert set(NAMES) == set(MUTATIONS)
