"""The worlds of the model test: databases of their own, thrown away afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import extras, odoo, shell

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
    with expendable(QUEUE_VARIABLE, "queue", lambda name: _install_queue(name, folder)) as name:
        configure(name, folder)
        from .queue_world import QueueWorld

        yield QueueWorld(name)


def _install_queue(name: str, folder: Path) -> None:
    """Install the job queue; the module that glues it to the engine comes by itself."""
    env = {**odoo.environment(), "PYTHONPATH": str(folder)}
    options = [*odoo.options(name), f"--addons-path={odoo.addons_path()},{extras.addons(folder)}"]
    line = odoo.command("server", [*options, "--init=queue_job", "--stop-after-init", "--no-http"])
    shell.run_logged(line, "install", "The job queue could not be installed", env=env)
