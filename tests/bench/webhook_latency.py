"""From a webhook's acceptance to its record in Odoo, the remote read included.

One delivery at a time about a contact that Odoo does not know, with pauses in which the
lanes fall asleep: each pays for waking them. The clock starts with the answer to the
delivery and stops when its job is committed as done.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg2

from cli import postgres
from tests.support.servers import Sandbox

from . import harness, odoo_process
from .load import burst
from .servers import PREFORK, THREADED, BenchServer
from .webhook_accept import Deliveries

LOOK = 0.005  # seconds between two looks at the job
LONGEST = 60.0  # a delivery that takes longer is lost
PAUSES = (0.2, 0.6)
WARM_UP = 3
FLOWS = {"companies": "on_demand", "contacts": "always"}


class Latency:
    """Delivers webhooks to a server and sees when they are applied.

    :param ids: of contacts in the sandbox that Odoo does not know
    """

    def __init__(self, server: BenchServer, deliveries: Deliveries, ids: Sequence[str]):
        self._deliveries, self._ids = deliveries, iter(ids)
        self._target = deliveries.url
        env = postgres.environment()
        self._connection = psycopg2.connect(
            dbname=server.database, host=env.get("PGHOST"), port=env.get("PGPORT"), user=env.get("PGUSER"))
        self._connection.autocommit = True

    def close(self) -> None:
        """Close the connection to the database."""
        self._connection.close()

    def measure(self, count: int) -> list[float]:
        """Return the milliseconds of ``count`` deliveries, sorted."""
        return sorted(self._one() for _number in range(count))

    def _one(self) -> float:
        time.sleep(random.uniform(*PAUSES))
        external_id = next(self._ids)
        burst([self._deliveries.about(external_id)], 1)
        accepted = time.perf_counter()
        with self._connection.cursor() as cursor:
            while True:
                # What its event leads to: none yet while it waits to be taken in.
                cursor.execute(
                    """
                    SELECT state, error_message FROM sync_job WHERE external_id = %s AND kind = 'record'
                       AND NOT EXISTS (SELECT 1 FROM sync_event WHERE external_id = %s AND waiting)
                    """,
                    [external_id, external_id])
                rows = cursor.fetchall()
                seconds = time.perf_counter() - accepted
                if rows and all(state == "done" for state, _error in rows):
                    return seconds * 1000
                assert seconds < LONGEST, f"contact {external_id}: {rows}"
                time.sleep(LOOK)


@contextlib.contextmanager
def latency(bench: harness.Bench, folder: Path, sandbox: Sandbox, mode: tuple[str, ...], count: int) -> Any:
    """A server whose HubSpot connection takes webhooks about ``count`` new contacts; yields (server, `Latency`)."""
    sandbox.admin.post("/hubspot/bulk", {"companies": count, "contacts_per_company": 1})
    with BenchServer(folder / "odoo", bench.copy_database, mode, crons=2) as server:
        known = odoo_process.call(
            server.database, "tests.bench.connections:connect_for_webhooks", folder, provider="hubspot",
            sandbox_url=sandbox.url, known=sandbox.admin.get("/credentials")["hubspot"], live=FLOWS)
        ids = odoo_process.call(server.database, f"{__name__}:contact_ids", folder)
        deliveries = Deliveries(f"{server.url}/crm_sync/webhook/{known['token']}", known)
        with contextlib.closing(Latency(server, deliveries, ids)) as measured:
            measured.measure(WARM_UP)
            yield server, measured


def percentile(values: Sequence[float], share: float) -> float:
    """The value that ``share`` (0–1) of the sorted values do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


class WebhookLatency(harness.Bench):
    """See the module; ``n`` is deliveries of one round. There is nothing to compare with."""

    name = "webhook_latency"
    default_n = 40

    def run(self) -> list[harness.Result]:
        """Measure threaded, then prefork."""
        return [self._run_mode(self.name, THREADED), self._run_mode(f"{self.name}_prefork", PREFORK)]

    def _run_mode(self, name: str, mode: tuple[str, ...]) -> harness.Result:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox, \
                latency(self, Path(folder), sandbox, mode, self.n * self.rounds + WARM_UP) as (server, measured):
            rounds = [measured.measure(self.n) for _round in range(self.rounds)]
            assert not server.errors(), server.errors()[:3]
        return summarise(name, self.n, rounds)


def summarise(name: str, n: int, rounds: Sequence[Sequence[float]], **extra: Any) -> harness.Result:
    """The 95th percentile as the figure, the median beside it."""
    samples = {"ours": [percentile(values, 0.95) for values in rounds]}
    median = percentile(sorted(value for values in rounds for value in values), 0.5)
    return harness.summarise(name, "ms (p95)", n, samples, less_is_better=True,
                             extra={"p50": round(median, 1), **extra})


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def contact_ids(env: Any) -> list[str]:
    """Return the ids of all contacts of the sandbox."""
    flow = env["sync.flow"].search([("code", "=", "contacts"), ("mode", "=", "live")], limit=1)
    ids: list[str] = []
    cursor, done = "", False
    while not done:
        page = flow._connector()._poll(flow.connection_id, flow, cursor)
        ids += [ref.external_id for ref in page.refs]
        cursor, done = page.cursor, page.done or not page.refs
    return list(dict.fromkeys(ids))
