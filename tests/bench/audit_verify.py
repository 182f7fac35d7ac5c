"""The audit trail is verified: every change read again and compared with its seal.

The changes are those of `inbound_customers`: partners with ten fields. *Floor* reads the same
rows from the database, all columns as text, and does nothing with them. *Peer* is what others
do: an export that is hashed line by line, one record at a time through the ORM. The size of the
peer's sample is a hundredth.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from pathlib import Path
from typing import Any

from cli import database

from . import harness, odoo_process

BATCH = 1000  # changes that one transaction of the engine records
PEER_SHARE = 100
NAME = "bench_audit_verify"


class AuditVerify(harness.Bench):
    """See the module; ``n`` is changes in the chain."""

    name = "audit_verify"
    default_n = 1_000_000

    def run(self) -> list[harness.Result]:
        """Fill and seal a ledger once, then verify it in each round."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            self.copy_database(NAME)
            try:
                return [self._measure(Path(folder))]
            finally:
                database.drop(NAME)

    def _measure(self, folder: Path) -> harness.Result:
        def call(function: str, **arguments: Any) -> Any:
            return odoo_process.call(NAME, f"{__name__}:{function}", folder, **arguments)

        sealed = call("fill", count=self.n)
        sample = max(self.n // PEER_SHARE, 1)
        samples = self.interleave({
            "ours": lambda: self.n / call("verify", count=self.n),
            "floor": lambda: self.n / call("read", count=self.n),
            "peer": lambda: sample / call("hash_records", count=sample),
        })
        call("tampering_is_found", count=self.n)
        return harness.summarise(
            self.name, "changes/s", self.n, samples,
            extra={"seals": sealed["seals"], "sealed_per_second": round(self.n / sealed["seconds"])},
        )


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def fill(env: Any, count: int) -> dict[str, float]:
    """Record changes as the engine does, batch by batch, and seal them."""
    first = (env["sync.change"].search([], order="id desc", limit=1).id or 0) + 1
    env.cr.execute(
        """
        INSERT INTO sync_change (id, direction, operation, verdict, model, res_id, record_name, remote_object,
               external_id, values, correlation_id, company_id, user_id, create_uid, create_date)
        SELECT id, 'inbound', 'create', 'applied', 'res.partner', id, 'Account Customer ' || id, 'Account',
               '001' || lpad(id::text, 12, '0'),
               jsonb_build_object('name', jsonb_build_array(null, 'Customer ' || id),
                                  'email', jsonb_build_array(null, 'info' || id || '@customer.example'),
                                  'phone', jsonb_build_array(null, '+32 2 ' || id),
                                  'street', jsonb_build_array(null, id || ' Main Street'),
                                  'city', jsonb_build_array(null, 'Brussels'), 'zip', jsonb_build_array(null, '1000'),
                                  'country_id', jsonb_build_array(null, 20),
                                  'is_company', jsonb_build_array(false, true),
                                  'website', jsonb_build_array(null, 'https://customer.example'),
                                  'ref', jsonb_build_array(null, id::text)),
               md5(id::text), %(company)s, %(uid)s, %(uid)s, timezone('utc', now())
          FROM generate_series(%(first)s, %(last)s) AS numbers (id)
        """,
        {"first": first, "last": first + count - 1, "company": env.company.id, "uid": env.uid},
    )
    env.cr.execute("SELECT setval('sync_change_id_seq', %s)", [first + count])
    for start in range(first, first + count, BATCH):
        env["sync.seal.note"]._note(range(start, min(start + BATCH, first + count)))
    env.cr.commit()
    env.cr.execute("ANALYZE sync_change")
    env.cr.commit()
    started = time.perf_counter()
    while env["sync.seal"]._seal():
        env.cr.commit()
    return {"seconds": time.perf_counter() - started, "seals": env["sync.seal"].search_count([])}


def verify(env: Any, count: int) -> float:
    """Verify the whole chain as the scheduled action does; return the seconds."""
    started = time.perf_counter()
    check = _verified(env)
    seconds = time.perf_counter() - started
    assert (check.state, check.change_count) == ("intact", count), (check.state, check.change_count)
    return seconds


def _verified(env: Any) -> Any:
    check = env["sync.seal.check"]._begin()
    env.cr.commit()
    while check.state == "running":
        check._step()
        env.cr.commit()
    return check


def read(env: Any, count: int) -> float:
    """Read the same rows and do nothing with them; return the seconds."""
    columns = ", ".join(f'c."{name}"::text' for name in env["sync.change"]._sealed_columns())
    started = time.perf_counter()
    last, total = 0, 0
    while True:
        env.cr.execute(f"SELECT c.id, {columns} FROM sync_change c WHERE c.id > %s ORDER BY c.id LIMIT 20000", [last])
        rows = env.cr.fetchall()
        if not rows:
            break
        last, total = rows[-1][0], total + len(rows)
    assert total == count, total
    return time.perf_counter() - started


def hash_records(env: Any, count: int) -> float:
    """Hash records one by one, as a script would that reads them through the ORM; return the seconds."""
    changes = env["sync.change"].search([("verdict", "=", "applied")], limit=count)
    names = env["sync.change"]._sealed_columns()
    started = time.perf_counter()
    before = b""
    for change in changes:
        [values] = change.read(names, load=None)
        before = hashlib.sha256(before + repr(sorted(values.items())).encode()).digest()
    return time.perf_counter() - started


def tampering_is_found(env: Any, count: int) -> None:
    """One altered value among all of them is found and named: the bench measures a real look."""
    env.cr.execute("SELECT id FROM sync_change ORDER BY id OFFSET %s LIMIT 1", [count // 2])
    [altered] = env.cr.fetchone()
    env.cr.execute("ALTER TABLE sync_change DISABLE TRIGGER USER")
    env.cr.execute("UPDATE sync_change SET record_name = record_name || '.' WHERE id = %s", [altered])
    env.cr.execute("ALTER TABLE sync_change ENABLE TRIGGER USER")
    env.cr.commit()
    check = _verified(env)
    assert [(one.kind, one.change_number) for one in check.finding_ids] == [("altered", altered)]
