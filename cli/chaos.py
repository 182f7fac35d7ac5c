"""``q2c chaos``: breaks real processes in the private environment and compares the books afterwards."""

from __future__ import annotations

import subprocess

from . import database, odoo, paths
from .console import Failure


def run(arguments: list[str]) -> int:
    """Run ``python -m tests.chaos`` with these arguments; return its exit code."""
    if not (paths.ROOT / "tests" / "chaos" / "__main__.py").is_file():
        raise Failure("There are no chaos scenarios in this checkout (tests/chaos is missing).")
    database.ensure_template()
    command = [str(paths.python()), "-m", "tests.chaos", *arguments]
    return subprocess.run(command, cwd=paths.ROOT, env=odoo.environment(), check=False).returncode
