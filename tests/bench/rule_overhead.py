"""New companies under a mapping of 40 rules, beside the same under five plain ones.

The 40 rules have value maps, look-ups, formulas, templates, cleaned texts, phone numbers,
money, conditions, owners and write policies, and fill 40 fields, of which most were made
for this. *Peer* is the import of the same companies with five rules of the kind "as it is".
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness, odoo_process
from .connections import connect
from .inbound_customers import Import, check, drain

FLOW = {"accounts": "always"}

PLAIN: list[dict[str, Any]] = [
    {"path": "Name", "field": "name", "required": True},
    {"path": "Website", "field": "website"},
    {"path": "Phone", "field": "phone"},
    {"path": "BillingStreet", "field": "street"},
    {"path": "BillingCity", "field": "city"},
]

#: what becomes of an account, again and again, in fields of its own
_KINDS: list[dict[str, Any]] = [
    {"path": "BillingCity", "transform": "text", "argument": "collapse upper"},
    {"path": "BillingCountry", "transform": "value_map", "value_map": "Regions"},
    {"path": "Type", "transform": "value_map", "value_map": "Kinds", "policy": "fill_empty"},
    {"path": "Phone", "transform": "phone", "argument": "BillingCountry", "owner": "shared", "conflict": "newest"},
    {"transform": "template", "argument": "{Name}[ ({BillingCity})]", "policy": "create_only"},
    {"path": "AccountNumber", "transform": "expression", "argument": 'concat(left(value, 3), "/", right(value, 6))'},
    {"path": "CreatedDate", "transform": "expression", "argument": "text(year(value)) + '-' + text(month(value))",
     "owner": "odoo"},
    {"path": "Name", "transform": "text", "argument": "lower first:20", "policy": "protected",
     "protected_domain": "[('active', '=', False)]"},
]

TABLES = {
    "Regions": {"US": "Americas", "DE": "Europe", "FR": "Europe", "GB": "Europe"},
    "Kinds": {"Prospect": "lead", "Customer": "customer"},
}


def many_rules() -> list[dict[str, Any]]:
    """The 40 rules: the five plain ones, what is linked, and 33 of fields of their own."""
    rules = [*PLAIN, {"path": "BillingCountry", "field": "country_id", "transform": "country"},
             {"field": "is_company", "transform": "constant", "argument": "true"}]
    number = 0
    while len(rules) < 40:
        rules.append({**_KINDS[number % len(_KINDS)], "field": f"x_bench_{number}", "label": f"Bench {number}"})
        number += 1
    return rules


class RuleOverhead(harness.Bench):
    """See the module; ``n`` is companies."""

    name = "rule_overhead"
    default_n = 5_000

    def run(self) -> list[harness.Result]:
        """Measure both sides on fresh databases, each in a process of its own."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            imported = Import(self, Path(folder), sandbox, 2 * self.n, contacts_each=0)
            samples = self.interleave({
                "ours": lambda: self._measure(imported, many=True),
                "peer": lambda: self._measure(imported, many=False),
            })
        return [harness.summarise(self.name, "records/s", self.n, samples)]

    def _measure(self, imported: Import, many: bool) -> float:
        with imported.database() as name:
            def call(function: str, **arguments: Any) -> Any:
                folder = imported.values_file.parent
                return odoo_process.call(name, f"{__name__}:{function}", folder, **arguments)

            # In a process before the measured one: new fields make a new registry.
            call("make_fields")
            return self.n / call("import_companies", **{**imported.arguments, "expected": self.n}, many=many)


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def make_fields(env: Any) -> None:
    """Give partners the fields that the rules fill; on both sides, so both have them."""
    names = [rule["field"] for rule in many_rules() if rule["field"].startswith("x_")]
    model = env["ir.model"]._get("res.partner")
    env["ir.model.fields"].create(
        [{"name": name, "field_description": name, "model_id": model.id, "ttype": "char"} for name in names]
    )
    env.cr.commit()


def import_companies(env: Any, sandbox_url: str, known: dict[str, Any], expected: int, many: bool) -> float:
    """Import companies with many or few rules; return the seconds.

    :raise AssertionError: when anything was not applied exactly once
    """
    connection = connect(env, "salesforce", sandbox_url, known, FLOW)
    flow = connection.flow_ids.filtered(lambda flow: flow.code in FLOW)
    _activate(env, flow, many_rules() if many else PLAIN)
    env.invalidate_all()
    started = time.perf_counter()
    flow._enqueue_poll()
    env.cr.commit()
    drain(env, connection)
    seconds = time.perf_counter() - started
    check(env, connection, expected)
    partner = env["res.partner"].search([("website", "like", "//bulk")], limit=1)
    assert bool(many) == bool(partner.x_bench_0), "the mapping was not the one to measure"
    return seconds


def _activate(env: Any, flow: Any, rules: list[dict[str, Any]]) -> None:
    """Give a flow a mapping of these rules, reviewed by somebody else."""
    draft = flow.mapping_id.copy()
    draft.rule_ids.unlink()
    for number, rule in enumerate(rules):
        env["sync.flow.template"]._create_rule(flow.connection_id, draft, rule, number)
    for table in draft.rule_ids.value_map_id:
        table.line_ids = [
            (0, 0, {"remote_value": remote, "odoo_value": local}) for remote, local in TABLES[table.name].items()
        ]
    draft.action_to_review()
    reviewer = env["res.users"].with_context(no_reset_password=True).create(
        {"name": "Reviewer", "login": "bench_reviewer",
         "group_ids": [(4, env.ref("crm_sync_base.group_sync_manager").id)]}
    )
    draft.with_user(reviewer).action_activate()
    assert len(flow.mapping_id.rule_ids) == len(rules)
    env.cr.commit()
