"""Records: values, single and batch writes, conflicts, archiving, merging."""

from decimal import Decimal

import pytest

from .hubspot_driver import HubSpotDriver


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


def codes(body):
    """Return ``{property: error code}`` of a validation error."""
    return {e["context"]["propertyName"][0]: e["code"] for e in body["errors"]}


def deal(hs, **properties):
    return hs.create("deals", **{
        "dealname": "D", "pipeline": "default", "dealstage": "contractsent", **properties})


# -- values -------------------------------------------------------------------


def test_every_value_comes_back_as_text(hs):
    record = deal(hs, amount="1234.50", closedate="2026-12-31")
    assert hs.get("deals", deal(hs, amount=1234.5), "amount")["amount"] == "1234.5"
    found = hs.get("deals", record, "amount", "closedate", "hs_is_closed", "hs_deal_stage_probability")
    assert found["amount"] == "1234.50", "digits are kept as written"
    assert found["closedate"] == "2026-12-31T00:00:00Z"
    assert found["hs_is_closed"] == "false"
    assert found["hs_deal_stage_probability"].startswith("0.9000000000000000222")
    assert found["hs_object_id"] == record


def test_defaults_and_unknown_names_on_read(hs):
    company = hs.create("companies", name="Acme", city="Bonn")
    assert set(hs.get("companies", company)) == {
        "createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"}
    found = hs.get("companies", company, "city", "industry", "no_such_property")
    assert found["city"] == "Bonn" and found["industry"] is None
    assert "no_such_property" not in found and "name" not in found


def test_contacts_have_their_own_modified_property(hs):
    contact = hs.create("contacts", email="own.modified@example.com")
    assert "lastmodifieddate" in hs.get("contacts", contact)
    assert "hs_lastmodifieddate" not in hs.get("contacts", contact)


def test_all_bad_values_are_named_in_one_400(hs):
    body = hs.bad(400, "POST", hs.objects("deals"), {"properties": {
        "dealname": "D", "pipeline": "default", "dealstage": "no_such_stage", "amount": "much",
        "closedate": "tomorrow", "dealtype": "unheard_of", "unicorn": "1", "hs_is_closed": "true",
        "hubspot_owner_id": "71000003", "deal_currency_code": "XXX"}})
    assert body["category"] == "VALIDATION_ERROR"
    assert codes(body) == {
        "dealstage": "INVALID_OPTION", "amount": "INVALID_DOUBLE", "closedate": "INVALID_DATE",
        "dealtype": "INVALID_OPTION", "unicorn": "PROPERTY_DOESNT_EXIST",
        "hs_is_closed": "READ_ONLY_VALUE", "hubspot_owner_id": "INVALID_OPTION",
        "deal_currency_code": "INVALID_OPTION"}
    assert "PROPERTY_DOESNT_EXIST" in body["message"]


def test_surrounding_blanks_are_refused_except_in_text(hs):
    assert codes(hs.bad(400, "POST", hs.objects("deals"), {"properties": {
        "dealname": " D ", "pipeline": "default", "dealstage": "contractsent", "amount": " 1"}})) == {
            "amount": "INVALID_WHITESPACE"}


def test_empty_text_clears(hs):
    company = hs.create("companies", name="Acme", city="Bonn")
    hs.update("companies", company, city="")
    assert not hs.get("companies", company, "city")["city"]


@pytest.mark.parametrize(("object_type", "properties", "missing"), [
    ("deals", {"dealname": "D"}, ["dealstage", "pipeline"]),
    ("companies", {"city": "Bonn"}, ["name", "domain"]),
    ("quotes", {"hs_title": "Q"}, ["hs_expiration_date"]),
])
def test_required_properties(hs, object_type, properties, missing):
    body = hs.bad(400, "POST", hs.objects(object_type), {"properties": properties})
    assert body["context"]["properties"] == missing


def test_malformed_bodies_are_400(hs):
    response = hs.session.post(f"{hs.base}/crm/objects/2026-09/companies", data="{nope", timeout=10)
    assert response.status_code == 400 and "Invalid input JSON" in response.json()["message"]
    hs.bad(400, "POST", hs.objects("companies"), [1])
    hs.bad(400, "POST", hs.objects("companies/batch/create"), {"inputs": "x"})


