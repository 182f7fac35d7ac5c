"""Properties, groups, pipelines, custom objects, owners, tax rates."""

import pytest

from .hubspot_driver import HubSpotDriver

PROPERTY = {"name": "odoo_order", "label": "Odoo order", "type": "string", "fieldType": "text",
            "groupName": "odoo"}


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


@pytest.fixture
def group(hs):
    hs.good("POST", "/crm/properties/{v}/deals/groups", {"name": "odoo", "label": "Odoo"})


def test_standard_properties_are_listed_with_their_nature(hs):
    found = {p["name"]: p for p in hs.good("GET", "/crm/properties/{v}/deals")["results"]}
    assert found["amount"]["type"] == "number" and found["amount"]["hubspotDefined"]
    assert found["hs_is_closed"]["modificationMetadata"]["readOnlyValue"] is True
    assert found["dealstage"]["externalOptions"] is True
    assert {o["value"] for o in found["dealtype"]["options"]} == {"newbusiness", "existingbusiness"}
    assert "odoo_order" not in found, "write-back properties are made by the connector's setup"


def test_create_read_write_archive(hs, group):
    assert hs.good("POST", "/crm/properties/{v}/deals", PROPERTY)["hubspotDefined"] is False
    deal = hs.create("deals", dealname="D", pipeline="default", dealstage="contractsent", odoo_order="S1")
    assert hs.get("deals", deal, "odoo_order")["odoo_order"] == "S1"
    assert hs.good("PATCH", "/crm/properties/{v}/deals/odoo_order", {"label": "Order"})["label"] == "Order"
    assert hs.call("DELETE", "/crm/properties/{v}/deals/odoo_order").status_code == 204
    hs.bad(404, "GET", "/crm/properties/{v}/deals/odoo_order")
    hs.bad(400, "PATCH", hs.objects(f"deals/{deal}"), {"properties": {"odoo_order": "S2"}})


@pytest.mark.parametrize(("change", "status"), [
    ({"name": "Odoo_Order"}, 400), ({"name": "hs_order"}, 400), ({"name": "1st"}, 400),
    ({"name": "amount"}, 409), ({"label": ""}, 400), ({"groupName": "nowhere"}, 400),
    ({"type": "number"}, 400), ({"type": "money"}, 400),
    ({"type": "enumeration", "fieldType": "select", "hasUniqueValue": True}, 400),
    ({"type": "enumeration", "fieldType": "select", "options": [{"label": "A"}]}, 400),
])
def test_refused_definitions(hs, group, change, status):
    hs.bad(status, "POST", "/crm/properties/{v}/deals", {**PROPERTY, **change})


def test_second_creation_is_409(hs, group):
    hs.good("POST", "/crm/properties/{v}/deals", PROPERTY)
    assert hs.bad(409, "POST", "/crm/properties/{v}/deals", PROPERTY)["category"] == "OBJECT_ALREADY_EXISTS"
    hs.bad(409, "POST", "/crm/properties/{v}/deals/groups", {"name": "odoo", "label": "Again"})


def test_batch_create_is_partial(hs, group):
    body = hs.good("POST", "/crm/properties/{v}/deals/batch/create", {
        "inputs": [PROPERTY, {**PROPERTY, "name": "amount"}]}, status=(207,))
    assert [r["name"] for r in body["results"]] == ["odoo_order"]
    assert body["errors"][0]["context"]["name"] == ["amount"]


def test_enumeration_options_are_held_and_can_grow(hs, group):
    hs.good("POST", "/crm/properties/{v}/deals", {
        **PROPERTY, "name": "odoo_payment_status", "type": "enumeration", "fieldType": "select",
        "options": [{"label": "Paid", "value": "paid", "displayOrder": 0, "hidden": False}]})
    row = {"dealname": "D", "pipeline": "default", "dealstage": "contractsent"}
    deal = hs.create("deals", **row, odoo_payment_status="paid")
    hs.bad(400, "PATCH", hs.objects(f"deals/{deal}"), {"properties": {"odoo_payment_status": "partial"}})
    hs.good("PATCH", "/crm/properties/{v}/deals/odoo_payment_status", {"options": [
        {"label": "Paid", "value": "paid"}, {"label": "Partial", "value": "partial"}]})
    hs.update("deals", deal, odoo_payment_status="partial")


def test_multi_select_appends(hs):
    hs.good("POST", "/crm/properties/{v}/companies", {
        "name": "regions", "label": "Regions", "type": "enumeration", "fieldType": "checkbox",
        "groupName": "companyinformation", "options": [
            {"label": r, "value": r} for r in ("north", "south", "west")]})
    company = hs.create("companies", name="C", regions="north;west")
    hs.update("companies", company, regions=";south;north")
    assert hs.get("companies", company, "regions")["regions"] == "north;west;south"


