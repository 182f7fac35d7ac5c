"""``q2c doctor``: looks at everything q2c depends on; each failed check says its fix."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import apt, database, network, odoo, odoo_source, paths, postgres, services, shell, testing, venv
from .console import Failure, say


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    :param level: ``ok``, ``note`` (works, but worth knowing) or ``bad``
    """

    level: str
    text: str
    fix: str = ""


def run() -> int:
    """Print all findings; return 1 when one is bad."""
    # Several checks may meet the same obstacle: it is told once.
    findings = list(dict.fromkeys(finding for check in CHECKS for finding in _safely(check)))
    for finding in findings:
        say(f"{_MARKS[finding.level]} {finding.text}")
        if finding.fix and finding.level != "ok":
            say(f"       fix: {finding.fix}")
    bad = sum(finding.level == "bad" for finding in findings)
    say(f"\n{bad} of {len(findings)} checks failed." if bad else f"\nAll {len(findings)} checks passed.")
    return int(bool(bad))


_MARKS = {"ok": "[ ok ]", "note": "[note]", "bad": "[BAD ]"}


def _safely(check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    """Findings of a check; a failure inside it is a finding, too."""
    try:
        return list(check())
    except Failure as failure:
        return [Finding("bad", failure.message, failure.fix)]


def check_python() -> Iterator[Finding]:
    """Python's version, and whether it can make virtual environments."""
    version = platform.python_version()
    if (3, 10) <= sys.version_info[:2] <= (3, 13):
        yield Finding("ok", f"Python {version}")
    else:
        yield Finding("bad", f"Python {version} runs q2c; Odoo 19 wants 3.10 to 3.13.",
                      "Run q2c with another one, for example: python3.12 ./q2c run")
    if not venv.can_make_environments():
        yield Finding("bad", "This Python has no venv module.", venv.INSTALL_VENV)
    elif not venv.has_pip():
        yield Finding("note", "This Python brings no pip; setup will fetch it with apt.", venv.INSTALL_VENV)
    else:
        yield Finding("ok", "Python can make virtual environments")


def check_disk() -> Iterator[Finding]:
    """Free space where the environment is built."""
    folder = next(f for f in (paths.STATE, *paths.STATE.parents) if f.exists())
    free = shutil.disk_usage(folder).free / 1e9
    needed = 1.0 if paths.ODOO.exists() else 5.0
    level = "ok" if free >= needed else "bad"
    yield Finding(level, f"{free:.1f} GB free in {folder} ({needed:.0f} GB needed)",
                  "Free some space, or set Q2C_STATE to a folder on a larger disk.")
    if not os.access(folder, os.W_OK):
        yield Finding("bad", f"{folder} cannot be written by this user.",
                      "Run q2c as the owner of the checkout, or set Q2C_STATE to another folder.")


def check_odoo() -> Iterator[Finding]:
    """Odoo's source, or the means to get it."""
    if os.environ.get("Q2C_ODOO") or paths.ODOO.exists():
        yield Finding("ok", f"Odoo 19 in {odoo_source.locate().path}")
        return
    missing = [name for name in ("apt-get", "dpkg-deb") if not shutil.which(name)]
    if missing:
        yield Finding("bad", f"{' and '.join(missing)} not found: this is no Debian or Ubuntu.", odoo_source.OWN_TREE)
    elif apt.known_debian_mirror() is None:
        yield Finding("note", "apt has no index of a Debian repository yet; setup will ask the mirror.",
                      odoo_source.OWN_TREE)
    else:
        yield Finding("ok", "apt knows a Debian mirror to get Odoo 19 from")


def check_environment() -> Iterator[Finding]:
    """The private virtual environment."""
    if not paths.python().exists():
        yield Finding("note", "The environment is not built yet.", "./q2c setup")
        return
    program = "import odoo.release, psycopg2, lxml, zeep; print(odoo.release.version)"
    probe = shell.capture([paths.python(), "-c", program])
    if probe.returncode:
        yield Finding("bad", f"The environment is incomplete: {(probe.stderr.strip().splitlines() or ['?'])[-1]}",
                      f"Run ./q2c setup; if that does not help, remove {paths.shown(paths.VENV)} first.")
    else:
        yield Finding("ok", f"The environment imports Odoo {probe.stdout.strip()}")


def check_database() -> Iterator[Finding]:
    """The PostgreSQL server and the databases."""
    if postgres.is_external():
        postgres.ensure()
        yield Finding("ok", "The PostgreSQL named by PGHOST… answers and lets us create databases")
    elif not postgres.is_installed():
        yield Finding("note", "The embedded PostgreSQL comes with the environment.", "./q2c setup")
        return
    elif not postgres.is_running():
        yield Finding("note", "The embedded PostgreSQL does not run.",
                      "./q2c run starts it; its log: ./q2c logs postgres")
        return
    else:
        yield Finding("ok", "The embedded PostgreSQL answers")
    if database.exists(database.DEMO):
        current = database.recipe(database.DEMO) is not None
        text = f"Database {database.DEMO} {'is there' if current else 'is half-built'}"
        yield Finding("ok" if current else "bad", text, "./q2c reset, then ./q2c run")


def check_ports() -> Iterator[Finding]:
    """The ports of Odoo and the sandbox."""
    alive = services.running()
    saved = services.saved_ports()
    for name, default in (("odoo", services.ODOO_PORT), ("sandbox", services.SANDBOX_PORT)):
        port = saved.get(name, default)
        if name in alive:
            healthy = alive[name].healthy()
            text = f"{name} runs on port {port}{'' if healthy else ' but does not answer'}"
            yield Finding("ok" if healthy else "bad", text,
                          f"./q2c run restarts it; its log: ./q2c logs {name}")
        elif network.is_free(port):
            yield Finding("ok", f"Port {port} is free for {name}")
        else:
            yield Finding("note", f"Port {port} is in use by another program; {name} will take the next free one.",
                          f"See which one with: ss -ltnp 'sport = :{port}'")


def check_modules() -> Iterator[Finding]:
    """The suite's modules in this checkout."""
    modules = odoo.suite()
    if modules:
        yield Finding("ok", f"Modules here: {', '.join(modules)}")
    else:
        yield Finding("bad", "No Odoo module lies beside q2c.", "Clone the whole repository.")


def check_browser() -> Iterator[Finding]:
    """Chromium, for the browser tests only."""
    found = testing.browser()
    if found:
        yield Finding("ok", f"Browser for the browser tests: {found}")
    else:
        yield Finding("note", "No Chromium: ./q2c test skips the browser tests (./q2c run needs none).",
                      "As root: apt-get install chromium")


CHECKS = (check_python, check_disk, check_odoo, check_environment, check_database, check_ports, check_modules,
          check_browser)