# -- change and its trace -------------------------------------------------------


def test_a_write_that_changes_nothing_leaves_the_modified_date(hs):
    company = hs.create("companies", name="Acme")
    before = hs.get("companies", company)["hs_lastmodifieddate"]
    hs.sandbox.admin("POST", "clock", json={"advance": 5})
    hs.update("companies", company, name="Acme")
    assert hs.get("companies", company)["hs_lastmodifieddate"] == before
    hs.update("companies", company, name="Acme 2")
    assert hs.get("companies", company)["hs_lastmodifieddate"] > before


def test_won_is_decided_by_the_stage(hs):
    record = deal(hs, amount="100.00")
    hs.update("deals", record, dealstage="closedwon")
    found = hs.get("deals", record, "hs_is_closed", "hs_is_closed_won", "hs_closed_amount")
    assert (found["hs_is_closed"], found["hs_is_closed_won"]) == ("true", "true")
    assert found["hs_closed_amount"] == "100.00"


def test_home_currency_amount_is_exact(hs):
    record = deal(hs, amount="15914.80", deal_currency_code="EUR")
    assert hs.get("deals", record, "amount_in_home_currency")["amount_in_home_currency"] == "17267.56"


# -- conflicts --------------------------------------------------------------------


def test_second_contact_with_an_email_is_409_with_the_existing_id(hs):
    first = hs.create("contacts", email="Twice@Example.com")
    body = hs.bad(409, "POST", hs.objects("contacts"), {"properties": {"email": "twice@example.com"}})
    assert body["category"] == "CONFLICT"
    assert body["message"] == f"Contact already exists. Existing ID: {first}"
    other = hs.create("contacts", email="other@example.com")
    hs.bad(409, "PATCH", hs.objects(f"contacts/{other}"), {"properties": {"email": "twice@example.com"}})


def test_contact_can_be_found_by_email(hs):
    contact = hs.create("contacts", email="find.me@example.com", firstname="Fay")
    found = hs.good("GET", hs.objects("contacts/FIND.ME@example.com"), params={"idProperty": "email"})
    assert found["id"] == contact
    assert codes(hs.bad(400, "POST", hs.objects("contacts"), {"properties": {"email": "nope"}})) == {
        "email": "INVALID_EMAIL"}


def test_two_companies_may_share_a_domain(hs):
    assert hs.create("companies", domain="same.example") != hs.create("companies", domain="same.example")


def make_unique(hs, object_type="companies", name="odoo_uid"):
    hs.good("POST", f"/crm/properties/{{v}}/{object_type}", {
        "name": name, "label": "Odoo id", "type": "string", "fieldType": "text",
        "groupName": "companyinformation", "hasUniqueValue": True})


def test_unique_property_refuses_a_second_bearer(hs):
    make_unique(hs)
    first = hs.create("companies", name="A", odoo_uid="res.partner:1")
    body = hs.bad(400, "POST", hs.objects("companies"), {
        "properties": {"name": "B", "odoo_uid": "res.partner:1"}})
    assert body["errors"][0]["code"] == "CONFLICTING_UNIQUE_VALUE" and first in body["message"]
    found = hs.good("GET", hs.objects("companies/res.partner:1"), params={"idProperty": "odoo_uid"})
    assert found["id"] == first
    hs.bad(400, "GET", hs.objects("companies/Bonn"), params={"idProperty": "city"})


# -- batches -----------------------------------------------------------------------


def inputs(*rows, trace=True):
    return {"inputs": [
        {**row, **({"objectWriteTraceId": f"t{number}"} if trace else {})}
        for number, row in enumerate(rows)]}


def test_batch_create_with_trace_ids_is_partial(hs):
    hs.create("contacts", email="taken@example.com")
    body = hs.good("POST", hs.objects("contacts/batch/create"), inputs(
        {"properties": {"email": "new1@example.com"}}, {"properties": {"email": "taken@example.com"}},
        {"properties": {"unicorn": "1"}}, {"properties": {"email": "new2@example.com"}}), status=(207,))
    assert body["numErrors"] == 2
    assert {r["objectWriteTraceId"] for r in body["results"]} == {"t0", "t3"}
    failed = {e["context"]["objectWriteTraceId"][0]: e["category"] for e in body["errors"]}
    assert failed == {"t1": "CONFLICT", "t2": "VALIDATION_ERROR"}


