"""Databases: templates built once, and the copies that demo and tests work on.

Two layers. The *core* template holds Odoo's own modules that the suite depends
on, with demo data (some two minutes). The *suite* template is a copy of it with
the suite installed on top (well under a minute), and is what gets copied.

What a database was built from is written in its comment, as the last act, so
a killed build is never mistaken for a finished one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from . import locking, markers, odoo, odoo_source, paths, postgres, shell
from .console import Failure, say, step

CORE = "q2c_core"
TEMPLATE = "q2c_template"
DEMO = "q2c_demo"

#: Copies for tests are called ``q2c_test_<pid>_<n>``: whose process is gone can be dropped.
COPY_PREFIX = "q2c_test_"

#: Odoo's apps in the core template whether or not a module here depends on
#: them: users of the suite have them, so it is shown and tested beside them.
_ALWAYS = ("crm", "sale_management", "account", "sale_timesheet", "payment_stripe")

#: Folders of a module that leave no trace in a database.
_UNSTORED = {"tests", "static", "i18n", "readme", "__pycache__", "doc"}
_STORED_SUFFIXES = {".py", ".xml", ".csv", ".sql", ".json", ".txt", ".html"}

#: Signs in Odoo's log that an installation went wrong although it ended with 0.
_BAD_LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\d [\d:,]+ \d+ (?:ERROR|CRITICAL) .*|.*(?:invalid module names, ignored|demo data failed).*", re.M
)


# ---------------------------------------------------------------------------
# What a database was built from
# ---------------------------------------------------------------------------

def module_digest(module: odoo.Module) -> str:
    """Digest of everything in ``module`` that may change what installing it gives."""
    parts: list[str | bytes] = []
    for folder, folders, files in os.walk(module.path):
        folders[:] = sorted(name for name in folders if name not in _UNSTORED)
        for name in sorted(files):
            file = Path(folder, name)
            if file.suffix in _STORED_SUFFIXES:
                parts += [str(file.relative_to(module.path)), file.read_bytes()]
    return markers.digest(*parts)[:16]


def wanted_modules() -> dict[str, str]:
    """The suite's modules to install, with their digests."""
    return {module.name: module_digest(module) for module in odoo.installable()}


def core_modules() -> list[str]:
    """Odoo's own modules that the core template must hold."""
    suite = odoo.suite()
    needed = {name for module in odoo.installable(suite) for name in module.depends}
    return sorted(needed.union(_ALWAYS) - set(suite) - {"base"})


def _suite_recipe() -> dict:
    return {"odoo": odoo_source.identity(odoo_source.locate()), "modules": wanted_modules()}


def recipe(database: str) -> dict | None:
    """What ``database`` was built from; None if it does not exist or is not complete."""
    text = postgres.query(
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database "
        f"WHERE datname = {_literal(database)}"
    )
    try:
        return json.loads(text)
    except ValueError:
        return None


def _write_recipe(database: str, value: dict) -> None:
    postgres.query(f"COMMENT ON DATABASE {_name(database)} IS {_literal(json.dumps(value, sort_keys=True))}")


# ---------------------------------------------------------------------------
# Creating, copying, dropping
# ---------------------------------------------------------------------------

def _name(database: str) -> str:
    return '"' + database.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def filestore(database: str) -> Path:
    """Folder of the attachments of ``database``."""
    return paths.DATA / "filestore" / database


def exists(database: str) -> bool:
    """Whether ``database`` exists, complete or not."""
    return postgres.query(f"SELECT 1 FROM pg_database WHERE datname = {_literal(database)}") == "1"


def drop(database: str) -> None:
    """Drop ``database`` and its files, disconnecting whoever uses it."""
    postgres.query(f"DROP DATABASE IF EXISTS {_name(database)} WITH (FORCE)")
    shutil.rmtree(filestore(database), ignore_errors=True)


def copy(source: str, target: str) -> None:
    """Copy a database with its files and give the copy an identity of its own.

    The files are linked, not copied: Odoo's file store never changes a file.
    """
    drop(target)
    postgres.query(f"CREATE DATABASE {_name(target)} TEMPLATE {_name(source)} STRATEGY FILE_COPY")
    _copy_files(filestore(source), filestore(target))
    postgres.query(
        "UPDATE ir_config_parameter SET value = gen_random_uuid()::text "
        "WHERE key IN ('database.uuid', 'database.secret')",
        target,
    )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _copy_files(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_or_copy)


def _put_in_place(built: str, final: str, value: dict) -> None:
    """Make the finished database ``built`` the template ``final``.

    Templates accept no connections, so that nothing (a server that looks at all
    databases, say) can change them or stand in the way of a copy.
    """
    drop(final)
    shutil.rmtree(filestore(final), ignore_errors=True)
    if filestore(built).is_dir():
        filestore(built).replace(filestore(final))
    _write_recipe(built, value)
    postgres.query(f"ALTER DATABASE {_name(built)} ALLOW_CONNECTIONS false")
    postgres.query(f"ALTER DATABASE {_name(built)} RENAME TO {_name(final)}")


# ---------------------------------------------------------------------------
# Building with Odoo
# ---------------------------------------------------------------------------

def _install(database: str, *arguments: str) -> None:
    """Run Odoo once on ``database`` and fail on any error in its log."""
    line = odoo.command("server", [
        *odoo.options(database), *arguments, "--stop-after-init", "--no-http", "--max-cron-threads=0",
    ])
    output = shell.run_logged(line, "install", f"Odoo could not prepare the database {database}",
                              env=odoo.environment(), cwd=paths.ROOT)
    bad = _BAD_LOG_LINE.search(output)
    if bad:
        raise Failure(f"Odoo reported an error while preparing {database}:\n       {bad.group(0).strip()}",
                      f"All of it: {paths.shown(paths.LOGS / 'install.log')}")


