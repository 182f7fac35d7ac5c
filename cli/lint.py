"""``q2c lint``: ruff on all Python, pylint-odoo on the modules."""

from __future__ import annotations

import subprocess

from . import odoo, paths
from .console import say, step

#: The worked example of the connector guide: a module that is made to be copied.
EXAMPLE = "tests/tiny_crm/addons/crm_sync_tinycrm"


def folders() -> list[str]:
    """The folders that hold our Python code, relative to the repository."""
    return sorted({
        file.relative_to(paths.ROOT).parts[0]
        for pattern in ("*/*.py", "*/*/*.py")
        for file in paths.ROOT.glob(pattern)
        if not file.relative_to(paths.ROOT).parts[0].startswith(".")
    })


def run(fix: bool = False) -> int:
    """Check everything; return 0 when clean."""
    checked = folders()
    failed = _ruff([*checked, "q2c"], fix)
    modules = [name for name in odoo.suite() if name in checked]
    if modules:
        failed |= _pylint([*modules, EXAMPLE])
    say("Lint found problems." if failed else "Lint is clean.")
    return int(failed)


def _ruff(targets: list[str], fix: bool) -> bool:
    with step(f"ruff: {' '.join(targets)}"):
        arguments = ["--fix"] if fix else []
        return _run([paths.VENV / "bin" / "ruff", "check", *arguments, *targets])


def _pylint(modules: list[str]) -> bool:
    with step(f"pylint-odoo: {' '.join(modules)}"):
        return _run([paths.python(), "-m", "pylint", "--rcfile=.pylintrc", *modules])


def _run(command: list) -> bool:
    """Run a checker with its output shown; whether it complained."""
    return subprocess.run([str(part) for part in command], cwd=paths.ROOT, env=odoo.environment(),
                          stdin=subprocess.DEVNULL, check=False).returncode != 0
