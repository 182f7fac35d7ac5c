"""``q2c test``: one pytest run over module tests, end-to-end tests and the sandbox's.

Module tests run inside Odoo (pytest-odoo) on a copy of the template database;
end-to-end tests start servers of their own through ``tests/support``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from . import database, node, odoo, paths
from .console import Failure, say, warn

BROWSERS = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")

#: pytest's options whose value is the next argument, which is no path then.
_WITH_VALUE = {"-k", "-m", "-p", "-o", "-c", "-r", "-W", "-n", "--maxfail", "--durations", "--tb", "--log-level"}

#: pytest's code for "no test was selected".
_NOTHING_SELECTED = 5


def default_paths() -> list[str]:
    """Where tests are: beside the modules, in ``tests`` and in the sandbox."""
    candidates = [f"{name}/tests" for name in odoo.suite()] + ["tests", "sandbox/tests"]
    return [path for path in candidates if any((paths.ROOT / path).glob("**/test_*.py"))]


def browser() -> str | None:
    """The browser that Odoo's tours and ours drive."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def run(arguments: list[str]) -> int:
    """Run pytest with ``arguments`` passed through; return its exit code.

    Without a path among them, everything is tested.
    """
    _require_browser()
    database.drop_orphans()
    name = database.copy_name("modules")
    database.copy_template(name)
    try:
        return _pytest(name, arguments)
    finally:
        database.drop(name)


def _require_browser() -> None:
    """Without a browser its tests are skipped; in CI that would hide them."""
    if browser():
        return
    fix = "As root: apt-get install chromium"
    if os.environ.get("CI"):
        raise Failure("The browser tests need Chromium, which is not installed.", fix)
    warn(f"Chromium is not installed; the browser tests will be skipped. {fix}")


def _pytest(name: str, arguments: list[str]) -> int:
    targets = [] if names_tests(arguments) else default_paths()
    if not targets and not arguments:
        raise Failure("There are no tests in this checkout.")
    command = [
        str(paths.python()), "-m", "pytest",
        # pyproject.toml keeps the plug-in out of runs without a database.
        "-p", "pytest_odoo", f"--odoo-database={name}", "--odoo-http",
        f"--odoo-addons-path={odoo.addons_path()}",
        f"--odoo-extra=data-dir={paths.DATA}", "--odoo-extra=http-interface=127.0.0.1",
        f"--odoo-extra=db-filter=^{name}$", "--odoo-extra=max-cron-threads=0",
        # Odoo would limit the memory of this process and of all that tests start: no browser runs in that.
        "--odoo-extra=limit-memory-hard=0",
        f"--odoo-extra=screenshots={paths.STATE / 'screenshots'}",
        *targets, *arguments,
    ]
    env = odoo.environment()
    packages = node.ensure()
    if packages:
        env[node.VARIABLE] = str(packages)
        env["PATH"] = f"{packages / '.bin'}{os.pathsep}{env['PATH']}"
    code = subprocess.run(command, cwd=paths.ROOT, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    if code == _NOTHING_SELECTED:
        say("No test matched.")
    return code


def names_tests(arguments: list[str]) -> bool:
    """Whether pytest arguments select tests by file, folder or node id."""
    previous = ""
    for argument in arguments:
        is_value = argument.startswith("-") or previous in _WITH_VALUE
        if not is_value and Path(paths.ROOT, argument.split("::")[0]).exists():
            return True
        previous = argument
    return False