def test_at_most_ten_unique_properties(hs, group):
    for number in range(10):
        hs.good("POST", "/crm/properties/{v}/deals", {
            **PROPERTY, "name": f"uid{number}", "hasUniqueValue": True})
    hs.bad(400, "POST", "/crm/properties/{v}/deals", {**PROPERTY, "name": "uid10", "hasUniqueValue": True})


def test_unique_index_survives_a_restart(own_sandbox, tmp_path):
    state = tmp_path / "state.sqlite"
    first = own_sandbox(state=state)
    hs = HubSpotDriver(first)
    hs.good("POST", "/crm/properties/{v}/companies", {
        **PROPERTY, "name": "odoo_uid", "groupName": "companyinformation", "hasUniqueValue": True})
    company = hs.create("companies", name="Kept", odoo_uid="7")
    first.stop(kill=True)
    again = HubSpotDriver(own_sandbox(state=state))
    assert again.known["private_app_token"] == hs.known["private_app_token"]
    found = again.good("GET", again.objects("companies/7"), params={"idProperty": "odoo_uid"})
    assert found["id"] == company
    again.bad(400, "POST", again.objects("companies"), {"properties": {"name": "B", "odoo_uid": "7"}})


def test_pipelines_and_a_custom_won_stage(hs):
    stages = hs.good("GET", "/crm/pipelines/{v}/deals")["results"][0]["stages"]
    won = [s["id"] for s in stages
           if s["metadata"]["isClosed"] == "true" and s["metadata"]["probability"] == "1.0"]
    assert won == ["closedwon"]
    pipeline = hs.good("POST", "/crm/pipelines/{v}/deals", {
        "label": "Renewals", "displayOrder": 1, "stages": [
            {"label": "Open", "displayOrder": 0, "metadata": {"probability": "0.5"}},
            {"label": "Renewed", "displayOrder": 1, "metadata": {"probability": 1.0, "isClosed": True}}]})
    last = pipeline["stages"][1]
    assert last["id"].isdigit() and last["metadata"] == {"isClosed": "true", "probability": "1.0"}
    deal = hs.create("deals", dealname="R", pipeline=pipeline["id"], dealstage=last["id"])
    assert hs.get("deals", deal, "hs_is_closed_won")["hs_is_closed_won"] == "true"
    hs.bad(400, "POST", hs.objects("deals"), {"properties": {
        "dealname": "X", "pipeline": "default", "dealstage": last["id"]}})
    renamed = hs.good("PATCH", f"/crm/pipelines/{{v}}/deals/{pipeline['id']}/stages/{last['id']}",
                      {"label": "Signed"})
    assert renamed["label"] == "Signed" and renamed["metadata"] == last["metadata"]


def test_custom_objects(hs):
    made = hs.good("POST", "/crm-object-schemas/{v}/schemas", {
        "name": "machine", "labels": {"singular": "Machine", "plural": "Machines"},
        "primaryDisplayProperty": "serial", "requiredProperties": ["serial"], "properties": [
            {"name": "serial", "label": "Serial", "type": "string", "fieldType": "text",
             "hasUniqueValue": True}]})
    assert made["objectTypeId"].startswith("2-")
    company = hs.create("companies", name="Owner")
    for alias in (made["objectTypeId"], "machine", made["fullyQualifiedName"]):
        record = hs.create(alias, serial=f"S-{alias}")
        hs.good("PUT", f"/crm/objects/{{v}}/{alias}/{record}/associations/default/companies/{company}")
    assert hs.search("machine", ("serial", "EQ", "s-machine"))["total"] == 1
    hs.bad(400, "POST", hs.objects("machine"), {"properties": {}})
    links = hs.good("GET", f"/crm/objects/{{v}}/companies/{company}/associations/machine")["results"]
    assert len(links) == 3


def test_owners(hs):
    owners = hs.good("GET", "/crm/owners/{v}")["results"]
    assert [o["id"] for o in owners] == ["71000001", "71000002"]
    gone = hs.good("GET", "/crm/owners/{v}", params={"archived": "true"})["results"]
    assert gone[0]["userId"] is None and gone[0]["userIdIncludingInactive"]
    assert hs.good("GET", "/crm/owners/{v}/71000001")["email"] == "sam.seller@example.com"
    hs.bad(404, "GET", "/crm/owners/{v}/71000003")


@pytest.mark.parametrize("path", ["/tax-rates/v1/tax-rates", "/tax-rates/{v}/tax-rates"])
def test_tax_rates(hs, path):
    rates = {r["name"]: r for r in hs.good("GET", path)["results"]}
    assert rates["Sales Tax 15%"]["percentageRate"] == 15
    assert rates["Regional Levy 7.5%"]["percentageRate"] == 7.5
    one = hs.good("GET", f"{path}/{rates['Sales Tax 15%']['id']}")
    assert one == rates["Sales Tax 15%"]
    hs.bad(404, "GET", path + "/1")
