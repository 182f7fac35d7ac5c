"""A dry run of companies and contacts of which a third is new, a third changed, a third equal.

*Ours* is everything from the first request to the last stored difference; *peer* is the
first load of the same records for real, on the same database right afterwards (the dry run
left it alone). Both must come to the same: record by record, field by field.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from cli.console import say
from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import live_flows
from .inbound_customers import FLOWS, Import, drain, import_by_poll


class DryRun(harness.Bench):
    """See the module; ``n`` is companies plus contacts, half of each."""

    name = "dry_run"
    default_n = 10_000

    def run(self) -> list[harness.Result]:
        """Each round has a sandbox and a database of its own."""
        self.n = max(self.n // 6, 1) * 6
        samples: dict[str, list[float]] = {"ours": [], "peer": []}
        differences = 0
        for number in range(self.rounds):
            with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                    Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
                answer = self._round(Path(folder), sandbox)
            for side, figures in samples.items():
                figures.append(self.n / answer[side])
            differences = answer["differences"]
            say(f"  {self.name} round {number + 1}/{self.rounds} planned in {answer['ours']:.1f} s,"
                f" loaded in {answer['peer']:.1f} s")
        return [harness.summarise(self.name, "records/s", self.n, samples, extra={"differences": differences})]

    def _round(self, folder: Path, sandbox: Sandbox) -> dict[str, Any]:
        known = Import(self, folder, sandbox, self.n // 3 * 2)
        with known.database() as name:
            odoo_process.call(name, f"{__name__}:know_and_age", folder, **known.arguments)
            sandbox.admin.post("/salesforce/generate", {"accounts": self.n // 6, "contacts_each": 1})
            return odoo_process.call(name, f"{__name__}:plan_then_load", folder, expected=self.n)


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def know_and_age(env: Any, **arguments: Any) -> None:
    """Import two thirds of the records, then let half of these differ in Odoo."""
    import_by_poll(env, **arguments)
    env.cr.execute(
        """
        WITH aged AS (UPDATE sync_binding SET fingerprint_in = NULL
                       WHERE model = 'res.partner' AND res_id % 2 = 0 RETURNING res_id)
        UPDATE res_partner SET phone = '0', name = name || ' (old)' WHERE id IN (SELECT res_id FROM aged)
        """
    )
    env.cr.commit()


def plan_then_load(env: Any, expected: int) -> dict[str, Any]:
    """Plan all records, then load them; return the seconds of both.

    :raise AssertionError: when the load did anything else than was planned
    """
    planned, ours = _pass(env, dry_run=True)
    loaded, peer = _pass(env, dry_run=False)
    own = [row for row in planned if not row[-1]]
    assert len(own) == expected, f"{len(own)} of {expected} records were planned"
    assert own == [row for row in loaded if not row[-1]], "what was loaded is not what was planned"
    verdicts = {row[2] for row in own}
    assert verdicts == {"create", "update", "unchanged"}, verdicts
    return {"ours": ours, "peer": peer, "differences": sum(row[2] != "unchanged" for row in own)}


def _pass(env: Any, dry_run: bool) -> tuple[list[tuple[Any, ...]], float]:
    """Return what became of each record, with its fields, and the seconds."""
    flows = live_flows(env, FLOWS)
    env.invalidate_all()
    started = time.perf_counter()
    runs = [env["sync.run"]._start_pass(flow, dry_run=dry_run) for flow in flows]
    env.cr.commit()
    drain(env, flows.connection_id)
    seconds = time.perf_counter() - started
    env.cr.execute(
        """
        SELECT l.remote_object, l.external_id, l.verdict, c.values - 'parent_id', l.needed
          FROM sync_run_line l
          LEFT JOIN sync_change c ON c.run_id = l.run_id AND c.remote_object = l.remote_object
                                 AND c.external_id = l.external_id
         WHERE l.run_id = ANY(%s)
         ORDER BY l.remote_object, l.external_id
        """,
        [[run.id for run in runs]],
    )
    return env.cr.fetchall(), seconds
