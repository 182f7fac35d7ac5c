"""The sandbox's answers against the response schemas derived from HubSpot's own SDKs."""

import json

import jsonschema
import pytest

from .hubspot_driver import HubSpotDriver

VERSION = "2026-03"


@pytest.fixture
def hs(fresh_sandbox):
    driver = HubSpotDriver(fresh_sandbox, VERSION)
    driver.settings(rate_limits=False)
    return driver


@pytest.fixture
def check(shared_data):
    """Return ``check(template, method, answer)`` that validates an answer."""
    document = json.loads(shared_data("hubspot/hubspot-response-schemas-2026-03.json").read_text())

    def validate(template, method, answer):
        schema = document["responses"][template.replace("{v}", VERSION)][method]["schema"]
        jsonschema.Draft202012Validator(
            {**schema, "$defs": document["$defs"]},
            format_checker=jsonschema.FormatChecker()).validate(answer)
    return validate


OBJECTS = "/crm/objects/{v}/{object_type}"


def test_the_checker_notices_a_wrong_answer(check):
    with pytest.raises(jsonschema.ValidationError):
        check(OBJECTS + "/{object_id}", "get", {"id": 1, "properties": {}})


@pytest.mark.parametrize("object_type", [
    "contacts", "companies", "deals", "products", "line_items", "quotes"])
def test_reads(hs, check, object_type):
    page = hs.good("GET", hs.objects(object_type), params={"limit": 2, "associations": "contacts,line_items"}
                   if object_type == "deals" else {"limit": 2})
    check(OBJECTS, "get", page)
    one = page["results"][0]["id"]
    check(OBJECTS + "/{object_id}", "get", hs.good("GET", hs.objects(f"{object_type}/{one}")))
    check(OBJECTS + "/search", "post", hs.search(object_type, limit=1))
    check(OBJECTS + "/batch/read", "post", hs.good(
        "POST", hs.objects(f"{object_type}/batch/read"), {"inputs": [{"id": one}], "properties": ["name"]}))


def test_writes(hs, check):
    row = {"properties": {"name": "A"}, "objectWriteTraceId": "1"}
    made = hs.good("POST", hs.objects("companies"), row)
    check(OBJECTS, "post", made)
    check(OBJECTS + "/{object_id}", "patch", hs.update("companies", made["id"], city="Bonn"))
    batch = hs.good("POST", hs.objects("companies/batch/create"), {"inputs": [row]})
    check(OBJECTS + "/batch/create", "post", batch)
    check(OBJECTS + "/batch/update", "post", hs.good("POST", hs.objects("companies/batch/update"), {
        "inputs": [{"id": made["id"], "properties": {"city": "Ulm"}}]}))
    upserted = hs.good("POST", hs.objects("contacts/batch/upsert"), {"inputs": [
        {"id": "u@example.com", "idProperty": "email", "properties": {"firstname": "U"}}]})
    check(OBJECTS + "/batch/upsert", "post", upserted)
    merged = hs.good("POST", hs.objects("companies/merge"), {
        "primaryObjectId": made["id"], "objectIdToMerge": batch["results"][0]["id"]})
    check(OBJECTS + "/merge", "post", merged)


def test_partial_answers(hs, check):
    body = hs.good("POST", hs.objects("companies/batch/create"), {"inputs": [
        {"properties": {"name": "A"}, "objectWriteTraceId": "1"},
        {"properties": {"unicorn": "A"}, "objectWriteTraceId": "2"}]}, status=(207,))
    check(OBJECTS + "/batch/create", "post", body)


