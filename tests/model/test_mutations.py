"""The model test finds every engine that is broken on purpose (with ``HYPOTHESIS_PROFILE=long``)."""

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
    "deliveries_are_worked_on_later",
    "two_jobs_of_a_record_at_a_time",
)


@pytest.mark.timeout(0)
@pytest.mark.skipif(profiles.name() != "long", reason="takes minutes each: HYPOTHESIS_PROFILE=long")
@pytest.mark.parametrize("name", NAMES)
def test_a_broken_engine_is_found(world, name):
    """A story exists in which this engine does wrong, and it is among the first that are told."""
    from .machine import Story
    from .mutations import MUTATIONS

    with MUTATIONS[name](world), pytest.raises((AssertionError, FlakyFailure)) as found:
        run_state_machine_as_test(lambda: Story(world), settings=profiles.SEARCH)
    # A story whose end depends on a hair may end well when it is told again.
    wrong = found.value.exceptions[0] if isinstance(found.value, FlakyFailure) else found.value
    assert isinstance(wrong, AssertionError), wrong
    assert "unexpected" not in str(wrong), f"this mutation only breaks down: {wrong}"
    print(f"{name}: {str(wrong).splitlines()[0]}")


def test_every_mutation_is_tried():
    """None of them is forgotten here."""
    from .mutations import MUTATIONS

    assert set(NAMES) == set(MUTATIONS)