@pytest.mark.parametrize("trace", ["none", "equal"])
def test_batch_without_unique_trace_ids_is_all_or_nothing(hs, trace):
    rows = inputs({"properties": {"email": "whole@example.com"}}, {"properties": {"unicorn": "1"}},
                  trace=False)
    if trace == "equal":
        for row in rows["inputs"]:
            row["objectWriteTraceId"] = "same"
    hs.bad(400, "POST", hs.objects("contacts/batch/create"), rows)
    hs.bad(404, "GET", hs.objects("contacts/whole@example.com"), params={"idProperty": "email"})


def test_batch_read_reports_missing_ids(hs):
    company = hs.create("companies", name="Here")
    body = hs.good("POST", hs.objects("companies/batch/read"), {
        "inputs": [{"id": company}, {"id": "1"}], "properties": ["name"]}, status=(207,))
    assert [r["id"] for r in body["results"]] == [company]
    assert body["errors"][0]["context"]["ids"] == ["1"]


def test_batch_update_reports_missing_ids_and_refuses_duplicates(hs):
    company = hs.create("companies", name="Here")
    body = hs.good("POST", hs.objects("companies/batch/update"), inputs(
        {"id": company, "properties": {"city": "Bonn"}}, {"id": "1", "properties": {"city": "Ulm"}}),
        status=(207,))
    assert body["errors"][0]["context"]["objectWriteTraceId"] == ["t1"]
    assert hs.get("companies", company, "city")["city"] == "Bonn"
    hs.bad(400, "POST", hs.objects("companies/batch/update"), inputs(
        {"id": company, "properties": {"city": "A"}}, {"id": company, "properties": {"city": "B"}}))


def test_upsert_by_unique_property_tells_new_from_old(hs):
    make_unique(hs)
    old = hs.create("companies", name="Old", odoo_uid="1")
    body = hs.good("POST", hs.objects("companies/batch/upsert"), inputs(
        {"id": "1", "idProperty": "odoo_uid", "properties": {"city": "Bonn"}},
        {"id": "2", "idProperty": "odoo_uid", "properties": {"name": "New"}}))
    made = {r["objectWriteTraceId"]: r for r in body["results"]}
    assert made["t0"]["id"] == old and made["t0"]["new"] is False
    assert made["t1"]["new"] is True and made["t1"]["properties"]["odoo_uid"] == "2"
    hs.good("POST", hs.objects("companies/batch/upsert"), inputs(
        {"id": "2", "idProperty": "odoo_uid", "properties": {"name": "New"}}))
    assert hs.search("companies", ("odoo_uid", "HAS_PROPERTY", None))["total"] == 2


def test_upsert_by_email_is_never_partial(hs):
    rows = inputs({"id": "fresh@example.com", "idProperty": "email", "properties": {"firstname": "F"}},
                  {"id": "other@example.com", "idProperty": "email", "properties": {"unicorn": "1"}})
    hs.bad(400, "POST", hs.objects("contacts/batch/upsert"), rows)
    hs.bad(404, "GET", hs.objects("contacts/fresh@example.com"), params={"idProperty": "email"})


def test_upsert_needs_a_unique_property(hs):
    hs.bad(400, "POST", hs.objects("companies/batch/upsert"), inputs(
        {"id": "x", "idProperty": "city", "properties": {"name": "N"}}))


@pytest.mark.parametrize("operation", ["create", "read", "update", "upsert", "archive"])
def test_more_than_100_inputs_are_refused(hs, operation):
    row = {"id": "1", "idProperty": "email", "properties": {}}
    body = hs.bad(400, "POST", hs.objects(f"contacts/batch/{operation}"), {"inputs": [row] * 101})
    assert "100" in body["message"]


# -- lists, archive, merge -----------------------------------------------------------


