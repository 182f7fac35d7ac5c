"""The databases of the races, thrown away afterwards, and a stage for each race."""

from __future__ import annotations

import pytest

from tests.model.place import configure, expendable, expendable_queue

#: Name an expendable database to use as it is, instead of a copy of the template.
VARIABLE = "Q2C_RACE_DATABASE"
QUEUE_VARIABLE = "Q2C_RACE_QUEUE_DATABASE"


@pytest.fixture(scope="session")
def place():
    """The world of the races, furnished once."""
    with expendable(VARIABLE, "races") as name:
        configure(name)
        from .world import RaceWorld

        yield RaceWorld(name)


@pytest.fixture(scope="session")
def queue_place():
    """The same with the lanes on the job queue."""
    with expendable_queue(QUEUE_VARIABLE, "queueraces") as name:
        from .queue_world import QueueRaceWorld

        yield QueueRaceWorld(name)


@pytest.fixture
def world(request):
    """The world, swept, with its stage open; a test's parameter may say which one."""
    place = request.getfixturevalue(getattr(request, "param", "place"))
    place.open()
    try:
        yield place
    finally:
        place.close()
