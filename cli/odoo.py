"""How Odoo is called: interpreter, addons path and the options used everywhere."""

from __future__ import annotations

import ast
import base64
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import markers, odoo_source, paths, postgres

#: Where the suite looks for the key that encrypts credentials: the key, or a file that holds it.
_KEY, _KEY_FILE = "CRM_SYNC_KEY", "CRM_SYNC_KEY_FILE"


@dataclass(frozen=True)
class Module:
    """A module of this repository, with what q2c needs from its manifest."""

    name: str
    path: Path
    depends: tuple[str, ...]
    auto_install: bool
    installable: bool


def suite() -> dict[str, Module]:
    """The modules at the repository's root, by name."""
    modules = (_read(manifest) for manifest in sorted(paths.ROOT.glob("*/__manifest__.py")))
    return {module.name: module for module in modules}


def _read(manifest: Path) -> Module:
    values = ast.literal_eval(manifest.read_text())
    return Module(
        name=manifest.parent.name,
        path=manifest.parent,
        depends=tuple(values.get("depends", ())),
        auto_install=bool(values.get("auto_install")),
        installable=bool(values.get("installable", True)),
    )


def installable(modules: dict[str, Module] | None = None) -> list[Module]:
    """The modules to install: installable ones whose dependencies are all there.

    Optional glue (``auto_install``) is left out when what it glues is absent; a
    missing dependency of any other module is left for Odoo to report.
    """
    modules = suite() if modules is None else modules
    source = odoo_source.locate()

    def available(name: str) -> bool:
        if name in modules:
            return modules[name].installable
        return any((folder / name / "__manifest__.py").is_file() for folder in source.addons)

    return [
        module for module in modules.values()
        if module.installable and not (module.auto_install and not all(map(available, module.depends)))
    ]


def addons_path() -> str:
    """Value of Odoo's ``addons_path``: its own folders, then this repository."""
    return ",".join(map(str, [*odoo_source.locate().addons, paths.ROOT]))


def key_file() -> Path:
    """File with the key that encrypts credentials, made on first use.

    It lies outside the database, readable by this user only.
    """
    file = paths.STATE / "secret.key"
    if not file.exists():
        key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        markers.write_atomically(file, key + "\n", mode=0o600)
    return file


def launcher() -> Path:
    """File that is Odoo's command line, made on first use.

    A server with worker processes starts one more by its own file name: with
    ``python -m odoo`` that one fails, and is started again at once, for ever.
    """
    file = paths.STATE / "odoo-bin"
    if not file.exists():
        markers.write_atomically(file, "import odoo.cli\n\nodoo.cli.main()\n")
    return file


def environment() -> dict[str, str]:
    """Environment for Odoo's processes and for everything else in the private environment."""
    env = postgres.environment()
    # Would make Odoo read a configuration that is not ours.
    for name in ("ODOO_RC", "OPENERP_SERVER"):
        env.pop(name, None)
    ours = [paths.VENV / "bin", postgres.program("psql").parent]
    env["PATH"] = os.pathsep.join([*map(str, ours), env.get("PATH", "")])
    if not (env.get(_KEY) or env.get(_KEY_FILE)):
        env[_KEY_FILE] = str(key_file())
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONNOUSERSITE"] = "1"
    return env


def options(database: str | None = None, data_dir: Path | None = None) -> list[str]:
    """Options that every Odoo process of ours gets."""
    result = [
        f"--addons-path={addons_path()}",
        f"--data-dir={data_dir or paths.DATA}",
        "--http-interface=127.0.0.1",
        "--no-database-list",
    ]
    if database:
        result += [f"--database={database}", f"--db-filter=^{database}$"]
    return result


def command(subcommand: str, arguments: Iterable[str | Path] = ()) -> Sequence[str]:
    """A command line that runs Odoo's ``subcommand``, without a user's ``~/.odoorc``."""
    rc = ["--config=/dev/null"] if subcommand in {"server", "shell"} else []
    return [str(paths.python()), str(launcher()), subcommand, *rc, *map(str, arguments)]
