"""What we are measured against, kept apart from the environment that we run in."""

from __future__ import annotations

import subprocess
from pathlib import Path

from cli import markers, paths
from cli.console import Failure, step

REQUIREMENTS = paths.ROOT / "requirements-bench.txt"
FOLDER = paths.STATE / "peers"


def ensure() -> Path:
    """Download the peers once; return their folder of addons.

    :raise Failure: when they cannot be had
    """
    wanted = markers.digest_files([REQUIREMENTS])
    if not markers.is_current("peers", wanted):
        with step("Downloading what the benches are compared with"):
            command = [str(paths.python()), "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade",
                       "--target", str(FOLDER), "--requirement", str(REQUIREMENTS)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Failure(f"pip could not download {REQUIREMENTS.name}:\n{done.stderr[-2000:]}")
            markers.complete("peers", wanted)
    return FOLDER / "odoo" / "addons"
