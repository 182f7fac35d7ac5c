"""The vendors' JavaScript clients, for the tests that drive the sandbox with them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from . import markers, paths, shell
from .console import Failure, step, warn

#: Where the tests look for the packages.
VARIABLE = "SANDBOX_NODE_MODULES"

_DECLARATION = paths.ROOT / "tests" / "support" / "package.json"


def ensure() -> Path | None:
    """Install the packages below ``.q2c``; None where that is not possible.

    Without npm, or when it fails, the few tests that need them are skipped; in
    CI a failure is one.
    """
    own = os.environ.get(VARIABLE)
    if own:
        return Path(own)
    if not (shutil.which("npm") and shutil.which("node")):
        return None
    folder = paths.STATE / "node"
    wanted = markers.digest_files([_DECLARATION])
    if not markers.is_current("node", wanted):
        try:
            with step("Installing the vendors' JavaScript clients for the tests"):
                _install(folder)
        except Failure as failure:
            if os.environ.get("CI"):
                raise
            warn(f"{failure.message} The tests that use them will be skipped.")
            return None
        markers.complete("node", wanted)
    return folder / "node_modules"


def _install(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy(_DECLARATION, folder)
    shell.run_logged(
        ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"], "setup",
        "npm could not install them", cwd=folder,
    )
