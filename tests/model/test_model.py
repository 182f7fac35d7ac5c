"""The model test: see `machine`; how many stories are told says `profiles`.

A story that fails is printed, shortest first. ``MODEL_STORY=<blob>`` tells the one again
that the last line of the failure names, ``Q2C_MODEL_DATABASE`` uses an expendable database
that is there already instead of a fresh copy of the template.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import __version__, reproduce_failure
from hypothesis.stateful import run_state_machine_as_test

from . import profiles


@pytest.mark.timeout(600 if profiles.name() == "ci" else 0)
@pytest.mark.parametrize("runner", ["world", "queue_world"])
def test_nothing_lost_nothing_twice_nothing_stuck(request, runner):
    """Whatever happens in whatever order, in the end both sides are equal and the way there was clean."""
    from .machine import Story

    world = request.getfixturevalue(runner)

    def story():
        return Story(world)

    blob = os.environ.get("MODEL_STORY")
    if blob:
        story = reproduce_failure(__version__, blob.encode())(story)
    run_state_machine_as_test(story, settings=profiles.chosen())
