"""Jobs that do nothing, from enqueueing to done, with two workers for crons.

*Floor* is a bare cron loop: two scheduled actions that claim 50 rows with SKIP LOCKED,
mark them done and commit as Odoo has it (`ir.cron._commit_progress`). *Peer* is OCA
`queue_job` with two channels' worth of capacity, on a server and a database (without our
addons) of its own, idle while the others run.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg2

from cli import database, extras, postgres
from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import connect
from .servers import PREFORK, THREADED, BenchServer

#: queue_job takes some 10 ms a job: a sample of its own size tells its rate as well.
PEER_SHARE = 20
PAUSE = 0.02  # seconds between two looks at what is left
SECONDS = 900  # a side that takes longer hangs
WARM_UP = 300  # jobs of a round before the measured ones
WARM_UPS = 4  # of these rounds: each of the server's processes has its registry and has run jobs then
WORKERS = 2

_LEFT = {
    "ours": "SELECT count(*) FROM sync_job WHERE state IN ('pending', 'running') AND remote_object = 'Nothing'",
    "floor": "SELECT count(*) FROM bench_queue WHERE state = 'pending'",
    "peer": "SELECT count(*) FROM queue_job WHERE state != 'done'",
}


class QueueNoop(harness.Bench):
    """See the module; ``n`` is jobs of one round, the peer does a twentieth of them."""

    name = "queue_noop"
    default_n = 10_000

    def run(self) -> list[harness.Result]:
        """Measure threaded, then prefork."""
        # queue_job wants a library of its own; whoever has no queue_job does not see it.
        os.environ["PYTHONPATH"] = str(extras.ensure())
        return [self._run_mode(self.name, THREADED), self._run_mode(f"{self.name}_prefork", PREFORK)]

    def _run_mode(self, name: str, mode: tuple[str, ...]) -> harness.Result:
        self.name = name
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            sandbox = stack.enter_context(Sandbox(folder / "sandbox", ["--seed", "empty"]))
            server = stack.enter_context(BenchServer(
                folder / "odoo", self.copy_database, mode, install=["q2c_bench_queue"], crons=WORKERS))
            peer = stack.enter_context(self._peer(folder / "peer", mode))
            flow_id = odoo_process.call(
                server.database, f"{__name__}:make_flow", folder, server.addons_path, sandbox_url=sandbox.url,
                known=sandbox.admin.get("/credentials")["salesforce"])
            sample = max(self.n // PEER_SHARE, 1)
            sides = {
                "ours": lambda n=self.n: self._drain(server, "ours", n, "bench.queue", "enqueue_ours", n, flow_id),
                "floor": lambda n=self.n: self._drain(server, "floor", n, "bench.queue", "enqueue_floor", n),
                "peer": lambda n=sample: self._drain(peer, "peer", n, "bench.peer", "enqueue", n),
            }
            for side in sides.values():
                for _round in range(WARM_UPS):
                    side(WARM_UP)
            samples = self.interleave(sides)
            assert not server.errors(), server.errors()[:3]
            return harness.summarise(name, "jobs/s", self.n, samples)

    def _peer(self, folder: Path, mode: tuple[str, ...]) -> BenchServer:
        server = BenchServer(
            folder, copy_core, mode, install=["q2c_bench_peer"], load=["queue_job"],
            addons=[extras.addons(extras.ensure())], crons=1)
        with (folder / "odoo.conf").open("a") as config:
            config.write(f"[queue_job]\nchannels = root:{WORKERS}\n")
        return server

    def _drain(self, server: BenchServer, side: str, count: int, model: str, method: str, *arguments: Any) -> float:
        """Enqueue ``count`` jobs and wait until none is left; return jobs a second."""
        with contextlib.closing(_connect(server.database)) as connection, connection.cursor() as cursor:
            started = time.perf_counter()
            server.rpc(model, method, *arguments)
            while True:
                cursor.execute(_LEFT[side])
                left = cursor.fetchone()[0]
                seconds = time.perf_counter() - started
                if not left:
                    return count / seconds
                assert seconds < SECONDS, f"{left} jobs of {side} are left"
                time.sleep(PAUSE)


def copy_core(name: str) -> None:
    """Make a database with Odoo's own apps only."""
    database.copy(database.CORE, name)


def _connect(name: str) -> Any:
    env = postgres.environment()
    connection = psycopg2.connect(dbname=name, host=env.get("PGHOST"), port=env.get("PGPORT"), user=env.get("PGUSER"))
    connection.autocommit = True
    return connection


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def make_flow(env: Any, sandbox_url: str, known: dict[str, Any]) -> int:
    """Connect and return the id of a live flow whose jobs do nothing."""
    connection = connect(env, "salesforce", sandbox_url, known, {})
    flow = env["sync.flow"].create({
        "name": "Nothing", "connection_id": connection.id, "remote_object": "Nothing", "poll": False,
        "model_id": env["ir.model"]._get_id("res.partner"), "handler": "bench_noop", "direction": "inbound",
        "mode": "live",
    })
    env.cr.commit()
    return flow.id
