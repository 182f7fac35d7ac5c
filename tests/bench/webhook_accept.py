"""Webhooks verified, stored and answered, beside a controller that only answers.

Every delivery is a new signed event (HubSpot, version 3) about a new record: it is a
committed event row before the answer. No cron runs meanwhile, so that the acceptance
alone is measured (that each led to its job is seen afterwards); the load comes from this
process, which can send several times what one Odoo process answers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness, odoo_process
from .load import Call, Outcome, burst
from .servers import PREFORK, THREADED, BenchServer

#: As many as Odoo's listening queue holds of new connections (eight for each worker process,
#: which takes one at a time): what is more waits a second for its handshake's repetition.
CONNECTIONS = {THREADED: 32, PREFORK: 16}
FEW_CONNECTIONS = 8
WARM_UP = 64  # requests: threads, connections and caches of the server are there afterwards


class Deliveries:
    """Makes signed deliveries, each about a record that nobody has seen.

    :param url: as the provider knows it
    :param known: ``account`` and ``secret`` of the connection
    """

    def __init__(self, url: str, known: dict[str, str]):
        self.url, self._known = url, known
        self._numbers = itertools.count(10_000_000)

    def make(self, count: int, target: str) -> list[Call]:
        """Return ``count`` deliveries to ``target``, signed for our own address, now."""
        return [self._one(target) for _number in range(count)]

    def about(self, record_id: str) -> Call:
        """Return a delivery about a contact, signed for our own address, now."""
        return self._one(self.url, int(record_id))

    def _one(self, target: str, record_id: int | None = None) -> Call:
        number, now = next(self._numbers), int(time.time() * 1000)
        event = {
            "eventId": number, "subscriptionId": 1, "portalId": int(self._known["account"]), "appId": 1,
            "occurredAt": now, "subscriptionType": "object.propertyChange", "attemptNumber": 0,
            "objectTypeId": "0-1", "objectId": record_id or number, "propertyName": "phone", "changeSource": "CRM_UI",
            "propertyValue": f"+1 555 {number}",
        }
        body = json.dumps([event]).encode()
        message = b"POST" + self.url.encode() + body + str(now).encode()
        digest = hmac.new(self._known["secret"].encode(), message, hashlib.sha256).digest()
        headers = {
            "Content-Type": "application/json", "X-HubSpot-Request-Timestamp": str(now),
            "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
        }
        return Call(target, body, headers)


class WebhookAccept(harness.Bench):
    """See the module; ``n`` is deliveries of one burst."""

    name = "webhook_accept"
    default_n = 2_000

    def run(self) -> list[harness.Result]:
        """Measure the rate at many connections and the 95th percentile at few, threaded and prefork."""
        return [*self._run_mode(self.name, THREADED), *self._run_mode(f"{self.name}_prefork", PREFORK)]

    def _run_mode(self, name: str, mode: tuple[str, ...]) -> list[harness.Result]:
        self.name = name
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            path = Path(folder)
            with Sandbox(path / "sandbox", ["--seed", "empty"]) as sandbox, \
                    BenchServer(path / "odoo", self.copy_database, mode, load=["q2c_bench_floor"]) as server:
                return self._measure(server, self._connect(server, sandbox, path), CONNECTIONS[mode], path)

    def _connect(self, server: BenchServer, sandbox: Sandbox, folder: Path) -> dict[str, str]:
        return odoo_process.call(
            server.database, "tests.bench.connections:connect_for_webhooks", folder, provider="hubspot",
            sandbox_url=sandbox.url, known=sandbox.admin.get("/credentials")["hubspot"], live={"contacts": "always"},
        )

    def _measure(self, server: BenchServer, known: dict[str, str], many: int, folder: Path) -> list[harness.Result]:
        ours = f"{server.url}/crm_sync/webhook/{known['token']}"
        targets = {"ours": ours, "floor": f"{server.url}/bench/floor"}
        deliveries = Deliveries(ours, known)
        sent = 0

        def run(side: str, connections: int, count: int) -> Outcome:
            nonlocal sent
            sent += count if side == "ours" else 0
            return burst(deliveries.make(count, targets[side]), connections)

        for side in targets:
            run(side, many, WARM_UP)
        few = max(self.n // 4, 1)
        rates = self.interleave({side: lambda side=side: run(side, many, self.n).rate for side in targets})
        p95 = self.interleave({
            side: lambda side=side: run(side, FEW_CONNECTIONS, few).percentile(0.95) * 1000 for side in targets
        })
        odoo_process.call(server.database, f"{__name__}:take_in", folder)
        self._check(server, sent)
        return [
            harness.summarise(self.name, "requests/s", self.n, rates),
            harness.summarise(f"{self.name}_p95_at_{FEW_CONNECTIONS}", "ms", few, p95, less_is_better=True),
        ]

    def _check(self, server: BenchServer, sent: int) -> None:
        """Make sure that every delivery was stored and led to its job."""
        stored = server.sql("SELECT count(*), count(job_id) FROM sync_event WHERE verdict = 'accepted'")[0]
        assert stored == (sent, sent), f"{sent} deliveries, {stored[0]} events of which {stored[1]} have a job"
        assert not server.errors(), server.errors()[:3]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def take_in(env: Any) -> None:
    """Do what a lane does before it looks for jobs."""
    while env["sync.event"]._take_in():
        env.cr.commit()
