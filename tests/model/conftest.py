"""The worlds of the model test: databases of their own, thrown away afterwards."""

from __future__ import annotations

import pytest

from .place import configure, expendable, expendable_queue

#: Names an expendable database to use as it is, instead of a copy of the template.
VARIABLE = "Q2C_MODEL_DATABASE"
QUEUE_VARIABLE = "Q2C_MODEL_QUEUE_DATABASE"


@pytest.fixture(scope="session")
def world():
    """A world whose lanes are scheduled actions."""
    with expendable(VARIABLE, "model") as name:
        configure(name)
        from .world import World

        yield World(name)


@pytest.fixture(scope="session")
def queue_world():
    """A world whose lanes run on OCA's job queue."""
    with expendable_queue(QUEUE_VARIABLE, "queue") as name:
        from .queue_world import QueueWorld

        yield QueueWorld(name)
