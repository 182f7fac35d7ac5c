"""New companies and contacts: found by a poll and applied, beside the ORM's own `create`.

*Ours* is everything from the first request of the first poll to the last job: remote
reads over HTTP, both ledgers, bindings, change rows, the partners. *Floor* is the ORM's
batch `create` of the same values and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cli import database
from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import connect

FLOWS = {"accounts": "always", "contacts": "always"}
FLOOR_BATCH = 1000
DRAIN_SECONDS = 1800
_QUIET = {"tracking_disable": True, "mail_notrack": True, "mail_create_nolog": True}


class Import:
    """Companies and contacts in a sandbox, and databases to import them into.

    :param size: companies plus contacts, half of each
    :param contacts_each: 0 leaves the contacts out
    """

    def __init__(self, bench: harness.Bench, folder: Path, sandbox: Sandbox, size: int, contacts_each: int = 1):
        self._bench, self._folder, self._sandbox, self.size = bench, folder, sandbox, size
        self.values_file = folder / "values.json"
        sandbox.admin.post("/salesforce/generate", {"accounts": size // 2, "contacts_each": contacts_each})

    @property
    def arguments(self) -> dict[str, Any]:
        """What functions of the Odoo process must know to import."""
        return {"sandbox_url": self._sandbox.url, "expected": self.size,
                "known": self._sandbox.admin.get("/credentials")["salesforce"]}

    def call(self, function: str, **arguments: Any) -> Any:
        """Return what a function does with a fresh database, in a process of its own."""
        with self.database() as name:
            return odoo_process.call(name, function, self._folder, **self.arguments, **arguments)

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh copy of the template."""
        name = database.copy_name("bench")
        self._bench.copy_database(name)
        try:
            yield name
        finally:
            database.drop(name)


class InboundCustomers(harness.Bench):
    """See the module; ``n`` is companies plus contacts, half of each."""

    name = "inbound_customers"
    default_n = 10_000

    def run(self) -> list[harness.Result]:
        """Measure both sides on fresh databases, each in a process of its own."""
        self.n -= self.n % 2
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            imported = Import(self, Path(folder), sandbox, self.n)
            # Our first round leaves what it wrote in a file: the floor writes the same.
            file = str(imported.values_file)
            samples = self.interleave({
                "ours": lambda: self.n / imported.call(f"{__name__}:import_by_poll", values_file=file),
                "floor": lambda: self.n / imported.call(f"{__name__}:create_batches", values_file=file),
            })
        return [harness.summarise(self.name, "records/s", self.n, samples)]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def import_by_poll(env: Any, sandbox_url: str, known: dict[str, Any], expected: int, values_file: str = "") -> float:
    """Poll accounts and contacts and run a lane until nothing is left; return the seconds.

    :raise AssertionError: when anything was not applied exactly once
    """
    connection = connect(env, "salesforce", sandbox_url, known, FLOWS)
    flows = connection.flow_ids.filtered(lambda flow: flow.code in FLOWS).sorted("sequence")
    env.invalidate_all()
    started = time.perf_counter()
    flows._enqueue_poll()
    env.cr.commit()
    drain(env, connection)
    seconds = time.perf_counter() - started
    check(env, connection, expected)
    if values_file and not Path(values_file).exists():
        Path(values_file).write_text(json.dumps(_applied_values(env, connection)))
    return seconds


def drain(env: Any, connection: Any) -> None:
    """Run a lane, as its cron does, until no job of the connection is left."""
    lane = env["sync.lane"].search([("express", "=", False)], limit=1)
    deadline = time.monotonic() + DRAIN_SECONDS
    while env["sync.job"].search_count(_unfinished(connection), limit=1):
        lane._cron_run()
        env.cr.commit()
        assert time.monotonic() < deadline, "the jobs do not come to an end"


def _unfinished(connection: Any) -> list[Any]:
    """What is left to do; the next look for changes, some minutes ahead, is not."""
    return [("connection_id", "=", connection.id), ("state", "in", ("pending", "running")),
            "|", ("kind", "!=", "poll"), ("eta", "<=", datetime.now(timezone.utc).replace(tzinfo=None))]


def check(env: Any, connection: Any, expected: int) -> None:
    """Make sure that what was measured is the whole work."""
    of_connection = [("connection_id", "=", connection.id)]
    failed = env["sync.job"].search([*of_connection, ("state", "not in", ("done", "pending"))], limit=1)
    assert not failed, f"{failed.name}: {failed.state} {failed.error_message}"
    bindings = env["sync.binding"].search(of_connection)
    assert len(bindings) == expected, f"{len(bindings)} bindings, {expected} records"
    assert len(env["res.partner"].browse(bindings.mapped("res_id")).exists()) == expected
    changes = env["sync.change"].search_count([*of_connection, ("verdict", "=", "applied")])
    assert changes == expected, f"{changes} change rows, {expected} records"


def _applied_values(env: Any, connection: Any) -> dict[str, list[dict[str, Any]]]:
    """Return what was written, from the change ledger; a parent is its place in the list.

    :return: values of the companies and of the contacts
    """
    changes = env["sync.change"].search([("connection_id", "=", connection.id)], order="id")
    companies = changes.filtered(lambda change: change.remote_object == "Account")
    place = {res_id: number for number, res_id in enumerate(companies.mapped("res_id"))}
    rows = {
        change: {name: after for name, (_before, after) in change.values.items()} for change in changes
    }
    for change in changes - companies:
        rows[change]["parent_id"] = place[rows[change]["parent_id"]]
    return {"companies": [rows[change] for change in companies],
            "contacts": [rows[change] for change in changes - companies]}


def create_batches(env: Any, values_file: str, **_arguments: Any) -> float:
    """Create the same partners in batches of 1,000, a commit each; return the seconds."""
    rows = json.loads(Path(values_file).read_text())
    Partner = env["res.partner"].with_context(**_QUIET)
    companies: list[int] = []
    started = time.perf_counter()
    for vals_list in _batches(rows["companies"]):
        companies += Partner.create(vals_list).ids
        env.cr.commit()
    for vals_list in _batches(rows["contacts"]):
        Partner.create([{**vals, "parent_id": companies[vals["parent_id"]]} for vals in vals_list])
        env.cr.commit()
    return time.perf_counter() - started


def _batches(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [rows[start:start + FLOOR_BATCH] for start in range(0, len(rows), FLOOR_BATCH)]