def test_list_pages_by_id(hs):
    seen, after = [], None
    while True:
        page = hs.good("GET", hs.objects("contacts"), params={"limit": 15, "after": after})
        seen += [r["id"] for r in page["results"]]
        after = page.get("paging", {}).get("next", {}).get("after")
        if not after:
            break
    assert len(seen) == 40 and seen == sorted(set(seen), key=int)
    hs.bad(400, "GET", hs.objects("contacts"), params={"limit": 101})


def test_archived_records(hs):
    company = hs.create("companies", name="Gone")
    assert hs.call("DELETE", hs.objects(f"companies/{company}")).status_code == 204
    assert hs.call("DELETE", hs.objects(f"companies/{company}")).status_code == 204, "twice is no error"
    hs.bad(404, "GET", hs.objects(f"companies/{company}"))
    hs.bad(404, "PATCH", hs.objects(f"companies/{company}"), {"properties": {"name": "X"}})
    found = hs.good("GET", hs.objects(f"companies/{company}"), params={"archived": "true"})
    assert found["archived"] is True and found["archivedAt"]
    listed = hs.good("GET", hs.objects("companies"), params={"archived": "true"})["results"]
    assert [r["id"] for r in listed] == [company]
    assert hs.search("companies", ("name", "EQ", "Gone"))["total"] == 0
    hs.admin("POST", f"records/companies/{company}/restore")
    assert hs.get("companies", company)["name"] == "Gone"


def test_email_of_an_archived_contact_is_free(hs):
    contact = hs.create("contacts", email="free@example.com")
    hs.call("DELETE", hs.objects(f"contacts/{contact}"))
    assert hs.create("contacts", email="free@example.com") != contact


