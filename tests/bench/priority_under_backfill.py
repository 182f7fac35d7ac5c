"""The latency of webhooks while a backfill keeps the lanes busy.

Companies and contacts of one provider are imported by poll and page jobs on the same
lanes that the other provider's webhooks need. The backfill must last as long as the
measurement: otherwise there is no figure.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness, odoo_process, webhook_latency
from .connections import connect
from .inbound_customers import FLOWS
from .servers import THREADED

DELIVERIES = 30


class PriorityUnderBackfill(harness.Bench):
    """See the module; ``n`` is records of the backfill."""

    name = "priority_under_backfill"
    default_n = 100_000

    def run(self) -> list[harness.Result]:
        """Start the backfill, deliver webhooks meanwhile."""
        count = min(DELIVERIES, max(self.n // 500, 2))
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            path = Path(folder)
            sandbox.admin.post("/salesforce/generate", {"accounts": self.n // 2, "contacts_each": 1})
            total = count + webhook_latency.WARM_UP
            with webhook_latency.latency(self, path, sandbox, THREADED, total) as (server, measured):
                odoo_process.call(
                    server.database, f"{__name__}:start_backfill", path, sandbox_url=sandbox.url,
                    known=sandbox.admin.get("/credentials")["salesforce"])
                server.wait_for(lambda: self._left(server), "a page of the backfill")
                values = measured.measure(count)
                left = self._left(server)
                applied = server.sql("SELECT count(*) FROM sync_binding WHERE remote_object IN ('Account', 'Contact')")
        return [webhook_latency.summarise(
            self.name, self.n, [values], deliveries=count, backfill_applied=applied[0][0], backfill_pages_left=left)]

    def _left(self, server: Any) -> int:
        """How many jobs of the backfill wait or run."""
        return server.sql("SELECT count(*) FROM sync_job WHERE kind = 'page' AND state IN ('pending', 'running')")[0][0]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def start_backfill(env: Any, sandbox_url: str, known: dict[str, Any]) -> None:
    """Have everything polled; the server's lanes do the rest."""
    connection = connect(env, "salesforce", sandbox_url, known, FLOWS)
    connection.flow_ids.filtered(lambda flow: flow.code in FLOWS)._enqueue_poll()
    env["sync.lane"]._wake_now()
    env.cr.commit()
