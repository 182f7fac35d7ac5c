"""Deals: prices, totals to the cent, quote synchronisation, winning, merging."""

from decimal import Decimal

import pytest


def money(value):
    return Decimal(repr(value))


@pytest.fixture
def deal(sandbox):
    """A complete deal of three lines."""
    return sandbox.admin("POST", "salesforce/deals", json={})


def lines_of(sf, opportunity_id):
    return sf.query(
        "SELECT Id, ProductCode, Quantity, UnitPrice, Discount, TotalPrice FROM OpportunityLineItem"
        f" WHERE OpportunityId = '{opportunity_id}' ORDER BY Id"
    )["records"]


def test_the_demo_deal_adds_up(fresh_sandbox, fresh_sf):
    demo = fresh_sandbox.admin("GET", "salesforce/demo")
    quote = fresh_sf.get("Quote", demo["quote_id"])
    lines = fresh_sf.query(f"SELECT TotalPrice, Subtotal FROM QuoteLineItem WHERE QuoteId = '{quote['Id']}'")["records"]
    assert len(lines) == 3 and quote["CurrencyIsoCode"] == "USD" and quote["Tax_Name__c"] == "Sales Tax 15%"
    net = sum(money(line["TotalPrice"]) for line in lines)
    assert net == money(quote["TotalPrice"]) == Decimal("3124.20")
    assert sum(money(line["Subtotal"]) for line in lines) == money(quote["Subtotal"])
    assert money(quote["Tax"]) == (net * 15 / 100).quantize(Decimal("0.01")) == Decimal("468.63")
    assert money(quote["GrandTotal"]) == net + money(quote["Tax"])
    opportunity = fresh_sf.get("Opportunity", demo["opportunity_id"])
    assert opportunity["SyncedQuoteId"] == quote["Id"] and quote["IsSyncing"] is True
    assert money(opportunity["Amount"]) == net and opportunity["IsWon"] is False


def test_the_demo_has_every_stage_and_two_currencies(fresh_sf):
    stages = {r["StageName"] for r in fresh_sf.query("SELECT StageName FROM Opportunity")["records"]}
    all_stages = {r["ApiName"] for r in fresh_sf.query("SELECT ApiName FROM OpportunityStage")["records"]}
    assert stages == all_stages
    prices = fresh_sf.query(
        "SELECT ProductCode, CurrencyIsoCode FROM PricebookEntry WHERE Pricebook2.IsStandard = false"
    )
    assert {(r["ProductCode"], r["CurrencyIsoCode"]) for r in prices["records"]} == {
        (code, currency) for code in ("Q2C-PLAT", "Q2C-ONB", "Q2C-SUP") for currency in ("USD", "EUR")
    }


@pytest.mark.parametrize(
    ("currency", "lines", "rate", "net", "tax"),
    [
        ("USD", [{"code": "R1", "quantity": 3, "unit_price": "0.33", "discount": 33.33}], 7.25, "0.66", "0.05"),
        ("USD", [{"code": "R2", "quantity": "0.5", "unit_price": "0.01"}], 10, "0.01", "0.00"),
        ("USD", [{"code": "R3", "quantity": 1, "unit_price": "1.005"}], None, "1.01", "0"),
        ("JPY", [{"code": "R4", "quantity": 3, "unit_price": "333", "discount": 10}], 10, "899", "90"),
        ("EUR", [{"code": "R5", "quantity": 99999999, "unit_price": "9999.99"}], None, "999998990000.01", "0"),
    ],
)
def test_rounding_is_half_up_to_the_currency(sandbox, currency, lines, rate, net, tax):
    made = sandbox.admin("POST", "salesforce/deals", json={"currency": currency, "lines": lines, "tax_rate": rate})
    assert Decimal(made["amounts"]["TotalPrice"]) == Decimal(net)
    assert Decimal(made["amounts"]["Tax"]) == Decimal(tax)