def test_merged_companies_get_a_new_id_and_old_ids_work_singly(hs):
    first, second = hs.create("companies", name="First"), hs.create("companies", domain="second.example")
    contact = hs.create("contacts", email="of.second@example.com")
    hs.good("PUT", f"/crm/objects/{{v}}/contacts/{contact}/associations/default/companies/{second}")
    merged = hs.good("POST", hs.objects("companies/merge"), {
        "primaryObjectId": first, "objectIdToMerge": second})
    assert merged["id"] not in (first, second)
    for old in (first, second):
        found = hs.good("GET", hs.objects(f"companies/{old}"), params={
            "properties": "name,domain,hs_merged_object_ids"})
        assert found["id"] == merged["id"]
        assert found["properties"]["name"] == "First"
        assert found["properties"]["domain"] == "second.example"
        assert set(found["properties"]["hs_merged_object_ids"].split(";")) == {first, second}
    body = hs.good("POST", hs.objects("companies/batch/update"), inputs(
        {"id": second, "properties": {"city": "Bonn"}}), status=(207,))
    assert body["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    links = hs.good("GET", f"/crm/objects/{{v}}/contacts/{contact}/associations/companies")["results"]
    assert [link["toObjectId"] for link in links] == [merged["id"]]


def test_merged_contacts_keep_the_primary_id_and_both_emails(hs):
    first = hs.create("contacts", email="one@example.com")
    second = hs.create("contacts", email="two@example.com", firstname="Second")
    merged = hs.good("POST", hs.objects("contacts/merge"), {
        "primaryObjectId": first, "objectIdToMerge": second})
    assert merged["id"] == first
    found = hs.get("contacts", second, "email", "firstname", "hs_additional_emails")
    assert (found["email"], found["firstname"]) == ("one@example.com", "Second")
    assert found["hs_additional_emails"] == "two@example.com"
    hs.bad(409, "POST", hs.objects("contacts"), {"properties": {"email": "two@example.com"}})


def test_gdpr_deletion_leaves_nothing(hs):
    contact = hs.create("contacts", email="forget@example.com")
    assert hs.call("POST", hs.objects("contacts/gdpr-delete"), {
        "objectId": "forget@example.com", "idProperty": "email"}).status_code == 204
    hs.bad(404, "GET", hs.objects(f"contacts/{contact}"), params={"archived": "true"})


# -- commerce --------------------------------------------------------------------------


def line(hs, parent=None, type_id=20, **properties):
    body = {"properties": properties}
    if parent:
        body["associations"] = [{"to": {"id": parent}, "types": [
            {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id}]}]
    return hs.good("POST", hs.objects("line_items"), body)["id"]


AMOUNTS = ("amount", "hs_total_discount", "hs_tax_amount", "hs_post_tax_amount", "hs_pre_discount_amount")


@pytest.mark.parametrize(("properties", "expected"), [
    ({"quantity": 3, "price": "19.99"}, ("59.97", "0.00", "0.00", "59.97", "59.97")),
    ({"quantity": 3, "price": "19.99", "discount": "1.50"}, ("55.47", "4.50", "0.00", "55.47", "59.97")),
    ({"quantity": 3, "price": "19.99", "hs_discount_percentage": "12.5"},
     ("52.47", "7.50", "0.00", "52.47", "59.97")),
    ({"quantity": "1.5", "price": "33.33", "hs_tax_rate_group_id": "16912720"},
     ("50.00", "0.00", "7.50", "57.50", "50.00")),
    ({"quantity": 1, "price": "10", "tax": "0.95"}, ("10.00", "0.00", "0.95", "10.95", "10.00")),
])
def test_line_amounts_are_exact(hs, properties, expected):
    found = hs.get("line_items", line(hs, **properties), *AMOUNTS)
    assert tuple(Decimal(found[name]) for name in AMOUNTS) == tuple(map(Decimal, expected))
    assert found["amount"] == expected[0]


def test_line_takes_over_from_its_product(hs):
    product = hs.search("products", ("hs_sku", "EQ", "q2c-plat"))["results"][0]
    found = hs.get("line_items", line(hs, hs_product_id=product["id"], quantity=2, price="5"),
                   "name", "hs_sku", "price", "amount", "recurringbillingfrequency")
    assert (found["name"], found["hs_sku"], found["price"]) == ("Platform licence", "Q2C-PLAT", "5")
    assert found["amount"] == "10.00" and found["recurringbillingfrequency"] == "annually"
    assert codes(hs.bad(400, "POST", hs.objects("line_items"), {"properties": {"hs_product_id": "1"}})) == {
        "hs_product_id": "INVALID_PRODUCT"}


def test_a_line_item_has_one_parent(hs):
    first, second = deal(hs), deal(hs)
    item = line(hs, first, price="1")
    body = hs.bad(400, "PUT", f"/crm/objects/{{v}}/deals/{second}/associations/default/line_items/{item}")
    assert "one parent" in body["message"]


def test_quote_amount_follows_its_lines_and_publishing_locks(hs):
    quote = hs.create("quotes", hs_title="Q", hs_expiration_date="2027-01-01")
    line(hs, quote, 68, price="100", quantity=1, hs_tax_rate_group_id="16912720")
    second = line(hs, quote, 68, price="9.99", quantity=1)
    assert hs.get("quotes", quote)["hs_quote_amount"] == "124.99"
    hs.update("line_items", second, quantity=2)
    assert hs.get("quotes", quote)["hs_quote_amount"] == "134.98"
    hs.update("quotes", quote, hs_status="APPROVAL_NOT_NEEDED")
    assert hs.get("quotes", quote, "hs_locked")["hs_locked"] == "true"
    assert "locked" in hs.bad(400, "PATCH", hs.objects(f"quotes/{quote}"), {
        "properties": {"hs_title": "New"}})["message"]
    hs.update("quotes", quote, hs_status="DRAFT", hs_title="New")
    hs.call("DELETE", hs.objects(f"quotes/{quote}"))
    hs.bad(404, "GET", hs.objects(f"line_items/{second}"))


def test_validation_rules_hold_from_2026_09_on(hs):
    hs.settings(validation_rules=[
        {"object": "deals", "when": {"dealstage": "closedwon"}, "required": ["closedate"]}])
    record = deal(hs)
    body = hs.bad(400, "PATCH", hs.objects(f"deals/{record}"), {"properties": {"dealstage": "closedwon"}})
    assert codes(body) == {"closedate": "REQUIRED_FIELD"}
    HubSpotDriver(hs.sandbox, "2026-03").update("deals", record, dealstage="closedwon")
