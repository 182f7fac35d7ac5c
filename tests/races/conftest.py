"""The database of the races, thrown away afterwards, and a stage for each of them."""

from __future__ import annotations

import pytest

from tests.model.place import configure, expendable

#: Names an expendable database to use as it is, instead of a copy of the template.
VARIABLE = "Q2C_RACE_DATABASE"


@pytest.fixture(scope="session")
def place():
    """The world of the races, furnished once."""
    with expendable(VARIABLE, "races") as name:
        configure(name)
        from .world import RaceWorld

        yield RaceWorld(name)


@pytest.fixture
def world(place):
    """The world, swept, with its stage open."""
    place.open()
    try:
        yield place
    finally:
        place.close()
