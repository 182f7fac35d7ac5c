"""Every scenario in a short form; ``./q2c chaos`` runs long ones."""

from __future__ import annotations

import pytest

from tests.chaos.scenarios import SCENARIOS
from tests.chaos.world import Ground, World

#: Of each scenario; enough for every kind of record, few enough for a coffee break in all.
RECORDS = 24
SEED = 1

#: What differs when workers are processes of their own.
WITH_PROCESSES = ("killed-workers", "database-restarted", "poison")
#: What differs when another runner than Odoo's own runs the lanes.
WITH_QUEUE = ("killed-workers", "lost-host")
WITH_THREADS = tuple(name for name in SCENARIOS if name not in ("killed-workers", "poison"))


@pytest.fixture(scope="module")
def ground():
    """The database server and template of both worlds."""
    with Ground() as ground:
        yield ground


@pytest.fixture(scope="module")
def threads(ground, tmp_path_factory):
    """A world whose Odoo runs everything in threads of one process, everything arrived."""
    with World(ground, tmp_path_factory.mktemp("threads"), seed=SEED) as world:
        world.begin()
        world.settle(90.0)
        world.assert_log()
        yield world


@pytest.fixture(scope="module")
def processes(ground, tmp_path_factory):
    """A world whose Odoo has worker processes, everything arrived."""
    with World(ground, tmp_path_factory.mktemp("processes"), workers=2, seed=SEED) as world:
        world.begin()
        world.settle(90.0)
        world.assert_log()
        yield world


@pytest.fixture(scope="module")
def queue(ground, tmp_path_factory):
    """A world whose lanes run on OCA's job queue, everything arrived."""
    with World(ground, tmp_path_factory.mktemp("queue"), seed=SEED, queue=True) as world:
        world.begin()
        world.settle(90.0)
        world.assert_log()
        yield world
        runs = world.sql("SELECT count(*) FROM queue_job WHERE channel = 'root.crm_sync' AND state = 'done'")
        assert runs[0][0] > 10, "the job queue ran no lanes"


@pytest.mark.parametrize("name", WITH_THREADS)
def test_threads(threads, name):
    SCENARIOS[name](threads, RECORDS)


@pytest.mark.parametrize("name", WITH_PROCESSES)
def test_processes(processes, name):
    SCENARIOS[name](processes, RECORDS)


@pytest.mark.parametrize("name", WITH_QUEUE)
def test_queue(queue, name):
    SCENARIOS[name](queue, RECORDS)
