"""Admin stories: whole deals, their defects, bulk data, and faults around effects."""

import time
from decimal import Decimal

import pytest
import requests

from .hubspot_driver import HubSpotDriver


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


def test_the_demo_deal_adds_up_to_the_cent(hs):
    story = hs.admin("GET", f"deals/{hs.admin('GET', 'demo')['deal_id']}")
    deal, quote = story["deal"]["properties"], story["quotes"][0]
    lines = [line["properties"] for line in story["line_items"]]
    assert deal["deal_currency_code"] == "EUR" and deal["dealstage"] == "contractsent"
    assert [line["hs_sku"] for line in lines] == ["Q2C-PLAT", "Q2C-ONB", "Q2C-SUP"]
    assert any(Decimal(line["hs_total_discount"]) for line in lines)
    net = sum(Decimal(line["amount"]) for line in lines)
    tax = sum(Decimal(line["hs_tax_amount"]) for line in lines)
    assert Decimal(deal["amount"]) == net and tax == (net * 15 / 100).quantize(Decimal("0.01"))
    assert Decimal(quote["properties"]["hs_quote_amount"]) == net + tax
    assert quote["properties"]["hs_status"] == "APPROVAL_NOT_NEEDED"
    own = [line["properties"] for line in quote["line_items"]]
    assert [(o["hs_sku"], o["amount"]) for o in own] == [(i["hs_sku"], i["amount"]) for i in lines]
    assert not {i["hs_object_id"] for i in own} & {i["hs_object_id"] for i in lines}
    assert story["primary_company_id"] == story["companies"][0]["id"]


def test_seed_is_rich_and_empty_is_empty(hs):
    totals = {name: hs.search(name)["total"] for name in ("companies", "contacts", "deals", "products")}
    assert totals == {"companies": 20, "contacts": 40, "deals": 8, "products": 3}
    stages = {r["properties"]["dealstage"] for r in hs.search("deals", limit=50)["results"]}
    assert len(stages) >= 6
    hs.sandbox.admin("POST", "reset", json={"vendor": "hubspot", "profile": "empty"})
    assert hs.search("companies")["total"] == 0
    assert len(hs.good("GET", "/crm/owners/{v}")["results"]) == 2


def test_win_lose_reopen(hs):
    deal = hs.admin("GET", "demo")["deal_id"]
    won = hs.admin("POST", f"deals/{deal}/win")["properties"]
    assert won["hs_is_closed_won"] == "true"
    assert won["closedate"][:10] == hs.sandbox.admin("GET", "clock")["now"][:10]
    assert hs.admin("POST", f"deals/{deal}/reopen")["properties"]["dealstage"] == "contractsent"
    assert hs.admin("POST", f"deals/{deal}/lose")["properties"]["hs_is_closed_lost"] == "true"


def test_a_new_deal_can_be_born_won(hs):
    ids = hs.admin("POST", "deals", {
        "name": "Fresh", "currency": "GBP", "win": True, "lines": [
            {"sku": "Q2C-ONB", "quantity": 2, "discount": "100.00"}, {"sku": "Q2C-SUP", "price": "10"}]})
    story = hs.admin("GET", f"deals/{ids['deal_id']}")
    assert story["deal"]["properties"]["amount"] == "5340.00"
    assert story["deal"]["properties"]["hs_is_closed_won"] == "true"
    assert story["quotes"][0]["properties"]["hs_quote_amount"] == "6141.00"


@pytest.mark.parametrize("defect", [
    "unmapped_product", "wrong_total", "unknown_currency", "missing_tax", "no_company"])
def test_defects(hs, defect):
    ids = hs.admin("POST", "deals", {"defects": [defect], "win": True})
    story = hs.admin("GET", f"deals/{ids['deal_id']}")
    lines = [line["properties"] for line in story["line_items"]]
    total = sum(Decimal(line["hs_post_tax_amount"]) for line in lines)
    quoted = Decimal(story["quotes"][0]["properties"]["hs_quote_amount"])
    assert {
        "unmapped_product": any(line["hs_sku"].startswith("UNMAPPED") for line in lines),
        "wrong_total": quoted == total + 1,
        "unknown_currency": story["deal"]["properties"]["deal_currency_code"] == "CHF",
        "missing_tax": {line["hs_tax_label"] for line in lines} == {"Regional Levy 7.5%"},
        "no_company": story["companies"] == [],
    }[defect]
    assert (quoted == total) == (defect != "wrong_total")


def test_unknown_defects_and_skus_are_refused(hs):
    for spec in ({"defects": ["gremlin"]}, {"lines": [{"sku": "NOPE"}]}):
        with pytest.raises(AssertionError, match="400"):
            hs.admin("POST", "deals", spec)
    assert hs.search("deals")["total"] == 8, "nothing is left of a refused deal"


def test_bulk_is_fast_and_searchable(hs):
    started = time.monotonic()
    made = hs.admin("POST", "bulk", {"companies": 2000, "contacts_per_company": 2})
    assert time.monotonic() - started < 10
    assert (made["companies"], made["contacts"]) == (2000, 4000)
    contact = hs.search("contacts", ("email", "EQ", f"person1@{made['prefix']}77.example"))["results"][0]
    links = hs.good("GET", f"/crm/objects/{{v}}/contacts/{contact['id']}/associations/companies")
    company = hs.get("companies", links["results"][0]["toObjectId"])
    assert company["domain"] == f"{made['prefix']}77.example"
    again = hs.admin("POST", "bulk", {"companies": 1})
    assert again["prefix"] != made["prefix"]


def test_bulk_update_gives_equal_timestamps(hs):
    done = hs.admin("POST", "bulk-update", {"type": "companies", "properties": {"city": "Bonn"}})
    assert done["updated"] == 20
    assert hs.search("companies", ("hs_lastmodifieddate", "EQ", done["at"]))["total"] == 20


def test_drop_after_means_the_effect_happened(hs):
    hs.sandbox.fault("hubspot", "drop_after", method="POST", path_regex="/companies$", times=1)
    with pytest.raises(requests.ConnectionError):
        hs.create("companies", name="Ghost")
    assert hs.search("companies", ("name", "EQ", "Ghost"))["total"] == 1
    hs.sandbox.fault("hubspot", "drop_before", method="POST", path_regex="/companies$", times=1)
    with pytest.raises(requests.ConnectionError):
        hs.create("companies", name="Never")
    assert hs.search("companies", ("name", "EQ", "Never"))["total"] == 0
