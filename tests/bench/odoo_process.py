"""Runs one function in an Odoo process of its own, without a server around it.

The parent calls `call`; the child is this module as a script: it loads Odoo the way its
server does, runs the function with an environment of the superuser, and writes what it
returns as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from cli import odoo, paths
from cli.console import Failure

SECONDS = 3600  # a measurement that takes longer hangs


def call(database: str, function: str, folder: Path, addons_path: str = "", **arguments: Any) -> Any:
    """Return what ``tests.bench.<module>:<name>`` returns in a fresh Odoo process.

    :param function: called with ``env`` and the arguments, which must be JSON
    :param folder: for the log and the answer
    :param addons_path: instead of the suite's own
    :raise Failure: when the process fails; shows the end of its log
    """
    answer, log = folder / "answer.json", folder / "odoo.log"
    answer.unlink(missing_ok=True)
    command = [str(paths.python()), "-m", __name__, database, function, str(answer), addons_path or odoo.addons_path()]
    with log.open("ab") as output:
        process = subprocess.run(
            command, input=json.dumps(arguments).encode(), stdout=output, stderr=output, cwd=paths.ROOT,
            env=odoo.environment(), timeout=SECONDS, check=False,
        )
    if process.returncode or not answer.exists():
        raise Failure(f"{function} failed:\n{log.read_text(errors='replace')[-4000:]}")
    return json.loads(answer.read_text())


def main(database: str, function: str, answer: str, addons_path: str) -> None:
    """The child: see `call`."""
    arguments = json.load(sys.stdin)
    from odoo import SUPERUSER_ID, api
    from odoo.modules.registry import Registry
    from odoo.tools import config

    config.parse_config(
        ["--config=/dev/null", *odoo.options(database), f"--addons-path={addons_path}", "--no-http",
         "--max-cron-threads=0", "--log-level=warn"],
        setup_logging=True,
    )
    module, _colon, name = function.partition(":")
    with Registry(database).cursor() as cr:
        result = getattr(import_module(module), name)(api.Environment(cr, SUPERUSER_ID, {}), **arguments)
    Path(answer).write_text(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
