"""Third-party Odoo addons that only some tests need: OCA's job queue.

They lie in a folder of their own that is on nobody's path, so that every other database
is built and tested without them, as most sites run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import markers, paths, shell
from .console import step

REQUIREMENTS = "requirements-queue-job.txt"


def ensure() -> Path:
    """Install them unless they are there; return the folder to put on Python's path.

    :raise Failure: when pip cannot get them
    """
    folder = paths.STATE / "extras"
    wanted = markers.digest_files([paths.ROOT / REQUIREMENTS])
    if not markers.is_current("extras", wanted):
        with step("Installing OCA's job queue for its tests"):
            _install(folder)
        markers.complete("extras", wanted)
    return folder


def addons(folder: Path) -> Path:
    """The folder of addons in what `ensure` returned."""
    return folder / "odoo" / "addons"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    shell.run_logged(
        # Without dependencies: they are Odoo itself and what the environment holds.
        [paths.python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps",
         "--retries", "5", "--target", folder, "-r", paths.ROOT / REQUIREMENTS],
        "setup", "OCA's job queue could not be installed", env={**os.environ, "PYTHONNOUSERSITE": "1"},
    )
