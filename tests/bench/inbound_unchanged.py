"""Records that are known and did not change, looked at again.

Two ways: the provider says that they are newer (somebody edited what is not mapped), so
that they are read and compared; or a poll from the beginning finds their versions known.
*Peer* is Odoo's own import (`load`) of the same rows of the same database.
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

PEER_SHARE = 10  # the peer looks at a tenth of the records: it takes some 15 ms for each
COLUMNS = ("id", "name", "is_company", "street", "city", "zip", "country_id/id", "phone", "email", "website", "type")


class InboundUnchanged(harness.Bench):
    """See the module; ``n`` is companies plus contacts."""

    name = "inbound_unchanged"
    default_n = 10_000

    def run(self) -> list[harness.Result]:
        """Import once; then each round looks at the same records both ways."""
        self.n -= self.n % 2
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            imported = Import(self, Path(folder), sandbox, self.n)
            with imported.database() as name:
                def call(function: str, **arguments: Any) -> Any:
                    return odoo_process.call(name, f"{__name__}:{function}", Path(folder), **arguments)

                call("import_all", **imported.arguments)
                loaded = max(self.n // PEER_SHARE, 1)
                samples = self.interleave({
                    "ours": lambda: self.n / call("read_again"),
                    "known": lambda: self.n / call("poll_again"),
                    "peer": lambda: loaded / call("load_again", count=loaded),
                })
        known = {"ours": samples.pop("known"), "peer": samples["peer"]}
        return [
            harness.summarise(self.name, "records/s", self.n, samples),
            harness.summarise(f"{self.name}_same_version", "records/s", self.n, known),
        ]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def import_all(env: Any, **arguments: Any) -> None:
    """Make the records known."""
    import_by_poll(env, **arguments)


def read_again(env: Any) -> float:
    """Forget the versions only, poll from the beginning; return the seconds."""
    # What a worker's process loads once, modules and addresses, is no part of a look. What was read
    # in the moment in which it was made is read once more: it might have changed again in it.
    _poll_all(env)
    env.cr.execute("UPDATE sync_binding SET version = '0'")
    return _poll_all(env, pages_expected=True)


def poll_again(env: Any) -> float:
    """Poll from the beginning; return the seconds."""
    return _poll_all(env, pages_expected=False)


def _poll_all(env: Any, pages_expected: bool | None = None) -> float:
    flows = live_flows(env, FLOWS)
    flows.poll_cursor = False
    writes = _last_write(env)
    last_job = env["sync.job"].search([], order="id desc", limit=1).id
    env.cr.commit()
    started = time.perf_counter()
    flows._enqueue_poll()
    env.cr.commit()
    drain(env, flows.connection_id)
    seconds = time.perf_counter() - started
    pages = env["sync.job"].search([("id", ">", last_job), ("kind", "=", "page")])
    assert pages_expected in (None, bool(pages)), f"{len(pages)} page jobs"
    assert set(pages.mapped("state")) <= {"done"}
    assert _last_write(env) == writes, "records were written although nothing had changed"
    return seconds


def _last_write(env: Any) -> Any:
    env.cr.execute("SELECT max(write_date), (SELECT count(*) FROM sync_change) FROM res_partner")
    return env.cr.fetchone()


def load_again(env: Any, count: int) -> float:
    """Import unchanged rows by their external ids, as a CSV file would; return the seconds."""
    env.cr.execute("SELECT res_id FROM sync_binding WHERE model = 'res.partner' ORDER BY id LIMIT %s", [count])
    partners = env["res.partner"].browse([row[0] for row in env.cr.fetchall()])
    exported = partners.export_data(list(COLUMNS))["datas"]  # gives them external ids
    rows = [["" if value is False else str(value) for value in row] for row in exported]
    env.cr.commit()
    env.invalidate_all()
    started = time.perf_counter()
    result = env["res.partner"].with_context(tracking_disable=True).load(list(COLUMNS), rows)
    env.cr.commit()
    assert result["ids"], result["messages"][:3]
    return time.perf_counter() - started
