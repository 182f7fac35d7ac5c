"""The worlds of the model test: databases of their own, thrown away afterwards."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli import database, extras, odoo, shell

#: Names an expendable database to use as it is, instead of a copy of the template.
VARIABLE = "Q2C_MODEL_DATABASE"
QUEUE_VARIABLE = "Q2C_MODEL_QUEUE_DATABASE"


@pytest.fixture(scope="session")
def world():
    """A world whose lanes are scheduled actions."""
    with _database(VARIABLE, "model") as name:
        _configure(name)
        from .world import World

        yield World(name)


@pytest.fixture(scope="session")
def queue_world():
    """A world whose lanes run on OCA's job queue."""
    folder = extras.ensure()
    with _database(QUEUE_VARIABLE, "queue", lambda name: _install_queue(name, folder)) as name:
        _configure(name, folder)
        from .queue_world import QueueWorld

        yield QueueWorld(name)


@contextmanager
def _database(variable: str, number: str, prepare=None) -> Iterator[str]:
    """Yield the name of the database that the environment names, or of a fresh copy."""
    if own := os.environ.get(variable):
        yield own
        return
    name = database.copy_name(number)
    try:
        database.copy_template(name)
        if prepare:
            prepare(name)
        yield name
    finally:
        _forget(name)
        database.drop(name)


def _install_queue(name: str, folder: Path) -> None:
    """Install the job queue; the module that glues it to the engine comes by itself."""
    env = {**odoo.environment(), "PYTHONPATH": str(folder)}
    options = [*odoo.options(name), f"--addons-path={odoo.addons_path()},{extras.addons(folder)}"]
    line = odoo.command("server", [*options, "--init=queue_job", "--stop-after-init", "--no-http"])
    shell.run_logged(line, "install", "The job queue could not be installed", env=env)


def _configure(name: str, *folders: Path) -> None:
    """Tell Odoo where its modules are, in this process."""
    import odoo.addons as addons
    from odoo.tools import config

    if not config["db_name"]:
        # Without pytest-odoo nobody has told it anything.
        config.parse_config(["--config=/dev/null", *odoo.options(name), "--no-http", "--log-level=critical"])
    for folder in folders:
        sys.path.append(str(folder))
        addons.__path__.append(str(extras.addons(folder)))
    threading.current_thread().testing = True


def _forget(name: str) -> None:
    from odoo.modules.registry import Registry
    from odoo.sql_db import close_db

    Registry.delete(name)
    close_db(name)
