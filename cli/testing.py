"""``q2c test``: pytest over module tests, end-to-end tests and the sandbox's.

Module tests run inside Odoo (pytest-odoo) on a copy of the template database;
end-to-end tests start servers of their own through ``tests/support`` and mostly wait
for them, so when everything is tested both run side by side.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import database, node, odoo, paths
from .console import Failure, say, warn

BROWSERS = ("google-chrome", "chromium", "chromium-browser", "google-chrome-stable")

#: pytest's options whose value is the next argument, which is no path then.
_WITH_VALUE = {"-k", "-m", "-p", "-o", "-c", "-r", "-W", "-n", "--maxfail", "--durations", "--tb", "--log-level"}

#: pytest's code for "no test was selected".
_NOTHING_SELECTED = 5


#: Where the tests are that start processes of their own.
END_TO_END = "tests"


def module_paths() -> list[str]:
    """Where the tests beside the modules are, and the sandbox's."""
    return _with_tests([*(f"{name}/tests" for name in odoo.suite()), "sandbox/tests"])


def _with_tests(folders: list[str]) -> list[str]:
    return [folder for folder in folders if any((paths.ROOT / folder).glob("**/test_*.py"))]


def browser() -> str | None:
    """The browser that Odoo's tours and ours drive."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)


def run(arguments: list[str]) -> int:
    """Run pytest with ``arguments`` passed through; return its exit code.

    Without a path among them, everything is tested.
    """
    _require_browser()
    database.drop_orphans()
    if names_tests(arguments):
        return _in_odoo([], arguments)
    modules, systems = module_paths(), _with_tests([END_TO_END])
    if not modules or not systems:
        raise Failure("There are no tests in this checkout.")
    # What both need is there before they start.
    database.ensure_template()
    node.ensure()
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    log = paths.LOGS / "module-tests.log"
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(_in_odoo, modules, arguments, log)
        # These have servers of their own: two processes cannot have Odoo's port.
        second = _in_odoo(systems, arguments, http=False)
        codes = [first.result(), second]
    say(f"\nTests beside the modules ({paths.shown(log)}):")
    sys.stdout.write(log.read_text(errors="replace"))
    sys.stdout.flush()
    # That one of them selects nothing is no failure of the whole.
    selected = [code for code in codes if code != _NOTHING_SELECTED]
    return max(selected) if selected else _NOTHING_SELECTED


def _require_browser() -> None:
    """Without a browser its tests are skipped; in CI that would hide them."""
    if browser():
        return
    fix = "As root: apt-get install chromium"
    if os.environ.get("CI"):
        raise Failure("The browser tests need Chromium, which is not installed.", fix)
    warn(f"Chromium is not installed; the browser tests will be skipped. {fix}")


def _in_odoo(targets: list[str], arguments: list[str], log: Path | None = None, http: bool = True) -> int:
    """Run pytest inside Odoo, on a database of its own; return its exit code.

    :param http: whether this Odoo answers requests
    """
    name = database.copy_name("modules" if http else "systems")
    database.copy_template(name)
    try:
        return _pytest([
            # pyproject.toml keeps the plug-in out of runs without a database.
            "-p", "pytest_odoo", f"--odoo-database={name}", *(["--odoo-http"] if http else []),
            f"--odoo-addons-path={odoo.addons_path()}",
            f"--odoo-extra=data-dir={paths.DATA}", "--odoo-extra=http-interface=127.0.0.1",
            f"--odoo-extra=db-filter=^{name}$", "--odoo-extra=max-cron-threads=0",
            # Odoo would limit the memory of this process and of all that tests start: no browser runs in that.
            "--odoo-extra=limit-memory-hard=0",
            f"--odoo-extra=screenshots={paths.STATE / 'screenshots'}",
            *targets, *arguments,
        ], log)
    finally:
        database.drop(name)


def _pytest(arguments: list[str], log: Path | None = None) -> int:
    """Run pytest; return its exit code.

    :param log: where its output goes, instead of to the screen
    """
    env = odoo.environment()
    packages = node.ensure()
    if packages:
        env[node.VARIABLE] = str(packages)
        env["PATH"] = f"{packages / '.bin'}{os.pathsep}{env['PATH']}"
    command = [str(paths.python()), "-m", "pytest", *arguments]
    with contextlib.ExitStack() as stack:
        output = stack.enter_context(log.open("w")) if log else None
        code = subprocess.run(command, cwd=paths.ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output,
                              stderr=subprocess.STDOUT if log else None, check=False).returncode
    if code == _NOTHING_SELECTED and not log:
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
