"""Partners that changed in Odoo, until the provider knows it.

What counts is how often the provider is called and how many queries a record takes.
*Floor* is the connector's client alone: the same values, in the provider's own batch
size, over the same HTTP.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import live_flows
from .inbound_customers import FLOWS, Import, drain, import_by_poll

CHANGE_BATCH = 1000
CODE = "bench_phones"


class OutboundCustomers(harness.Bench):
    """See the module; ``n`` is changed partners."""

    name = "outbound_customers"
    default_n = 10_000

    def run(self) -> list[harness.Result]:
        """Import once; each round changes all companies and contacts."""
        self.n -= self.n % 2
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            imported = Import(self, Path(folder), sandbox, self.n)
            rounds: list[dict[str, float]] = []
            with imported.database() as name:
                def call(function: str, **arguments: Any) -> Any:
                    return odoo_process.call(name, f"{__name__}:{function}", Path(folder), **arguments)

                call("import_and_prepare", **imported.arguments)

                def ours() -> float:
                    since = sandbox.admin.get("/calls", limit=0)["last_seq"]
                    answer = call("change_and_push", prefix=f"+1 {len(rounds)}")
                    calls = sandbox.admin.get("/calls", vendor="salesforce", since=since, limit=0)
                    answer["calls"] = calls["total"]
                    rounds.append(answer)
                    return self.n / answer["seconds"]

                samples = self.interleave({"ours": ours, "floor": lambda: self.n / call("push_only")})
        last = rounds[-1]
        return [harness.summarise(self.name, "records/s", self.n, samples, extra={
            "vendor_calls": last["calls"],
            "vendor_calls_needed": last["needed"],
            "vendor_calls_ratio": round(last["calls"] / last["needed"], 3),
            "queries_per_record": round(last["queries"] / self.n, 3),
        })]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def import_and_prepare(env: Any, **arguments: Any) -> None:
    """Make the records known and switch on a flow for each object that tells phone numbers."""
    import_by_poll(env, **arguments)
    connection = live_flows(env, FLOWS).connection_id
    for name in ("Account", "Contact"):
        env["sync.flow.template"]._create_flow(connection, {
            "code": f"{CODE}_{name}", "name": f"Phones → {name}", "remote_object": name, "model": "res.partner",
            "direction": "outbound", "handler": "outbound", "create_policy": "never", "poll": False,
            "domain": f"[('is_company', '=', {name == 'Account'})]",
            "rules": [{"path": "Phone", "field": "phone", "label": "Phone", "direction": "outbound"}],
        }).action_go_live()
    live_flows(env, FLOWS).action_switch_off()
    env.cr.commit()


def change_and_push(env: Any, prefix: str) -> dict[str, float]:
    """Give every known partner another number; measure from the commit to the last job."""
    connection = env["sync.connection"].search([("provider", "=", "salesforce")], limit=1)
    bindings = env["sync.binding"].search([("connection_id", "=", connection.id)])
    partners = env["res.partner"].with_context(tracking_disable=True).browse(bindings.mapped("res_id"))
    for start in range(0, len(partners), CHANGE_BATCH):
        for partner in partners[start:start + CHANGE_BATCH]:
            partner.phone = f"{prefix} {partner.id:07d}"
        env.cr.commit()
    queries, started = env.cr.sql_log_count, time.perf_counter()
    drain(env, connection)
    seconds = time.perf_counter() - started
    queries = env.cr.sql_log_count - queries
    flows = _flows(env)
    done = env["sync.job"].search_count([("flow_id", "in", flows.ids), ("summary", "like", "Updated")])
    assert done % len(partners) == 0, f"{done} writes of {len(partners)} partners"
    needed = sum(-(-_count(env, flow) // flow._remote().write_batch) for flow in flows)
    return {"seconds": seconds, "queries": queries, "needed": needed}


def push_only(env: Any) -> float:
    """Write the same values with the client alone; return the seconds."""
    seconds = 0.0
    for flow in _flows(env):
        env.cr.execute(
            "SELECT b.external_id, p.phone FROM sync_binding b JOIN res_partner p ON p.id = b.res_id "
            "WHERE b.remote_object = %s", [flow.remote_object])
        rows = [{"Id": external_id, "Phone": phone} for external_id, phone in env.cr.fetchall()]
        client = flow._connector()._client(flow.connection_id)
        client.describe(flow.remote_object)  # logs in, as our side's first batch does
        started = time.perf_counter()
        results = client.update_many(flow.remote_object, rows)
        seconds += time.perf_counter() - started
        assert not any(result.error for result in results)
    return seconds


def _flows(env: Any) -> Any:
    return live_flows(env, [f"{CODE}_Account", f"{CODE}_Contact"])


def _count(env: Any, flow: Any) -> int:
    return env["sync.binding"].search_count([("remote_object", "=", flow.remote_object)])
