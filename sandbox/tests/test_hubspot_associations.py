"""Associations: types, primary company, batches, and what they leave untouched."""

import pytest

from .hubspot_driver import HubSpotDriver


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


@pytest.fixture
def trio(hs):
    """Return a deal and two companies."""
    deal = hs.create("deals", dealname="D", pipeline="default", dealstage="contractsent")
    return deal, hs.create("companies", name="One"), hs.create("companies", name="Two")


def types(hs, from_type, from_id, to_type):
    """Return ``{to id: {type ids}}``."""
    answer = hs.good("GET", f"/crm/objects/{{v}}/{from_type}/{from_id}/associations/{to_type}")
    return {r["toObjectId"]: {t["typeId"] for t in r["associationTypes"]} for r in answer["results"]}


def pair(from_id, to_id, *type_ids):
    return {"from": {"id": from_id}, "to": {"id": to_id}, "types": [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": t} for t in type_ids]}


def test_first_company_becomes_primary_in_both_directions(hs, trio):
    deal, one, two = trio
    for company in (one, two):
        hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/companies/{company}")
    assert types(hs, "deals", deal, "companies") == {one: {341, 5}, two: {341}}
    assert types(hs, "companies", one, "deals") == {deal: {342, 6}}
    assert types(hs, "companies", two, "deals") == {deal: {342}}


def test_naming_the_primary_type_moves_the_mark(hs, trio):
    deal, one, two = trio
    hs.good("POST", "/crm/associations/{v}/deals/companies/batch/create", {
        "inputs": [pair(deal, one, 5)]})
    hs.good("POST", "/crm/associations/{v}/companies/deals/batch/create", {
        "inputs": [pair(two, deal, 6)]})
    assert types(hs, "deals", deal, "companies") == {one: {341}, two: {341, 5}}


def test_a_company_is_primary_to_many_contacts(hs, trio):
    _deal, one, _two = trio
    contacts = [hs.create("contacts", email=f"c{n}@example.com") for n in range(3)]
    hs.good("POST", "/crm/associations/{v}/companies/contacts/batch/associate/default", {
        "inputs": [{"from": {"id": one}, "to": {"id": contact}} for contact in contacts]})
    for contact in contacts:
        assert types(hs, "contacts", contact, "companies") == {one: {279, 1}}
        assert hs.get("contacts", contact, "associatedcompanyid")["associatedcompanyid"] == one


def test_associating_does_not_touch_the_modified_date(hs, trio):
    deal, one, _two = trio
    before = hs.get("deals", deal)["hs_lastmodifieddate"], hs.get("companies", one)["hs_lastmodifieddate"]
    hs.sandbox.admin("POST", "clock", json={"advance": 60})
    hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/companies/{one}")
    hs.call("DELETE", f"/crm/objects/{{v}}/deals/{deal}/associations/companies/{one}")
    after = hs.get("deals", deal)["hs_lastmodifieddate"], hs.get("companies", one)["hs_lastmodifieddate"]
    assert after == before
    assert types(hs, "deals", deal, "companies") == {}


def test_batch_read_is_207_when_a_record_has_none(hs, trio):
    deal, one, _two = trio
    other = hs.create("deals", dealname="E", pipeline="default", dealstage="contractsent")
    hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/companies/{one}")
    body = hs.good("POST", "/crm/associations/{v}/deals/companies/batch/read", {
        "inputs": [{"id": other}, {"id": deal}]}, status=(207,))
    assert [(r["from"]["id"], r["to"][0]["toObjectId"]) for r in body["results"]] == [(deal, one)]
    assert body["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    assert body["errors"][0]["context"]["fromObjectId"] == [other]


def test_batch_read_pages_long_lists(hs, trio):
    _deal, one, _two = trio
    hs.settings(association_page=2)
    contacts = [hs.create("contacts", email=f"p{n}@example.com") for n in range(5)]
    hs.good("POST", "/crm/associations/{v}/contacts/companies/batch/associate/default", {
        "inputs": [{"from": {"id": contact}, "to": {"id": one}} for contact in contacts]})
    found, after = [], None
    while True:
        entry = {"id": one, **({"after": after} if after else {})}
        body = hs.good("POST", "/crm/associations/{v}/companies/contacts/batch/read", {"inputs": [entry]})
        found += [t["toObjectId"] for t in body["results"][0]["to"]]
        after = body["results"][0].get("paging", {}).get("next", {}).get("after")
        if not after:
            break
    assert found == contacts


def test_wrong_types_and_missing_records(hs, trio):
    deal, one, _two = trio
    body = hs.good("POST", "/crm/associations/{v}/deals/companies/batch/create", {
        "inputs": [pair(deal, one, 279), pair(deal, "1", 341), pair(deal, one, 341)]}, status=(207,))
    assert body["numErrors"] == 2 and len(body["results"]) == 1
    assert {e["category"] for e in body["errors"]} == {"VALIDATION_ERROR", "OBJECT_NOT_FOUND"}
    hs.bad(400, "PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/products/1")


def test_labels(hs, trio):
    deal, one, _two = trio
    found = hs.good("GET", "/crm/associations/{v}/deals/companies/labels")["results"]
    assert {(e["typeId"], e["label"]) for e in found} == {(341, None), (5, "Primary")}
    made = hs.good("POST", "/crm/associations/{v}/deals/companies/labels", {
        "label": "Billed to", "inverseLabel": "Billed for", "name": "billed_to"})["results"]
    hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/companies/{one}", [
        {"associationCategory": "USER_DEFINED", "associationTypeId": made[0]["typeId"]}])
    back = hs.good("GET", f"/crm/objects/{{v}}/companies/{one}/associations/deals")["results"][0]
    assert "Billed for" in {t["label"] for t in back["associationTypes"]}


def test_associations_parameter_of_reads(hs, trio):
    deal, one, _two = trio
    hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/companies/{one}")
    found = hs.good("GET", hs.objects(f"deals/{deal}"), params={"associations": "companies,contacts"})
    assert found["associations"] == {"companies": {"results": [
        {"id": one, "type": "deal_to_company"}, {"id": one, "type": "deal_to_company_unlabeled"}]}}


def test_archived_records_do_not_show(hs, trio):
    deal, one, _two = trio
    hs.good("PUT", f"/crm/objects/{{v}}/deals/{deal}/associations/default/companies/{one}")
    hs.call("DELETE", hs.objects(f"companies/{one}"))
    assert types(hs, "deals", deal, "companies") == {}


def test_too_many_inputs(hs):
    read = {"inputs": [{"id": "1"}] * 1001}
    hs.bad(400, "POST", "/crm/associations/{v}/deals/companies/batch/read", read)
