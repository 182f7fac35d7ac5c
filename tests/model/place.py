"""Where plays take place: expendable databases, and Odoo in this process."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import database, extras, odoo
from tests.support import job_queue


@contextmanager
def expendable(variable: str, number: str, prepare: Callable[[str], None] | None = None) -> Iterator[str]:
    """Yield the name of a fresh copy of the template, thrown away afterwards.

    :param variable: of the environment; may name an expendable database to use as it is.
    :param number: tells the copy from others of this process.
    :param prepare: called with the name of a fresh copy.
    """
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
        forget(name)
        database.drop(name)


@contextmanager
def expendable_queue(variable: str, number: str) -> Iterator[str]:
    """Yield the name of such a copy with the job queue installed, which this process knows, too."""
    folder = extras.ensure()
    with expendable(variable, number, job_queue.install) as name:
        configure(name, folder)
        yield name


def configure(name: str, *folders: Path) -> None:
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


def forget(name: str) -> None:
    """Let go of a database that is about to be dropped."""
    from odoo.modules.registry import Registry
    from odoo.sql_db import close_db

    Registry.delete(name)
    close_db(name)
