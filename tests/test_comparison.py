"""Deals that travelled from quote to cash, compared across CRM, Odoo and Stripe."""

from __future__ import annotations

import time

import pytest

from cli import demo
from cli.environment import Environment

QUIET_SECONDS = 10
CRMS = (demo.SALESFORCE, demo.HUBSPOT)

#: what each of the three systems must have said of a deal whose money reached the bank
COMPARED = {
    "in_force", "customer", "currency", "line_count", "untaxed", "tax", "total", "order_number", "order_status",
    "invoice_numbers", "invoice_status", "amount_paid", "payment_status", "charged_invoices", "amount_charged",
    "amount_refunded", "fee", "payouts", "payout_status",
}


@pytest.fixture(scope="module")
def travelled(odoo_server, sandbox):
    """Both deals of the demonstration have reached the bank."""
    demo.travel(Environment.of(odoo_server.url, sandbox.url, odoo_server.database))
    odoo_server.wait_for(
        lambda: not odoo_server.sql("SELECT 1 FROM sync_job WHERE state IN ('pending', 'running') AND kind != 'poll'"),
        "all jobs to end",
    )


def deal_of(sandbox, crm: demo.Crm) -> str:
    """Return the id of the deal that travelled."""
    return sandbox.admin.get(f"/{crm.provider}/demo")[crm.demo_key]


def compare(server, number: str) -> tuple[dict, dict[str, tuple]]:
    """Enter a number of a deal in the dialog; return the comparison and its rows by fact."""
    wizard = server.rpc("q2c.comparison.wizard", "create", [{"query": number}])
    action = server.rpc("q2c.comparison.wizard", "action_compare", wizard)
    (comparison,) = server.rpc(
        "q2c.comparison", "read", [action["res_id"]],
        ["verdict", "difference_count", "unread_count", "systems", "order_id", "correlation_id", "billing_reference"],
    )
    lines = server.rpc(
        "q2c.comparison.line", "search_read", [("comparison_id", "=", comparison["id"])],
        ["fact", "crm_value", "erp_value", "billing_value", "verdict"],
    )
    rows = {
        line["fact"]: (line["crm_value"], line["erp_value"], line["billing_value"], line["verdict"]) for line in lines
    }
    return comparison, rows


def differing(rows: dict[str, tuple]) -> set[str]:
    """Return the facts that differ."""
    return {fact for fact, row in rows.items() if row[-1] == "different"}


@pytest.mark.parametrize("crm", CRMS, ids=lambda crm: crm.provider)
def test_three_systems_say_the_same_of_a_deal(odoo_server, sandbox, travelled, crm):
    comparison, rows = compare(odoo_server, deal_of(sandbox, crm))
    assert differing(rows) == set()
    assert (comparison["verdict"], comparison["unread_count"]) == ("equal", 0)
    assert {fact for fact, row in rows.items() if row[-1] == "equal"} == COMPARED
    assert crm.label in comparison["systems"]
    assert "Stripe" in comparison["systems"]
    assert all(rows["customer"]) and all(rows["currency"])
    assert rows["total"][0] == rows["total"][1]
    assert comparison["correlation_id"]


def test_every_number_of_the_deal_leads_to_it(odoo_server, sandbox, travelled):
    deal_id = deal_of(sandbox, demo.SALESFORCE)
    comparison, rows = compare(odoo_server, deal_id)
    numbers = [deal_id[:15], comparison["order_id"][1], rows["invoice_numbers"][1], comparison["billing_reference"]]
    for number in numbers:
        assert compare(odoo_server, number)[0]["order_id"] == comparison["order_id"], number


def test_somebody_changes_the_amount_in_the_crm(odoo_server, sandbox, travelled):
    deal_id = deal_of(sandbox, demo.SALESFORCE)
    record = f"/salesforce/records/Opportunity/{deal_id}"
    before = sandbox.admin.get(record)["Odoo_Amount_Paid__c"]
    sandbox.admin.request("PATCH", record, {"Odoo_Amount_Paid__c": 1.5})
    try:
        comparison, rows = compare(odoo_server, deal_id)
    finally:
        sandbox.admin.request("PATCH", record, {"Odoo_Amount_Paid__c": before})
    assert comparison["verdict"] == "different"
    assert differing(rows) == {"amount_paid"}
    assert rows["amount_paid"][0].startswith("1.50 ")
    assert compare(odoo_server, deal_id)[0]["verdict"] == "equal"


def test_money_is_given_back_behind_odoos_back(odoo_server, sandbox, travelled):
    deal_id = deal_of(sandbox, demo.HUBSPOT)
    charge_id = compare(odoo_server, deal_id)[0]["billing_reference"]
    sandbox.admin.post(f"/stripe/charges/{charge_id}/refund", {"amount": 100})
    comparison, rows = compare(odoo_server, deal_id)
    assert comparison["verdict"] == "different"
    assert "amount_refunded" in differing(rows)


def test_a_crm_that_is_down_makes_it_incomplete(odoo_server, sandbox, travelled):
    deal_id = deal_of(sandbox, demo.SALESFORCE)
    for fault in ({"kind": "status", "status": 503}, {"kind": "drop_before"}):
        sandbox.admin.post("/faults", {"vendor": "salesforce", "times": 1000, **fault})
        try:
            comparison, rows = compare(odoo_server, deal_id)
        finally:
            sandbox.admin.delete("/faults")
        assert (comparison["verdict"], comparison["unread_count"]) == ("incomplete", 1)
        assert "could not be read: " in rows["answer"][0]
        assert rows["answer"][1:] == ("read", "read", "unread")
        assert rows["amount_charged"][-1] == "equal", "what the others say is compared all the same"
    assert compare(odoo_server, deal_id)[0]["verdict"] == "equal"
    assert not [line for line in odoo_server.errors() if "reconciliation" in line]


def touched(server) -> tuple:
    """Return how often the engine's tables were read or written, as PostgreSQL counts."""
    return server.sql(
        """
        SELECT sum(seq_scan), sum(idx_scan), sum(n_tup_ins + n_tup_upd + n_tup_del)
          FROM pg_stat_user_tables WHERE relname LIKE 'sync\\_%'
        """
    )[0]


def test_an_engine_that_has_nothing_to_do_asks_the_database_nothing(odoo_server, travelled):
    # Once a minute of activity is over it is counted; from then on nobody looks.
    def quiet() -> bool:
        before = touched(odoo_server)
        time.sleep(QUIET_SECONDS)
        return touched(odoo_server) == before

    odoo_server.wait_for(quiet, "a while without a query", 120)
