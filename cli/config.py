"""Carrying configuration from one Odoo to another: a signed file, a comparison, an approval."""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import os
import sys
from pathlib import Path
from typing import Any

from . import database, services
from .console import Failure, say
from .rpc import Odoo

PASSWORD = "Q2C_PASSWORD"
MODEL = "sync.package"
WAITING = ("review", "blocked")
FIELDS = ("kind", "name", "operation", "path", "before", "after")


def add_parser(commands) -> None:
    """Add ``config`` with its sub-commands to the command line."""
    about = "carry configuration between environments as a signed file"
    parser = commands.add_parser("config", help=about, description=f"{about[0].upper()}{about[1:]}.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write flows, mappings, value maps and rules to a file")
    export.add_argument("file", type=Path)
    export.add_argument("--connection", action="append", default=[], metavar="NAME",
                        help="only what belongs to this connection; may be repeated (default: all)")
    export.set_defaults(run=cmd_export)
    imported = actions.add_parser("import", help="show what a file would change; somebody else approves it")
    imported.add_argument("file", type=Path)
    imported.add_argument("--approve", action="store_true",
                          help="approve and apply what another user has imported")
    imported.set_defaults(run=cmd_import)
    for sub in (export, imported):
        sub.add_argument("--note", default="", help="what it is for")
        sub.add_argument("--url", help="address of Odoo (default: the one that run started)")
        sub.add_argument("-d", "--database", default=database.DEMO, help=f"default {database.DEMO}")
        sub.add_argument("--login", default="admin",
                         help=f"default admin; the password comes from {PASSWORD}, else it is asked for")


# ---------------------------------------------------------------------------
# Commands
# ---------------------------------------------------------------------------

def cmd_export(options: argparse.Namespace) -> int:
    """Write a package to a file."""
    odoo = connect(options)
    made = odoo.call(MODEL, "export_configuration", _connections(odoo, options.connection), options.note)
    options.file.write_bytes(base64.b64decode(made["data"]))
    [kept] = odoo.call(MODEL, "read", [made["id"]], ["signer_fingerprint", "checksum"])
    records = json.loads(options.file.read_text())["content"]["records"]
    say(f"{options.file}: {len(records)} records.")
    say(f"Checksum {kept['checksum']}")
    say(f"Signed with {kept['signer_fingerprint']}")
    return 0


def cmd_import(options: argparse.Namespace) -> int:
    """Show what a package would change; with ``--approve``, apply what somebody else has imported.

    :return: 0 when it can be approved or is applied, 1 when something is missing.
    """
    text = _read(options.file)
    odoo = connect(options)
    if options.approve:
        return _approve(odoo, options.file, text)
    data = base64.b64encode(text).decode()
    package = odoo.call(MODEL, "import_configuration", data, options.file.name, options.note)
    return _show(odoo, package)


def _approve(odoo: Odoo, file: Path, text: bytes) -> int:
    found = odoo.call(MODEL, "search", [("checksum", "=", _checksum(file, text)), ("state", "in", WAITING)], limit=1)
    if not found:
        raise Failure(f"Nobody has imported {file} yet, or it is decided already.",
                      f"Import it first, as another user: ./q2c config import {file}")
    if _show(odoo, found[0]):
        return 1
    answer = odoo.call(MODEL, "action_approve", found)
    if isinstance(answer, dict):
        say(f"\n{answer['params']['message']}")
        return 1
    say("\nApplied.")
    return 0


# ---------------------------------------------------------------------------
# Steps
# ---------------------------------------------------------------------------

def connect(options: argparse.Namespace) -> Odoo:
    """A logged-in client of the Odoo that the options name.

    :raise Failure: when none runs, or it does not let the user in
    """
    url = options.url or _running_url()
    odoo = Odoo(url.rstrip("/"), options.database, options.login, _password(options.login))
    try:
        odoo.authenticate()
    except Failure as failure:
        raise Failure(f"{url} does not let '{options.login}' in to {options.database}.",
                      f"Check --database and --login, and the password in {PASSWORD}.") from failure
    return odoo


def _running_url() -> str:
    ports = services.saved_ports()
    if "odoo" not in services.running() or "odoo" not in ports:
        raise Failure("No Odoo is running here.", "Start it with ./q2c run, or name another one with --url.")
    return services.odoo_url(ports["odoo"])


def _password(login: str) -> str:
    given = os.environ.get(PASSWORD)
    if given is not None:
        return given
    if not sys.stdin.isatty():
        raise Failure("There is nobody to ask for a password.", f"Put it into the environment variable {PASSWORD}.")
    return getpass.getpass(f"Password of {login}: ")


def _connections(odoo: Odoo, names: list[str]) -> list[int]:
    """Ids of connections by their names; none means all.

    :raise Failure: when there is none of that name
    """
    rows = odoo.call("sync.connection", "search_read", [("name", "in", names)], ["name"]) if names else []
    unknown = set(names) - {row["name"] for row in rows}
    if unknown:
        raise Failure(f"There is no connection called {', '.join(sorted(unknown))}.")
    return [row["id"] for row in rows]


def _read(file: Path) -> bytes:
    if not file.is_file():
        raise Failure(f"There is no file {file}.", "./q2c config export makes one.")
    return file.read_bytes()


def _checksum(file: Path, text: bytes) -> str:
    try:
        return str(json.loads(text)["checksum"])
    except (ValueError, KeyError, TypeError):
        raise Failure(f"{file} is not a configuration package.") from None


def _show(odoo: Odoo, package: int) -> int:
    """Print what a package would change and what is missing.

    :return: 1 when something is missing, else 0
    """
    [row] = odoo.call(MODEL, "read", [package],
                      ["state", "problems", "line_ids", "signer_fingerprint", "signer_name", "requested_by_id"])
    lines = odoo.call("sync.package.line", "read", row["line_ids"], list(FIELDS))
    say(f"Signed with {row['signer_fingerprint']} ({row['signer_name'] or 'a key that nobody here trusts yet'})")
    for text in describe(lines):
        say(text)
    if row["problems"]:
        say(f"\nIt cannot be applied yet:\n{row['problems']}")
        return 1
    say(f"\n{len(lines)} differences. It waits for the approval of somebody else than {row['requested_by_id'][1]}.")
    return 0


def describe(lines: list[dict[str, Any]]) -> list[str]:
    """Differences as text, one record after the other."""
    texts: list[str] = []
    record = None
    for line in lines:
        if (line["kind"], line["name"]) != record:
            record = (line["kind"], line["name"])
            mark = "+" if line["operation"] == "create" else "~"
            texts.append(f"\n{mark} {line['kind'].replace('_', ' ')} “{line['name']}”")
        before, after = line["before"] or "–", line["after"] or "–"
        texts.append(f"    {line['path']}: {after}" if line["operation"] == "create"
                     else f"    {line['path']}: {before} → {after}")
    return texts
