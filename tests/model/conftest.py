"""The world of the model test: a database of its own, thrown away afterwards."""

from __future__ import annotations

import os
import threading

import pytest

from cli import database, odoo

#: Names an expendable database to use as it is, instead of a copy of the template.
VARIABLE = "Q2C_MODEL_DATABASE"


@pytest.fixture(scope="session")
def world():
    """A `World` for all stories of the session."""
    name = os.environ.get(VARIABLE)
    if name:
        yield _world(name)
        return
    name = database.copy_name("model")
    database.copy_template(name)
    try:
        yield _world(name)
    finally:
        from odoo.modules.registry import Registry
        from odoo.sql_db import close_db

        Registry.delete(name)
        close_db(name)
        database.drop(name)


def _world(name: str):
    from odoo.tools import config

    if not config["addons_path"] or not config["db_name"]:
        # Without pytest-odoo nobody has told Odoo where its modules are.
        config.parse_config(["--config=/dev/null", *odoo.options(name), "--no-http", "--log-level=critical"])
    threading.current_thread().testing = True
    from .world import World

    return World(name)