def test_winning_goes_through_the_normal_update(sandbox, sf, deal):
    won = sandbox.admin("POST", f"salesforce/opportunities/{deal['opportunity_id'][:15]}/win")
    assert (won["StageName"], won["IsWon"], won["IsClosed"], won["Probability"]) == ("Closed Won", True, True, 100.0)
    assert won["ForecastCategory"] == "Closed" and won["ExpectedRevenue"] == won["Amount"]
    sales = sf.query("SELECT Id FROM User WHERE Username LIKE 'rep.carla%'")["records"][0]["Id"]
    assert won["LastModifiedById"] == sales


def test_a_reopened_deal_is_no_longer_won(sandbox, sf, deal):
    sandbox.admin("POST", f"salesforce/opportunities/{deal['opportunity_id']}/win")
    sf.call("PATCH", f"sobjects/Opportunity/{deal['opportunity_id']}", json={"StageName": "Negotiation/Review"})
    record = sf.get("Opportunity", deal["opportunity_id"])
    assert (record["IsWon"], record["IsClosed"], record["Probability"]) == (False, False, 90.0)


def test_derived_fields_cannot_be_written(sf, deal):
    for name, field in (
        ("Opportunity", "IsWon"),
        ("Opportunity", "ExpectedRevenue"),
        ("Quote", "GrandTotal"),
        ("Quote", "IsSyncing"),
    ):
        record_id = deal["opportunity_id"] if name == "Opportunity" else deal["quote_id"]
        assert sf.error("PATCH", f"sobjects/{name}/{record_id}", json={field: 1}) == (
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
        )


def test_amount_is_ignored_where_lines_exist(sf, deal):
    before = sf.get("Opportunity", deal["opportunity_id"])["Amount"]
    assert sf.call("PATCH", f"sobjects/Opportunity/{deal['opportunity_id']}", json={"Amount": 1}).status_code == 204
    assert sf.get("Opportunity", deal["opportunity_id"])["Amount"] == before


def test_the_write_back_fields_exist(sf, deal):
    body = {
        "Odoo_Order__c": "S00042",
        "Odoo_Order_Status__c": "sale",
        "Odoo_Invoice__c": "INV/2026/1",
        "Odoo_Invoice_Status__c": "posted",
        "Odoo_Payment_Status__c": "paid",
        "Odoo_Amount_Paid__c": 3592.83,
    }
    assert sf.call("PATCH", f"sobjects/Opportunity/{deal['opportunity_id']}", json=body).status_code == 204
    assert body.items() <= sf.get("Opportunity", deal["opportunity_id"]).items()


def test_changing_a_synchronised_quote_replaces_the_lines(sf, deal):
    before = lines_of(sf, deal["opportunity_id"])
    sf.call("PATCH", f"sobjects/QuoteLineItem/{deal['line_ids'][1]}", json={"Quantity": 2})
    after = lines_of(sf, deal["opportunity_id"])
    assert not {line["Id"] for line in before} & {line["Id"] for line in after}
    assert [line["Quantity"] for line in after] == [10.0, 2.0, 12.0]
    quote = sf.get("Quote", deal["quote_id"])
    assert (
        money(sf.get("Opportunity", deal["opportunity_id"])["Amount"])
        == money(quote["TotalPrice"])
        == Decimal("4624.20")
    )
    assert money(quote["GrandTotal"]) == money(quote["TotalPrice"]) + Decimal("468.63")


def test_another_quote_takes_over(sf, deal):
    book = sf.get("Quote", deal["quote_id"])["Pricebook2Id"]
    other = sf.create("Quote", Name="Second", OpportunityId=deal["opportunity_id"])
    entry = sf.query(
        f"SELECT Id FROM PricebookEntry WHERE ProductCode = 'Q2C-ONB' AND CurrencyIsoCode = 'USD'"
        f" AND Pricebook2Id = '{book}'"
    )["records"][0]["Id"]
    sf.create("QuoteLineItem", QuoteId=other, PricebookEntryId=entry, Quantity=1, UnitPrice=1000)
    sf.call("PATCH", f"sobjects/Opportunity/{deal['opportunity_id']}", json={"SyncedQuoteId": other})
    assert [line["UnitPrice"] for line in lines_of(sf, deal["opportunity_id"])] == [1000.0]
    assert sf.get("Quote", deal["quote_id"])["IsSyncing"] is False and sf.get("Quote", other)["IsSyncing"] is True
    assert sf.error("DELETE", f"sobjects/Quote/{other}") == (400, "DELETE_FAILED")