def test_associations(hs, check):
    pair = "/crm/associations/{v}/{from_object_type}/{to_object_type}"
    demo = hs.admin("GET", "demo")
    deal, company = demo["deal_id"], demo["company_id"]
    path = f"/crm/objects/{{v}}/deals/{deal}/associations"
    check(OBJECTS + "/{object_id}/associations/{to_object_type}", "get",
          hs.good("GET", f"{path}/companies"))
    check(pair + "/labels", "get", hs.good("GET", "/crm/associations/{v}/deals/companies/labels"))
    check(pair + "/batch/read", "post", hs.good(
        "POST", "/crm/associations/{v}/deals/companies/batch/read", {"inputs": [{"id": deal}]}))
    ends = {"from": {"id": deal}, "to": {"id": company}}
    specs = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]
    check(pair + "/batch/create", "post", hs.good(
        "POST", "/crm/associations/{v}/deals/companies/batch/create", {"inputs": [{**ends, "types": specs}]}))
    check(pair + "/batch/associate/default", "post", hs.good(
        "POST", "/crm/associations/{v}/deals/companies/batch/associate/default", {"inputs": [ends]}))
    check(OBJECTS + "/{object_id}/associations/{to_object_type}/{to_object_id}", "put",
          hs.good("PUT", f"{path}/companies/{company}", specs))
    check("/crm/objects/{v}/{from_object_type}/{from_object_id}/associations/default/{to_object_type}/{to_object_id}",
          "put", hs.good("PUT", f"{path}/default/companies/{company}"))


def test_schema_and_account(hs, check):
    check("/account-info/{v}/details", "get", hs.good("GET", "/account-info/{v}/details"))
    check("/crm/owners/{v}", "get", hs.good("GET", "/crm/owners/{v}", params={"archived": "true"}))
    check("/crm/owners/{v}/{owner_id}", "get", hs.good("GET", "/crm/owners/{v}/71000001"))
    check("/crm/pipelines/{v}/{object_type}", "get", hs.good("GET", "/crm/pipelines/{v}/deals"))
    check("/crm/pipelines/{v}/{object_type}/{pipeline_id}/stages/{stage_id}", "get",
          hs.good("GET", "/crm/pipelines/{v}/deals/default/stages/closedwon"))
    properties = "/crm/properties/{v}/{object_type}"
    check(properties, "get", hs.good("GET", "/crm/properties/{v}/deals"))
    check(properties + "/groups", "post", hs.good(
        "POST", "/crm/properties/{v}/deals/groups", {"name": "odoo", "label": "Odoo"}))
    check(properties + "/groups", "get", hs.good("GET", "/crm/properties/{v}/deals/groups"))
    new = {"name": "odoo_order", "label": "Order", "type": "string", "fieldType": "text", "groupName": "odoo"}
    check(properties, "post", hs.good("POST", "/crm/properties/{v}/deals", new))
    check(properties + "/batch/create", "post", hs.good(
        "POST", "/crm/properties/{v}/deals/batch/create", {"inputs": [{**new, "name": "odoo_invoice"}]}))
    check(properties + "/batch/read", "post", hs.good(
        "POST", "/crm/properties/{v}/deals/batch/read", {"inputs": [{"name": "odoo_invoice"}]}))
    check("/crm-object-schemas/{v}/schemas", "post", hs.good("POST", "/crm-object-schemas/{v}/schemas", {
        "name": "machine", "labels": {"singular": "M", "plural": "Ms"}, "primaryDisplayProperty": "serial",
        "requiredProperties": [], "properties": [
            {"name": "serial", "label": "S", "type": "string", "fieldType": "text"}]}))


def test_oauth(hs, check):
    client = {"client_id": hs.known["client_id"], "client_secret": hs.known["client_secret"]}
    token = hs.form("/oauth/{v}/token", grant_type="refresh_token",
                    refresh_token=hs.known["refresh_token"], **client)
    check("/oauth/{v}/token", "post", token)
    check("/oauth/{v}/token", "post", hs.form("/oauth/{v}/token", grant_type="client_credentials", **client))
    for text in (token["access_token"], token["refresh_token"]):
        check("/oauth/{v}/token/introspect", "post", hs.form("/oauth/{v}/token/introspect", token=text, **client))
