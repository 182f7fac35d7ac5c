"""Remote records that are not bound look for their Odoo record, among few and among many.

There is nothing to compare with: *floor* is the cost of a record among a tenth of the
partners, *ours* that among all of them, so the ratio says how much of it is left. It is the
engine's own planning of whole pages: mapping, look-ups, all rungs of the ladder, verdicts;
nothing is written. A third of the records is certain (tax number, e-mail, domain), a third
has a mistyped name and its postcode, a third is nobody we know. Postcodes are the same few
thousand among few and among many partners, so there are ten times as many in each.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

from cli import database

from . import harness, odoo_process

SHARE = 10  # among so many times fewer partners for comparison
PAGE = 500
POSTCODES = 5000
KINDS = ("exact", "fuzzy", "new")
FORMS = ("GmbH", "Ltd", "Inc.", "S.A.", "BV", "AG", "LLC", "")
STEMS = ("al ar be bor ca cor da del el fa fin ga gran ha hel in jo kal ki la lin ma mer mon na nor o per por "
         "quen ra ro sal san ser sil so sta ta ter tor u val ver vi wal wes zan").split()
TRADES = ("Foods Pumps Logistik Textiles Robotics Bakery Optics Timber Energy Foundry Chemicals Shipping Tools Press "
          "Brewing Software Plastics Medical Catering Steel Motors Paper Farms Ceramics Audio").split()


class MatchLadder(harness.Bench):
    """See the module; ``n`` is the number of partners among which ``n / 10`` records look."""

    name = "match_ladder"
    default_n = 100_000

    def run(self) -> list[harness.Result]:
        """Measure both databases in turn; a line for all records, and one for each kind."""
        sizes = {"ours": self.n, "floor": max(self.n // SHARE, 1)}
        extra: dict[str, dict[str, Any]] = {}
        costs: dict[str, dict[str, list[float]]] = {}
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            names = {side: database.copy_name("bench") for side in sizes}
            try:
                for side, name in names.items():
                    self.copy_database(name)
                    odoo_process.call(name, f"{__name__}:fill", Path(folder), count=sizes[side])

                def measure(side: str) -> float:
                    answer = odoo_process.call(
                        names[side], f"{__name__}:climb", Path(folder), count=self.n // SHARE)
                    extra[side] = {key: answer[key] for key in ("verdicts", "compared_each", "queries_a_page")}
                    for kind, cost in answer["cost"].items():
                        costs.setdefault(kind, {}).setdefault(side, []).append(cost)
                    return answer["cost_of_all"]

                samples = self.interleave({side: lambda side=side: measure(side) for side in sizes})
            finally:
                for name in names.values():
                    database.drop(name)
        size = self.n // SHARE
        of_kinds = [
            harness.summarise(
                f"{self.name}_{kind}", "ms/record", size // len(KINDS), costs[kind], less_is_better=True)
            for kind in KINDS
        ]
        return [harness.summarise(self.name, "ms/record", size, samples, less_is_better=True,
                                   extra={"outcome": extra}), *of_kinds]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def companies(count: int) -> list[dict[str, Any]]:
    """Return the same made-up companies every time; a longer list begins with the shorter one."""
    dice = random.Random(7)
    words = ["".join(parts).capitalize() for parts in product(STEMS, repeat=3)]
    rows = []
    for number in range(count):
        name = f"{dice.choice(words)} {dice.choice(TRADES)}"
        rows.append({
            "name": f"{name} {dice.choice(FORMS)}".strip(),
            "zip": f"{10000 + dice.randrange(POSTCODES)}",
            "vat": f"XX{100000000 + number}",
            "email": f"office@m{number}.example",
            "website": f"https://www.w{number}.example",
        })
    return rows


def fill(env: Any, count: int) -> int:
    """Put companies straight into the table, as an installation has them after years."""
    rows = companies(count)
    columns = ("name", "zip", "vat", "email", "website")
    # Rows like one that Odoo made itself, whatever columns the installed modules have added.
    first = env["res.partner"].create({"name": "First of All", "is_company": True})
    env.flush_all()
    env.cr.execute_values(
        f"""
        INSERT INTO res_partner
        SELECT (jsonb_populate_record(p, jsonb_build_object(
                    'id', n.id, 'commercial_partner_id', n.id, 'complete_name', n.name, 'email_normalized', n.email,
                    'name', n.name, 'zip', n.zip, 'vat', n.vat, 'email', n.email, 'website', n.website))).*
          FROM res_partner p,
               (SELECT nextval('res_partner_id_seq') AS id, v.*
                  FROM (VALUES %s) AS v (name, zip, vat, email, website)) AS n
         WHERE p.id = {first.id}
        """,
        [tuple(row[column] for column in columns) for row in rows],
        page_size=5000,
    )
    _make_flow(env)
    env.cr.commit()
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE res_partner")
    env.cr._cnx.autocommit = False
    return count


def _make_flow(env: Any) -> None:
    connection = env["sync.connection"].create(
        {"name": "Bench", "provider": "salesforce", "base_url": "http://127.0.0.1:9", "api_version": "60.0"})
    rules = [{"path": field, "field": field, "label": field} for field in ("name", "zip", "vat", "email", "website")]
    rules.append({"field": "is_company", "transform": "constant", "argument": "true", "label": "company"})
    env["sync.flow.template"]._create_flow(connection, {
        "code": "bench_match", "name": "Bench", "remote_object": "Account", "model": "res.partner", "poll": False,
        "rules": rules})


def documents(count: int) -> list[tuple[str, int, dict[str, Any]]]:
    """Return (kind, number of the company that it is, what the source says)."""
    dice = random.Random(11)
    found = []
    for number, row in enumerate(companies(count)):
        kind = KINDS[number % len(KINDS)]
        said: dict[str, Any] = {"name": row["name"], "zip": row["zip"]}
        if kind == "exact":
            field = ("vat", "email", "website")[number // len(KINDS) % 3]
            said = {"name": row["name"].upper(), "zip": None, field: row[field]}
        elif kind == "fuzzy":
            said["name"] = _mistyped(row["name"], dice)
        else:
            word = "".join(dice.choice("bcdfghklmnprstvwz") + dice.choice("aeiou") for _syllable in range(4))
            said = {"name": f"{word.capitalize()} {dice.choice(TRADES)}", "zip": row["zip"],
                    "vat": f"YY{number + 10**8}", "email": f"info@n{number}.example"}
        found.append((kind, number, said))
    return found


def _mistyped(name: str, dice: random.Random) -> str:
    """Return a name with one letter too few, or two of them in the wrong order."""
    place = dice.randrange(1, len(name.partition(" ")[0]) - 1)
    if dice.random() < 0.5:
        return name[:place] + name[place + 1:]
    return name[:place] + name[place + 1] + name[place] + name[place + 2:]


def climb(env: Any, count: int) -> dict[str, Any]:
    """Plan documents in pages of one kind; return milliseconds a record and what came of them.

    :raise AssertionError: when what is certain was not found, or strangers were bound
    """
    flow = env["sync.flow"].search([("code", "=", "bench_match")])
    env.cr.execute("SELECT id, vat FROM res_partner WHERE vat LIKE 'XX1%%'")
    ids = {int(vat[2:]) - 100000000: partner_id for partner_id, vat in env.cr.fetchall()}
    job = _page_job(env, flow)
    counter = _count_ratings()
    seconds: Counter[str] = Counter()
    verdicts: Counter[str] = Counter()
    queries: list[int] = []
    rows = documents(count)
    _plan(env, flow, job, rows[:10])  # what is read once in a process
    for kind in KINDS:
        mine = [row for row in rows if row[0] == kind]
        for start in range(0, len(mine), PAGE):
            page = mine[start:start + PAGE]
            units, spent, asked = _plan(env, flow, job, page)
            seconds[kind] += spent
            queries.append(asked)
            for unit, (_kind, number, _said) in zip(units, page):
                verdicts[f"{kind}: {_outcome(unit, ids[number])}"] += 1
    _check(verdicts)
    total = len(rows)
    return {
        "cost_of_all": sum(seconds.values()) * 1000 / total,
        "cost": {kind: seconds[kind] * 1000 * len(KINDS) / total for kind in KINDS},
        "verdicts": dict(sorted(verdicts.items())),
        "compared_each": round(counter["rated"] / total, 2),
        "queries_a_page": max(queries),
    }


def _page_job(env: Any, flow: Any) -> Any:
    [job] = env["sync.job"]._enqueue([{
        "flow": flow, "kind": "page", "idempotency_key": "bench", "lane_key": "bench", "name": "Bench",
        "payload": {"ids": []}}])
    return env["sync.job"].browse(job["id"])


def _count_ratings() -> Counter[str]:
    """Count how many pairs are compared, in this process."""
    from odoo.addons.crm_sync_base.lib import matching

    counter: Counter[str] = Counter()
    rate = matching.rate

    def counted(*arguments: Any) -> Any:
        counter["rated"] += 1
        return rate(*arguments)

    matching.rate = counted
    return counter


def _plan(env: Any, flow: Any, job: Any, page: list[Any]) -> tuple[list[Any], float, int]:
    """Plan one page as the engine does; return its units, seconds and queries."""
    from odoo.addons.crm_sync_base.lib.declarations import Document
    from odoo.addons.crm_sync_base.lib.unit import Unit

    handler = flow._handler("record")
    units = []
    for _kind, number, said in page:
        unit = Unit(flow, job, f"remote-{number}")
        unit.document = Document(unit.external_id, said, "1")
        units.append(unit)
    env.flush_all()
    env.invalidate_all()
    asked = env.cr.sql_log_count
    started = time.perf_counter()
    handler._plan(handler._as_service(flow), flow, units, {}, depth=0)
    return units, time.perf_counter() - started, env.cr.sql_log_count - asked


def _outcome(unit: Any, partner_id: int) -> str:
    verdict = unit.match
    if verdict.action == "create":
        return "new"
    right = partner_id in [candidate.key for candidate in verdict.candidates]
    return f"{verdict.action} {'right' if right else 'wrong'}"


def _check(verdicts: Counter[str]) -> None:
    """Make sure that what was measured is the work, and done well."""
    of = {kind: sum(count for key, count in verdicts.items() if key.startswith(kind)) for kind in KINDS}
    assert verdicts["exact: bind right"] >= 0.99 * of["exact"], verdicts
    found = verdicts["fuzzy: bind right"] + verdicts["fuzzy: review right"]
    assert found >= 0.95 * of["fuzzy"], verdicts
    assert verdicts["new: bind wrong"] == verdicts["new: bind right"] == 0, verdicts
    assert verdicts["new: new"] >= 0.97 * of["new"], verdicts