def test_lines_follow_the_price_book_rules(sandbox, sf, deal):
    entries = sf.query(
        "SELECT Id, CurrencyIsoCode, Pricebook2.IsStandard FROM PricebookEntry WHERE ProductCode = 'Q2C-SUP'"
    )["records"]

    def line(entry, **body):
        return sf.call(
            "POST",
            "sobjects/OpportunityLineItem",
            json={"OpportunityId": deal["opportunity_id"], "PricebookEntryId": entry["Id"], "Quantity": 1, **body},
        )

    def pick(currency, standard):
        return next(
            e for e in entries if e["CurrencyIsoCode"] == currency and e["Pricebook2"]["IsStandard"] is standard
        )

    assert line(pick("EUR", False), UnitPrice=1).json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    assert line(pick("USD", True), UnitPrice=1).json()[0]["errorCode"] == "FIELD_INTEGRITY_EXCEPTION"
    assert (
        line(pick("USD", False), UnitPrice=1, TotalPrice=1).json()[0]["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    )
    assert line(pick("USD", False)).json()[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    made = line(pick("USD", False), TotalPrice=50, Quantity=4)
    assert sf.get("OpportunityLineItem", made.json()["id"])["UnitPrice"] == 12.5
    assert sf.error("PATCH", f"sobjects/Opportunity/{deal['opportunity_id']}", json={"CurrencyIsoCode": "EUR"}) == (
        400,
        "FIELD_INTEGRITY_EXCEPTION",
    )


def test_a_custom_price_needs_a_standard_price(sf):
    product = sf.create("Product2", Name="No price yet", ProductCode="NP-1", IsActive=True)
    books = {r["IsStandard"]: r["Id"] for r in sf.query("SELECT Id, IsStandard FROM Pricebook2")["records"]}
    body = {"Product2Id": product, "UnitPrice": 5, "IsActive": True}
    assert sf.error("POST", "sobjects/PricebookEntry", json={**body, "Pricebook2Id": books[False]}) == (
        400,
        "STANDARD_PRICE_NOT_DEFINED",
    )
    sf.create("PricebookEntry", **body, Pricebook2Id=books[True])
    sf.create("PricebookEntry", **body, Pricebook2Id=books[False])
    assert sf.error("POST", "sobjects/PricebookEntry", json={**body, "Pricebook2Id": books[False]}) == (
        400,
        "DUPLICATE_VALUE",
    )


@pytest.mark.parametrize(
    "defect", ["unmapped_product", "wrong_total", "unknown_currency", "missing_tax", "unknown_tax"]
)
def test_defects(sandbox, sf, defect):
    made = sandbox.admin("POST", "salesforce/deals", json={"defects": [defect], "win": True})
    quote = sf.get("Quote", made["quote_id"])
    lines = sf.query(f"SELECT TotalPrice, Product2.ProductCode FROM QuoteLineItem WHERE QuoteId = '{quote['Id']}'")[
        "records"
    ]
    adds_up = sum(money(line["TotalPrice"]) for line in lines) == money(quote["TotalPrice"])
    assert adds_up is (defect != "wrong_total")
    codes = [line["Product2"]["ProductCode"] for line in lines]
    assert any(code.startswith("XX-UNMAPPED") for code in codes) is (defect == "unmapped_product")
    assert (quote["CurrencyIsoCode"] == "XTS") is (defect == "unknown_currency")
    assert (quote["Tax"] is None and quote["Tax_Name__c"] is None) is (defect == "missing_tax")
    assert (quote["Tax_Name__c"] == "Moon Levy 7.77%") is (defect == "unknown_tax")
    assert sf.get("Opportunity", made["opportunity_id"])["IsWon"] is True


def test_a_wrong_total_stays_wrong_when_the_quote_is_touched(sandbox, sf):
    made = sandbox.admin("POST", "salesforce/deals", json={"defects": ["wrong_total"]})
    before = sf.get("Quote", made["quote_id"])
    sf.call("PATCH", f"sobjects/Quote/{made['quote_id']}", json={"Status": "Presented"})
    after = sf.get("Quote", made["quote_id"])
    assert before["GrandTotal"] == after["GrandTotal"] == 3602.83


def test_unknown_parts_of_a_deal_are_refused(sandbox):
    import requests

    for body in ({"defects": ["nonsense"]}, {"colour": "red"}):
        reply = requests.post(sandbox.url + "/_admin/salesforce/deals", json=body, timeout=10)
        assert reply.status_code == 400 and "error" in reply.json()


def test_merge_moves_children_and_marks_the_loser(sandbox, sf):
    master, loser = (sf.create("Account", Name=f"Merge {n}") for n in ("winner", "loser"))
    contact = sf.create("Contact", LastName="Moved", AccountId=loser)
    before = sf.get("Contact", contact)["SystemModstamp"]
    sandbox.admin("POST", "clock", json={"offset": 60})
    sandbox.admin("POST", "salesforce/merge", json={"object": "Account", "master": master, "losers": [loser]})
    moved = sf.get("Contact", contact)
    assert moved["AccountId"] == master and moved["SystemModstamp"] > before
    row = sf.call(
        "GET", "queryAll", params={"q": f"SELECT IsDeleted, MasterRecordId FROM Account WHERE Id = '{loser}'"}
    ).json()["records"][0]
    assert row["IsDeleted"] is True and row["MasterRecordId"] == master
    assert sf.get("Account", master)["SystemModstamp"] > before


def test_orders_and_contracts(sf, deal):
    account = sf.get("Opportunity", deal["opportunity_id"])["AccountId"]
    assert sf.error(
        "POST", "sobjects/Order", json={"AccountId": account, "EffectiveDate": "2026-12-01", "Status": "Activated"}
    ) == (400, "FAILED_ACTIVATION")
    order = sf.create("Order", AccountId=account, EffectiveDate="2026-12-01", Status="Draft", QuoteId=deal["quote_id"])
    assert sf.error("PATCH", f"sobjects/Order/{order}", json={"Status": "Activated"}) == (400, "FAILED_ACTIVATION")
    entry = sf.query(
        "SELECT Id FROM PricebookEntry WHERE ProductCode = 'Q2C-ONB' AND CurrencyIsoCode = 'USD'"
        " AND Pricebook2.IsStandard = false"
    )["records"][0]["Id"]
    sf.create("OrderItem", OrderId=order, PricebookEntryId=entry, Quantity=2, UnitPrice="1500.00")
    assert sf.call("PATCH", f"sobjects/Order/{order}", json={"Status": "Activated"}).status_code == 204
    record = sf.get("Order", order)
    assert (record["StatusCode"], record["TotalAmount"], record["OrderNumber"].isdigit()) == ("Activated", 3000.0, True)
    contract = sf.create("Contract", AccountId=account, StartDate="2026-08-31", ContractTerm=6)
    assert sf.get("Contract", contract)["EndDate"] == "2027-02-27"
    assert sf.error("POST", "sobjects/Contract", json={"AccountId": account, "Status": "Activated"}) == (
        400,
        "FAILED_ACTIVATION",
    )


def test_generating_many_customers_is_quick(own_sandbox, tmp_path):
    import time

    from .conftest import SalesforceSession

    sandbox = own_sandbox("--seed", "empty", state=tmp_path / "many.sqlite")
    started = time.monotonic()
    made = sandbox.admin("POST", "salesforce/generate", json={"accounts": 20000, "contacts_each": 1})
    assert time.monotonic() - started < 15
    assert (made["accounts"], made["contacts"]) == (20000, 20000)
    sf = SalesforceSession(sandbox)
    assert sf.query("SELECT COUNT() FROM Contact WHERE Account.Name LIKE 'Bulk%'")["totalSize"] == 20000
    sandbox.stop(kill=True)
    sandbox.start()
    assert SalesforceSession(sandbox).query("SELECT COUNT() FROM Account")["totalSize"] == 20000
