"""The whole story over real HTTP between real processes: from a won deal to the payout."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from cli import demo
from cli.demo_setup import Setup
from cli.environment import Environment

CRMS = (demo.SALESFORCE, demo.HUBSPOT)

#: Work goes on by itself so soon after a fault has ended.
RECOVERY_SECONDS = 60


def environment_of(odoo_server, sandbox) -> Environment:
    """Return what the demonstration works with."""
    return Environment.of(odoo_server.url, sandbox.url, odoo_server.database)


def bound(server, external_id: str, model: str) -> list[tuple[int]]:
    """Return the records of a model that a remote record is bound to."""
    return server.sql(
        "SELECT res_id FROM sync_binding WHERE external_id = %s AND model = %s", (external_id, model)
    )


def stripe_charges(sandbox) -> list[dict]:
    """Return every succeeded charge that Stripe holds."""
    known = sandbox.admin.get("/credentials")["stripe"]
    session = sandbox.admin._session
    answer = session.get(
        f"{sandbox.url}/stripe/v1/charges?limit=100",
        headers={"Authorization": f"Bearer {known['secret_key']}", "Stripe-Version": known["api_version"]},
        timeout=30,
    )
    return [charge for charge in answer.json()["data"] if charge["status"] == "succeeded"]


def assert_told_once(server, sandbox, crm: demo.Crm, deal_id: str) -> None:
    """Assert that a deal left exactly one of everything, with equal amounts in all systems."""
    ((order_id,),) = bound(server, deal_id, "sale.order")
    (order,) = server.rpc(
        "sale.order", "read", [order_id], ["name", "amount_total", "q2c_source_total", "invoice_ids", "partner_id"]
    )
    assert Decimal(f"{order['amount_total']:.2f}") == Decimal(order["q2c_source_total"])
    assert server.rpc("sale.order", "search_count", [("partner_id", "=", order["partner_id"][0])]) == 1
    assert len(order["invoice_ids"]) == 1
    (invoice,) = server.rpc(
        "account.move", "read", order["invoice_ids"],
        ["name", "amount_total", "payment_state", "amount_residual", "matched_payment_ids"],
    )
    assert invoice["amount_total"] == order["amount_total"]
    assert (invoice["payment_state"], invoice["amount_residual"]) == ("paid", 0.0)
    assert len(invoice["matched_payment_ids"]) == 1
    charges = [c for c in stripe_charges(sandbox) if invoice["name"] in str(c["metadata"])]
    assert [charge["amount"] for charge in charges] == [round(invoice["amount_total"] * 100)]
    order_field, invoice_field, status_field = crm.fields
    properties = crm.properties(sandbox.admin.get(crm.deal.format(id=deal_id).removeprefix("/_admin")))
    assert (properties[order_field], properties[invoice_field], properties[status_field]) == (
        order["name"], invoice["name"], "paid",
    )


def assert_at_rest(server) -> None:
    """Assert that nothing runs, nothing waits for a person, and the log is clean."""
    server.wait_for(
        lambda: not server.sql("SELECT 1 FROM sync_job WHERE state = 'running'"), "all jobs to end"
    )
    assert server.sql("SELECT name, error_message FROM sync_job WHERE state = 'failed'") == []
    assert server.sql("SELECT name FROM sync_exception WHERE state IN ('new', 'acknowledged')") == []


def deal_of(sandbox, crm: demo.Crm) -> str:
    """Return the id of the deal that the demonstration wins."""
    return sandbox.admin.get(f"/{crm.provider}/demo")[crm.demo_key]


def test_two_deals_travel_from_quote_to_cash(odoo_server, sandbox, capsys):
    environment = environment_of(odoo_server, sandbox)
    demo.travel(environment)
    for crm in CRMS:
        assert_told_once(odoo_server, sandbox, crm, deal_of(sandbox, crm))
    assert_at_rest(odoo_server)
    printed = capsys.readouterr().out
    for word in ("is won in Salesforce", "Payout", "HubSpot knows"):
        assert word in printed


def test_a_second_demonstration_changes_nothing(odoo_server, sandbox):
    tables = ("sale_order", "account_move", "account_payment", "sync_binding", "sync_connection", "sync_flow")
    counts = [odoo_server.sql(f"SELECT count(*) FROM {table}") for table in tables]
    demo.travel(environment_of(odoo_server, sandbox))
    assert [odoo_server.sql(f"SELECT count(*) FROM {table}") for table in tables] == counts


def test_the_trace_tells_the_story_by_any_name(odoo_server, sandbox):
    deal_id = deal_of(sandbox, demo.SALESFORCE)
    ((order_id,),) = bound(odoo_server, deal_id, "sale.order")
    (order,) = odoo_server.rpc("sale.order", "read", [order_id], ["name", "invoice_ids"])
    (invoice,) = odoo_server.rpc("account.move", "read", order["invoice_ids"], ["name"])
    traces = [
        odoo_server.rpc("sync.trace", "get_trace", query)
        for query in (deal_id, deal_id[:15], order["name"], invoice["name"])
    ]
    for trace in traces:
        assert trace["problem"] == ""
        assert {line["kind"] for line in trace["lines"]} == {"event", "job", "change"}
        moments = [line["at"] for line in trace["lines"]]
        assert moments == sorted(moments)
        names = " ".join(document["name"] for document in trace["documents"])
        assert order["name"] in names
        assert invoice["name"] in names
    systems = {line["system"] for line in traces[0]["lines"]}
    assert any("Salesforce" in system for system in systems)
    assert any("Stripe" in system for system in systems)
    assert odoo_server.rpc("sync.trace", "get_trace", "no such deal")["problem"]


def test_a_broken_deal_leaves_nothing_and_is_mended_from_the_desk(odoo_server, sandbox):
    before = odoo_server.sql("SELECT (SELECT count(*) FROM sale_order), (SELECT count(*) FROM res_partner)")
    made = sandbox.admin.post("/salesforce/deals", {
        "win": True, "defects": ["unmapped_product", "unknown_tax"],
        "account": {"Name": "Broken Windows Ltd", "BillingCountry": "United Kingdom"},
    })
    (message,) = odoo_server.wait_for(
        lambda: odoo_server.sql(
            "SELECT error_message FROM sync_job WHERE external_id = %s AND state = 'failed'",
            (made["opportunity_id"],)),
        "the exception")[0]
    assert "UNMAPPED" in message
    assert "Moon Levy 7.77%" in message
    assert odoo_server.sql("SELECT (SELECT count(*) FROM sale_order), (SELECT count(*) FROM res_partner)") == before
    code = next(word.strip("“”,;.") for word in message.replace("“", " “").split() if "UNMAPPED-" in word)
    odoo_server.rpc("product.product", "create", [{
        "name": code, "default_code": code, "type": "service", "invoice_policy": "order"}])
    (tax,) = odoo_server.rpc("account.tax", "create", [{
        "name": "Moon Levy 7.77%", "amount": 7.77, "amount_type": "percent", "type_tax_use": "sale"}])
    (table,) = odoo_server.rpc(
        "sync.value.map", "search", [("name", "=", "Taxes"), ("connection_id.provider", "=", "salesforce")])
    odoo_server.rpc("sync.value.map.line", "create", [{
        "map_id": table, "remote_value": "Moon Levy 7.77%", "record_ref": f"account.tax,{tax}"}])
    exceptions = odoo_server.rpc("sync.exception", "search", [("state", "=", "new")])
    odoo_server.rpc("sync.exception", "action_retry", exceptions)
    odoo_server.wait_for(lambda: bound(odoo_server, made["opportunity_id"], "sale.order"), "the order")
    odoo_server.wait_for(
        lambda: odoo_server.sql("SELECT 1 FROM sync_exception WHERE state = 'resolved'"), "the desk to clear itself")


def test_deliveries_twice_late_and_out_of_order_have_one_effect(odoo_server, sandbox):
    for vendor in ("salesforce", "hubspot", "stripe"):
        sandbox.admin.post("/faults", {"vendor": vendor, "kind": "webhook_duplicate", "copies": 4, "times": 50})
        sandbox.admin.post("/faults", {"vendor": vendor, "kind": "webhook_reorder", "times": 50})
    try:
        # Just what the README suggests to try.
        made = sandbox.admin.post("/salesforce/deals", {"win": True})
        odoo_server.wait_for(lambda: odoo_server.sql(
            "SELECT 1 FROM sale_order o JOIN sync_binding b ON b.res_id = o.id AND b.model = 'sale.order'"
            " WHERE b.external_id = %s AND o.q2c_payment_status = 'paid'", (made["opportunity_id"],)),
            "the payment", 90)
        odoo_server.wait_for(lambda: odoo_server.sql(
            "SELECT 1 FROM sync_event WHERE delivery_count > 1"), "a repeated delivery to be counted")
        time.sleep(2)  # whatever is still on its way
        odoo_server.wait_for(lambda: not odoo_server.sql(
            "SELECT 1 FROM sync_job WHERE state IN ('pending', 'running')"
            " AND kind <> 'poll' AND eta <= timezone('utc', now())"), "the queue to drain")
        assert_told_once(odoo_server, sandbox, demo.SALESFORCE, made["opportunity_id"])
    finally:
        sandbox.admin.delete("/faults")


@pytest.mark.parametrize("seconds", [0.5, 1.3])
def test_kill_9_in_the_middle_is_finished_without_duplicates(fresh_odoo_server, fresh_sandbox, seconds):
    server, sandbox = fresh_odoo_server, fresh_sandbox
    environment = environment_of(server, sandbox)
    environment.odoo.authenticate()
    Setup(environment).run()

    for crm in CRMS:
        sandbox.admin.post(crm.win.format(id=deal_of(sandbox, crm)).removeprefix("/_admin"))
    time.sleep(seconds)
    server.kill9()
    server.restart()
    restarted = time.monotonic()
    demo.travel(environment_of(server, sandbox))
    assert time.monotonic() - restarted < RECOVERY_SECONDS
    for crm in CRMS:
        assert_told_once(server, sandbox, crm, deal_of(sandbox, crm))
    assert_at_rest(server)