def _prepare_assets(database: str) -> None:
    """Generate the bundles of the web client, which every copy would else do at its first page.

    That takes a busy machine so long that the page seems to stay white.
    """
    line = odoo.command("shell", [*odoo.options(database), "--no-http", "--log-level=warn"])
    shell.run_logged(
        line, "assets", f"Odoo could not prepare the web client of {database}", env=odoo.environment(), cwd=paths.ROOT,
        script='env["ir.qweb"]._pregenerate_assets_bundles()\nenv.cr.commit()\n')


def _quieten(database: str) -> None:
    """Switch off what would talk to the world outside: Odoo's update notification."""
    postgres.query(
        "UPDATE ir_cron SET active = false WHERE id IN (SELECT res_id FROM ir_model_data "
        "WHERE module = 'mail' AND name = 'ir_cron_module_update_notification')",
        database,
    )


def ensure_core() -> None:
    """Build the template with Odoo's own modules unless it is there and holds them all."""
    identity, wanted = odoo_source.identity(odoo_source.locate()), core_modules()
    present = recipe(CORE) or {}
    if present.get("odoo") == identity and set(wanted) <= set(present.get("installed", ())):
        return
    building = f"{CORE}_building"
    drop(building)
    # Odoo would create it, too, but asks for extensions that the embedded PostgreSQL lacks.
    postgres.query(f"CREATE DATABASE {_name(building)} ENCODING 'UTF8' LC_COLLATE 'C' TEMPLATE template0")
    shell.need_space(paths.STATE, 1.0)
    with step(f"Installing Odoo's own modules with demo data: {', '.join(wanted)} (about two minutes)"):
        _install(building, f"--init={','.join(wanted)}", "--with-demo")
    _quieten(building)
    _put_in_place(building, CORE, {"odoo": identity, "installed": _installed(building)})


def _installed(database: str) -> list[str]:
    return postgres.query("SELECT name FROM ir_module_module WHERE state = 'installed' ORDER BY name", database).split()


def ensure_template() -> str:
    """Build the suite's template unless it is up to date; return its name.

    It is always installed afresh on the core template: nothing of an older
    version of the modules can be left in it.
    """
    with locking.exclusive("template"):
        _build_template()
    return TEMPLATE


def copy_template(target: str) -> None:
    """Copy the suite's template, built before if need be, while nobody else rebuilds it."""
    with locking.exclusive("template"):
        _build_template()
        copy(TEMPLATE, target)


def _build_template() -> None:
    wanted = _suite_recipe()
    if recipe(TEMPLATE) == wanted:
        return
    ensure_core()
    building = f"{TEMPLATE}_building"
    copy(CORE, building)
    if wanted["modules"]:
        with step(f"Installing the suite: {', '.join(wanted['modules'])}"):
            _install(building, f"--init={','.join(wanted['modules'])}", "--with-demo")
    with step("Preparing the web client's scripts and style sheets"):
        _prepare_assets(building)
    _put_in_place(building, TEMPLATE, wanted)


def demo_is_current() -> bool:
    """Whether the demo database exists and holds the modules as they are now."""
    return recipe(DEMO) == _suite_recipe()


def ensure_demo() -> None:
    """Create the demo database, or bring the modules of the existing one up to date."""
    wanted = _suite_recipe()
    present = recipe(DEMO)
    if present == wanted:
        return
    if present is None or present.get("odoo") != wanted["odoo"]:
        ensure_template()
        with step(f"Creating the database {DEMO}"):
            copy_template(DEMO)
    else:
        _upgrade(DEMO, present, wanted)
    _write_recipe(DEMO, wanted)


def _upgrade(database: str, present: dict, wanted: dict) -> None:
    """Update changed modules and install new ones, keeping the data."""
    old, new = present.get("modules", {}), wanted["modules"]
    changed = sorted(name for name in new if name in old and old[name] != new[name])
    added = sorted(set(new) - set(old))
    gone = sorted(set(old) - set(new))
    if gone:
        say(f"  {', '.join(gone)}: gone from the repository, still in {database} (./q2c reset starts afresh)")
    arguments = [f"--update={','.join(changed)}"] if changed else []
    arguments += [f"--init={','.join(added)}"] if added else []
    if arguments:
        with step(f"Updating the modules that changed: {', '.join(changed + added)}"):
            _install(database, *arguments)


def set_base_url(database: str, url: str) -> None:
    """Make the links and webhook addresses of ``database`` begin with ``url``."""
    for key, value in (("web.base.url", url), ("web.base.url.freeze", "True")):
        postgres.query(
            "INSERT INTO ir_config_parameter (key, value, create_date, write_date) "
            f"VALUES ({_literal(key)}, {_literal(value)}, now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC') "
            "ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE ir_config_parameter.value != excluded.value",
            database,
        )


# ---------------------------------------------------------------------------
# Copies for tests
# ---------------------------------------------------------------------------

def copy_name(number: int | str) -> str:
    """Name of a copy that belongs to this process."""
    return f"{COPY_PREFIX}{os.getpid()}_{number}"


def drop_orphans() -> Iterable[str]:
    """Drop the copies whose process is gone; return their names."""
    names = postgres.query(f"SELECT datname FROM pg_database WHERE datname LIKE {_literal(COPY_PREFIX + '%')}")
    orphans = []
    for name in names.split():
        owner = re.match(rf"{COPY_PREFIX}(\d+)_", name)
        if owner and not Path("/proc", owner.group(1)).exists():
            drop(name)
            orphans.append(name)
    return orphans
