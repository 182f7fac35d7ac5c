"""A thousand proposals approved at once, beside the plain batched write of the same values.

*Ours* is `action_approve` on all of them, to the commit: locks, comparison with what Odoo
has, rules, the writes, change ledger, bindings, the decisions. *Peer* is the engine's own
batched write: the same documents without an approval rule. *Floor* is the ORM writing the
same values to the same records, without tracking, and nothing else.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import live_flows
from .inbound_customers import _QUIET, FLOWS, Import, import_by_poll


class ApproveMany(harness.Bench):
    """See the module; ``n`` is proposals."""

    name = "approve_many"
    default_n = 1000

    def run(self) -> list[harness.Result]:
        """Import companies once; each round proposes new websites for all of them."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            imported = Import(self, Path(folder), sandbox, 2 * self.n)
            with imported.database() as name:
                def call(function: str, **arguments: Any) -> Any:
                    return odoo_process.call(name, f"{__name__}:{function}", Path(folder), **arguments)

                call("import_and_gate", **imported.arguments)
                rounds = iter(range(10_000))
                samples = self.interleave({
                    "ours": lambda: self.n / call("approve_all", number=next(rounds), count=self.n),
                    "peer": lambda: self.n / call("apply_all", number=next(rounds), count=self.n),
                    "floor": lambda: self.n / call("write_all", number=next(rounds), count=self.n),
                })
        return [harness.summarise(self.name, "records/s", self.n, samples)]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def import_and_gate(env: Any, **arguments: Any) -> None:
    """Make the companies known and let their websites wait for an approval."""
    import_by_poll(env, **arguments)
    field = env["ir.model.fields"]._get("res.partner", "website")
    env["sync.approval.rule"].create({"name": "Websites", "field_ids": [(4, field.id)]})
    approvers = env.ref("crm_sync_base.group_sync_approver")
    env["res.users"].create({"name": "Approver", "login": "bench-approver", "group_ids": [(4, approvers.id)]})
    env.cr.commit()


def approve_all(env: Any, number: int, count: int) -> float:
    """Propose a new website for every company, the way a batch does; return the seconds of the approval."""
    flow = live_flows(env, {"accounts": FLOWS["accounts"]})
    partners = _companies(env, flow, count)
    _arrive(env, flow, partners, number)
    user = env["res.users"].search([("login", "=", "bench-approver")])
    waiting = env["sync.proposal"].with_user(user).search([("state", "=", "pending")])
    assert len(waiting) == count, f"{len(waiting)} proposals, {count} companies"
    changes = env["sync.change"].search_count([])
    env.cr.commit()
    env.invalidate_all()
    started = time.perf_counter()
    waiting.action_approve()
    env.cr.commit()
    seconds = time.perf_counter() - started
    assert set(waiting.mapped("state")) == {"applied"}, waiting.filtered("trouble")[:1].trouble
    assert set(partners.mapped("website")) == set(_websites(partners, number)), "not everything was written"
    assert env["sync.change"].search_count([]) == changes + count
    return seconds


def _arrive(env: Any, flow: Any, partners: Any, number: int) -> float:
    """Let documents with other websites arrive on the engine's own way; return the seconds."""
    from odoo.addons.crm_sync_base.lib.unit import Unit

    bindings = env["sync.binding"]._for_records(flow.connection_id, flow.remote_object, partners)
    path = flow.mapping_id.rule_ids.filtered(lambda rule: rule.field_name == "website").remote_path
    job = env["sync.job"].search([("flow_id", "=", flow.id)], limit=1)
    handler = flow._handler("record")
    documents = handler._read_documents(flow, [one.external_id for one in bindings.values()], {job}).found
    units = []
    for partner, website in zip(partners, _websites(partners, number), strict=True):
        unit = Unit(flow, job, bindings[partner.id].external_id)
        document = documents[unit.external_id]
        unit.document = replace(document, data={**document.data, path: website})
        units.append(unit)
    started = time.perf_counter()
    handler._apply_isolated(flow, units)
    env.cr.commit()
    seconds = time.perf_counter() - started
    failed = [unit.error.message for unit in units if unit.error]
    assert not failed, failed[0]
    return seconds


def apply_all(env: Any, number: int, count: int) -> float:
    """Apply the same documents where nothing gates them; return the seconds."""
    flow = live_flows(env, {"accounts": FLOWS["accounts"]})
    partners = _companies(env, flow, count)
    rule = env["sync.approval.rule"].search([("name", "=", "Websites")])
    rule.active = False
    seconds = _arrive(env, flow, partners, number)
    assert set(partners.mapped("website")) == set(_websites(partners, number)), "not everything was written"
    rule.active = True
    env.cr.commit()
    return seconds


def write_all(env: Any, number: int, count: int) -> float:
    """Write a new website to every company, plainly; return the seconds."""
    flow = live_flows(env, {"accounts": FLOWS["accounts"]})
    partners = _companies(env, flow, count).with_context(**_QUIET)
    websites = _websites(partners, number)
    env.cr.commit()
    env.invalidate_all()
    started = time.perf_counter()
    for partner, website in zip(partners, websites, strict=True):
        partner.write({"website": website})
    env.cr.commit()
    return time.perf_counter() - started


def _companies(env: Any, flow: Any, count: int) -> Any:
    bindings = env["sync.binding"].search(
        [("connection_id", "=", flow.connection_id.id), ("remote_object", "=", flow.remote_object)], limit=count
    )
    return env["res.partner"].browse(bindings.mapped("res_id"))


def _websites(partners: Any, number: int) -> list[str]:
    return [f"https://{number}.{partner.id}.example" for partner in partners]
