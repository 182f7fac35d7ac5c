"""Search: operators, limits, order, and the index that lags behind."""

import pytest

from .hubspot_driver import HubSpotDriver


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox)
    driver.settings(rate_limits=False)
    return driver


def names(answer):
    return [r["properties"]["name"] for r in answer["results"]]


@pytest.fixture
def companies(hs):
    """Return ids by name of companies that no other search of the test finds."""
    rows = {
        "Alpha": {"zip": "A1", "numberofemployees": "9", "type": "PARTNER"},
        "Beta": {"zip": "A1", "numberofemployees": "10", "type": "VENDOR"},
        "Gamma": {"zip": "A1", "numberofemployees": "100"},
    }
    return {name: hs.create("companies", name=name, **row) for name, row in rows.items()}


@pytest.mark.parametrize(("condition", "found"), [
    (("name", "EQ", "ALPHA"), ["Alpha"]),
    (("name", "NEQ", "alpha"), ["Beta", "Gamma"]),
    (("name", "CONTAINS_TOKEN", "*a"), ["Alpha", "Beta", "Gamma"]),
    (("name", "CONTAINS_TOKEN", "gam*"), ["Gamma"]),
    (("name", "IN", ["alpha", "beta"]), ["Alpha", "Beta"]),
    (("name", "IN", ["Alpha", "Beta"]), []),
    (("name", "NOT_IN", ["alpha"]), ["Beta", "Gamma"]),
    (("numberofemployees", "GT", 9), ["Beta", "Gamma"]),
    (("numberofemployees", "LTE", "10.0"), ["Alpha", "Beta"]),
    (("type", "EQ", "PARTNER"), ["Alpha"]),
    (("type", "EQ", "partner"), []),
    (("type", "IN", ["PARTNER", "VENDOR"]), ["Alpha", "Beta"]),
    (("type", "HAS_PROPERTY", None), ["Alpha", "Beta"]),
    (("type", "NOT_HAS_PROPERTY", None), ["Gamma"]),
])
def test_operators(hs, companies, condition, found):
    assert names(hs.search("companies", ("zip", "EQ", "a1"), condition)) == found


def test_between_and_groups(hs, companies):
    body = {"filterGroups": [
        {"filters": [{"propertyName": "zip", "operator": "EQ", "value": "A1"},
                     {"propertyName": "numberofemployees", "operator": "BETWEEN", "value": "10", "highValue": "50"}]},
        {"filters": [{"propertyName": "name", "operator": "EQ", "value": "Alpha"}]}]}
    assert names(hs.good("POST", hs.objects("companies/search"), body)) == ["Alpha", "Beta"]


def test_sorting(hs, companies):
    down = [{"propertyName": "numberofemployees", "direction": "DESCENDING"}]
    assert names(hs.search("companies", ("zip", "EQ", "A1"), sorts=down)) == ["Gamma", "Beta", "Alpha"]
    assert names(hs.search("companies", ("zip", "EQ", "A1"), sorts=["-name"])) == ["Gamma", "Beta", "Alpha"]
    two = [{"propertyName": "name"}, {"propertyName": "zip"}]
    hs.bad(400, "POST", hs.objects("companies/search"), {"sorts": two})


def test_dates_are_filtered_by_epoch_milliseconds(hs, companies):
    hs.sandbox.admin("POST", "clock", json={"advance": 3600})
    moment = hs.sandbox.admin("GET", "clock")["now"]
    hs.update("companies", companies["Beta"], city="Bonn")
    updated = hs.admin("GET", f"records/companies/{companies['Beta']}")["updatedAt"]
    assert updated[:10] == moment[:10]
    since = hs.admin("POST", "bulk-update", {
        "type": "companies", "ids": [companies["Gamma"]], "properties": {"city": "Ulm"}})["at"]
    assert names(hs.search("companies", ("hs_lastmodifieddate", "GTE", since))) == ["Gamma"]
    assert hs.search("companies", ("hs_lastmodifieddate", "GT", since))["total"] == 0
    hs.bad(400, "POST", hs.objects("companies/search"), {"filterGroups": [{"filters": [
        {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": updated}]}]})


def test_by_association(hs):
    demo = hs.admin("GET", "demo")
    found = hs.search("deals", ("associations.company", "EQ", demo["company_id"]))
    assert demo["deal_id"] in [r["id"] for r in found["results"]]


def test_free_text(hs):
    assert names(hs.search("companies", query="nordlicht")) == ["Nordlicht Logistik GmbH"]


def test_properties_and_paging(hs):
    page = hs.search("contacts", limit=30, properties=["email", "jobtitle"])
    assert page["total"] == 40 and len(page["results"]) == 30
    assert set(page["results"][0]["properties"]) == {
        "createdate", "email", "hs_object_id", "jobtitle", "lastmodifieddate"}
    rest = hs.search("contacts", limit=30, after=page["paging"]["next"]["after"])
    assert len(rest["results"]) == 10 and "paging" not in rest


@pytest.mark.parametrize("body", [
    {"limit": 201},
    {"limit": 0, "after": "x"},
    {"limit": 200, "after": "9801"},
    {"filterGroups": [{"filters": []}] * 6},
    {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "HAS_PROPERTY"}] * 7}]},
    {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "HAS_PROPERTY"}] * 5}] * 4},
    {"filterGroups": [{"filters": [{"propertyName": "unicorn", "operator": "EQ", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "LIKE", "value": "1"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "EQ"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "name", "operator": "IN", "value": "x"}]}]},
    {"filterGroups": [{"filters": [{"propertyName": "numberofemployees", "operator": "GT", "value": "x"}]}]},
    {"query": "x" * 3001},
])
def test_limits_and_nonsense_are_400(hs, body):
    assert hs.bad(400, "POST", hs.objects("companies/search"), body)["category"] == "VALIDATION_ERROR"


def test_ten_thousand_results_are_the_end(hs):
    hs.admin("POST", "bulk", {"companies": 10_050, "contacts_per_company": 0})
    body = {"limit": 200, "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]}
    last = hs.good("POST", hs.objects("companies/search"), {**body, "after": "9800"})
    assert last["total"] == 10_070 and len(last["results"]) == 200
    hs.bad(400, "POST", hs.objects("companies/search"), {**body, "after": "10000"})
    more = hs.search("companies", ("hs_object_id", "GT", last["results"][-1]["id"]), **body)
    assert more["total"] == 70


def test_the_index_lags_as_configured(hs, companies):
    hs.settings(search_lag=30)
    hs.update("companies", companies["Alpha"], zip="NEW")
    late = hs.create("companies", name="Late", zip="NEW")
    assert names(hs.search("companies", ("zip", "EQ", "NEW"))) == []
    assert "Alpha" in names(hs.search("companies", ("zip", "EQ", "A1"))), "the old version still shows"
    read = hs.good("POST", hs.objects("companies/batch/read"), {
        "inputs": [{"id": late}, {"id": companies["Alpha"]}], "properties": ["zip"]})
    assert {r["properties"]["zip"] for r in read["results"]} == {"NEW"}, "batch read has no lag"
    hs.sandbox.admin("POST", "clock", json={"offset": 31})
    assert names(hs.search("companies", ("zip", "EQ", "NEW"))) == ["Alpha", "Late"]
