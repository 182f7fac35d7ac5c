"""The private virtual environment: Odoo's dependencies, PostgreSQL, the sandbox.

pip may be killed half-way through a package, and would later take what it left
for installed. So a note lies in the environment while pip works; an
environment in which it is found is thrown away and built again.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

from . import apt, markers, odoo_source, paths, shell
from .console import Failure, step

RUNTIME = "requirements-env.txt"
DEVELOPMENT = "requirements-dev.txt"

INSTALL_VENV = "As root: apt-get install python3-venv"

_UNFINISHED = "unfinished"


def ensure(dev: bool = False) -> None:
    """Build or complete the environment; a finished one costs a millisecond.

    :param bool dev: also install what test, lint and bench need
    """
    if not _is_healthy():
        _create()
    wanted = {"venv": _digest(RUNTIME), "venv-dev": _digest(DEVELOPMENT)}
    if dev and not markers.is_current("venv-dev", wanted["venv-dev"]):
        with step("Installing the Python packages of Odoo, PostgreSQL, the sandbox and the tests"):
            _install(DEVELOPMENT)
        for name, digest in wanted.items():
            markers.complete(name, digest)
    elif not markers.is_current("venv", wanted["venv"]):
        with step("Installing the Python packages of Odoo, PostgreSQL and the sandbox"):
            _install(RUNTIME)
        markers.complete("venv", wanted["venv"])


def _digest(requirements: str) -> str:
    """What an installation depends on: the requirement files and this Python."""
    names = ["requirements.txt", "requirements-sandbox.txt", RUNTIME, "constraints.txt"]
    if requirements == DEVELOPMENT:
        names.append(DEVELOPMENT)
    files = markers.digest_files(paths.ROOT / name for name in names)
    return markers.digest(files, sys.version, str(paths.VENV))


def _is_healthy() -> bool:
    """Whether the environment exists, works and was not left half-done."""
    if not paths.python().exists() or (paths.VENV / _UNFINISHED).exists():
        return False
    try:
        return shell.capture([paths.python(), "-c", ""]).returncode == 0
    except OSError:
        return False


def _create() -> None:
    """Make an empty environment, in place of whatever is there."""
    markers.clear("venv")
    markers.clear("venv-dev")
    shutil.rmtree(paths.VENV, ignore_errors=True)
    paths.STATE.mkdir(parents=True, exist_ok=True)
    shell.need_space(paths.STATE, 1.5)
    if not can_make_environments():
        raise Failure("This Python has no venv module.", INSTALL_VENV)
    with step(f"Creating a virtual environment in {paths.shown(paths.VENV)}"):
        paths.VENV.mkdir()
        note = paths.VENV / _UNFINISHED
        note.touch()
        if has_pip():
            _make_environment()
        else:
            _make_environment("--without-pip")
            _fetch_pip()
        note.unlink()


def can_make_environments() -> bool:
    """Whether this Python has the module that makes virtual environments."""
    return importlib.util.find_spec("venv") is not None


def has_pip() -> bool:
    """Whether this Python can put pip into an environment; Debian's needs python3-venv for it."""
    return importlib.util.find_spec("ensurepip") is not None


def _make_environment(*options: str) -> None:
    shell.run_logged([sys.executable, "-m", "venv", *options, paths.VENV], "setup",
                     "The virtual environment could not be made", INSTALL_VENV)


def _fetch_pip() -> None:
    """Get pip with apt, from the machine's own release, and have it install itself."""
    shell.require("apt-get", INSTALL_VENV)
    work = paths.STATE / "pip.tmp"
    shutil.rmtree(work, ignore_errors=True)
    try:
        machine = apt.Suite(work / "apt")
        machine.try_update()
        machine.download(work / "debs", "python3-pip-whl")
        apt.unpack(work / "debs", work / "prefix")
        wheel = next((work / "prefix").glob("usr/share/python-wheels/pip-*.whl"))
        shell.run_logged([paths.python(), wheel / "pip", "install", "--no-index", wheel], "setup",
                         "pip could not be installed", INSTALL_VENV)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(requirements: str) -> None:
    """Have pip install a requirements file at the pinned versions."""
    note = paths.VENV / _UNFINISHED
    note.touch()
    shell.run_logged(
        [paths.python(), "-m", "pip", "install", "--disable-pip-version-check", "--no-input",
         "--retries", "5", "-r", paths.ROOT / requirements, "-c", paths.ROOT / "constraints.txt"],
        "setup", "Python packages could not be installed", env={**os.environ, "PYTHONNOUSERSITE": "1"},
    )
    note.unlink()


def site_packages() -> Path:
    """The environment's ``site-packages``."""
    return next((paths.VENV / "lib").glob("python3*/site-packages"))


def link_odoo(source: odoo_source.Source) -> None:
    """Put Odoo's tree on the environment's path, so ``import odoo`` works in it."""
    link = site_packages() / "q2c_odoo.pth"
    line = f"{source.path}\n"
    if not link.exists() or link.read_text() != line:
        markers.write_atomically(link, line)
