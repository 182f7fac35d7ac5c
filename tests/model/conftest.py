"""The worlds of the model test: databases of their own, thrown away afterwards."""

from __future__ import annotations

import pytest

from cli import extras
from tests.support import job_queue

from .place import configure, expendable

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
    folder = extras.ensure()
    with expendable(QUEUE_VARIABLE, "queue", job_queue.install) as name:
        configure(name, folder)
        from .queue_world import QueueWorld

        yield QueueWorld(name)
