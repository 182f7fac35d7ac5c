"""The engine on OCA's job queue: real server, real runner, killed in the middle."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from cli import database, odoo, paths
from cli.demo_setup import Setup
from cli.environment import Environment
from tests.support import job_queue
from tests.support.servers import OdooServer

ACCOUNTS = 300
PAGE = 20

#: Work goes on by itself so soon after a fault has ended.
RECOVERY_SECONDS = 60

#: What must hold whoever runs the lanes; also in a database where the job queue does.
BEHAVIOUR = [
    "crm_sync_queue_job/tests",
    *(f"crm_sync_base/tests/test_engine_{name}.py" for name in ("queue", "inbound", "outbound")),
]


class QueueServer(OdooServer):
    """An Odoo server that runs lanes on the job queue and has no worker for scheduled actions."""

    def __init__(self, folder: Path):
        self.environment = job_queue.environment()
        super().__init__(folder, [
            f"--addons-path={job_queue.addons_path()}", *job_queue.OPTIONS, "--max-cron-threads=0",
        ])

    def create_database(self) -> None:
        """Copy the template and install the job queue."""
        super().create_database()
        job_queue.install(self.database)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server whose lanes are on the job queue."""
    with QueueServer(tmp_path_factory.mktemp("queue")) as running:
        yield running


def accounts(sandbox) -> set[str]:
    """Ids of all accounts at the provider."""
    return {each["Id"] for each in sandbox.admin.get("/documents", kind="salesforce/Account")["documents"]}


def start_import(server: OdooServer, sandbox) -> set[str]:
    """Have new accounts looked for, in many small pages; return their ids."""
    (flow,) = server.rpc("sync.flow", "search", [("remote_object", "=", "Account"), ("direction", "=", "inbound")])
    server.rpc("sync.flow", "write", [flow], {"create_policy": "always", "page_size": PAGE})
    known = accounts(sandbox)
    sandbox.admin.post("/salesforce/generate", {"accounts": ACCOUNTS, "contacts_each": 0})
    server.rpc("sync.flow", "action_poll_now", [flow])
    return accounts(sandbox) - known


def bound(server: OdooServer, ids: set[str]) -> int:
    """How many of these accounts are in Odoo."""
    return server.sql(
        "SELECT count(*) FROM sync_binding WHERE remote_object = 'Account' AND external_id = ANY(%s)", [list(ids)]
    )[0][0]


def partners(server: OdooServer, ids: set[str]) -> int:
    """How many partners these accounts became."""
    return server.sql(
        "SELECT count(DISTINCT res_id) FROM sync_binding WHERE remote_object = 'Account' AND external_id = ANY(%s)",
        [list(ids)],
    )[0][0]


def test_a_killed_server_finishes_its_work_on_the_queue(server, sandbox):
    """Everything arrives once, though the server dies while it arrives; no scheduled action helps."""
    Setup(Environment.of(server.url, sandbox.url, server.database)).run()
    ids = start_import(server, sandbox)
    assert len(ids) == ACCOUNTS
    server.wait_for(lambda: bound(server, ids) >= 2 * PAGE, "the first pages")
    server.kill9()
    before = bound(server, ids)
    assert before < ACCOUNTS, "it was too fast to be killed in the middle"
    started = time.monotonic()
    server.restart()
    server.wait_for(lambda: bound(server, ids) > before, "the work to go on", RECOVERY_SECONDS)
    print(f"{before} of {ACCOUNTS} when it died; at work again after {time.monotonic() - started:.0f} s")
    server.wait_for(lambda: bound(server, ids) == ACCOUNTS, "all accounts", 180)
    server.wait_for(lambda: not server.sql("SELECT 1 FROM sync_job WHERE state = 'running'"), "all jobs to end")
    assert partners(server, ids) == ACCOUNTS, "an account shares its partner with another one"
    assert server.sql("SELECT name, error_message FROM sync_job WHERE state = 'failed'") == []
    runs = server.sql("SELECT count(*) FROM queue_job WHERE channel = 'root.crm_sync' AND state = 'done'")
    assert runs[0][0] > 1
    lanes = server.sql("SELECT c.lastcall FROM sync_lane l JOIN ir_cron c ON c.id = l.cron_id")
    assert {row[0] for row in lanes} == {None}, "a scheduled action ran a lane"


def test_the_engines_behaviour_is_the_same():
    """The engine's own tests, and those of the glue, pass in a database that has the job queue."""
    name = database.copy_name("behaviour")
    try:
        database.copy_template(name)
        job_queue.install(name)
        done = subprocess.run(
            [str(paths.python()), "-m", "pytest", "-p", "pytest_odoo", f"--odoo-database={name}", "-q", "--tb=short",
             f"--odoo-addons-path={job_queue.addons_path()}", f"--odoo-extra=data-dir={paths.DATA}",
             "--odoo-extra=max-cron-threads=0", "--odoo-extra=limit-memory-hard=0", *BEHAVIOUR],
            cwd=paths.ROOT, env={**odoo.environment(), **job_queue.environment()}, capture_output=True, text=True,
            check=False,
        )
    finally:
        database.drop(name)
    assert done.returncode == 0, done.stdout[-8000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
