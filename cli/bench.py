"""``q2c bench``: runs the benchmarks of ``tests/bench`` in the private environment."""

from __future__ import annotations

import subprocess

from . import database, odoo, paths
from .console import Failure


def run(names: list[str], json_file: str | None = None, extra: list[str] | None = None) -> int:
    """Run the benches named (all when none is); return their exit code.

    :param json_file: also write the results there
    """
    if not (paths.ROOT / "tests" / "bench" / "__main__.py").is_file():
        raise Failure("There are no benchmarks in this checkout (tests/bench is missing).")
    database.ensure_template()
    command = [str(paths.python()), "-m", "tests.bench", *names, *(extra or [])]
    if json_file:
        command += ["--json", json_file]
    return subprocess.run(command, cwd=paths.ROOT, env=odoo.environment(), check=False).returncode
