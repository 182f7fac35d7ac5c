"""Describe: the shape of recorded answers, the field names of API v67.0."""

import json

import pytest

COMPARED = ("Account", "Contact", "Lead", "Opportunity", "OpportunityContactRole")

#: Keys that some of the recordings, made with an older version, do not have yet.
NEWER = {"associateEntityType", "associateParentEntity", "sobjectDescribeOption"}

#: The recording is of v52, where this relationship had no name; v67 has one.
NAMED_SINCE = {("ContactId", "relationshipName")}

_TYPES = {
    "Id": {"id", "reference"}, "Decimal": {"currency", "double", "percent"}, "Integer": {"int"},
    "Boolean": {"boolean"}, "Date": {"date"}, "Datetime": {"datetime"}, "Address": {"address"},
    "String": {"string", "textarea", "email", "phone", "url", "picklist"}}


def recorded(path):
    yaml = pytest.importorskip("yaml")
    return json.loads(yaml.safe_load(path.read_text())["response"]["body"]["string"])


@pytest.mark.parametrize("name", COMPARED)
def test_object_shape_equals_the_recorded_one(sf, shared_data, name):
    real = recorded(shared_data(f"salesforce/cumulusci-cassettes/GET_sobjects_{name}_describe.yaml"))
    ours = sf.call("GET", f"sobjects/{name}/describe").json()
    assert set(real) <= set(ours) <= set(real) | NEWER
    assert set(ours["urls"]) >= set(real["urls"]) and ours["keyPrefix"] == real["keyPrefix"]
    for child in ours["childRelationships"]:
        assert set(child) == set(real["childRelationships"][0])
    for record_type in real["recordTypeInfos"]:
        assert set(ours["recordTypeInfos"][0]) == set(record_type)
    for field in ours["fields"]:
        assert set(field) == set(real["fields"][0]), field["name"]


#: Attributes in which a standard field must agree with the recording.
_ALIKE = ("type", "soapType", "referenceTo", "relationshipName", "scale", "precision", "digits")


@pytest.mark.parametrize("name", COMPARED)
def test_standard_fields_agree_with_the_recorded_ones(sf, shared_data, name):
    real = {f["name"]: f for f in recorded(
        shared_data(f"salesforce/cumulusci-cassettes/GET_sobjects_{name}_describe.yaml"))["fields"]}
    ours = [f for f in sf.call("GET", f"sobjects/{name}/describe").json()["fields"] if f["name"] in real]
    assert len(ours) > 8
    wrong = {
        (f["name"], key): (f[key], real[f["name"]][key]) for f in ours for key in _ALIKE
        if f[key] != real[f["name"]][key]}
    assert set(wrong) - NAMED_SINCE == set(), wrong


def test_global_shape_equals_the_recorded_one(sf, shared_data):
    real = recorded(shared_data("salesforce/cumulusci-cassettes/GET_sobjects_Global_describe.yaml"))
    ours = sf.call("GET", "sobjects").json()
    assert set(ours) == set(real)
    assert all(set(entry) == set(real["sobjects"][0]) for entry in ours["sobjects"])


def test_standard_names_and_types_exist_in_v67(sf, shared_data):
    known = json.loads(shared_data("salesforce/sobject-fields-v67.json").read_text())["objects"]
    problems = []
    for entry in sf.call("GET", "sobjects").json()["sobjects"]:
        name = entry["name"]
        for field in sf.call("GET", f"sobjects/{name}/describe").json()["fields"]:
            if field["custom"]:
                continue
            declared = known.get(name, {"fields": {}})["fields"].get(field["name"])
            if declared is None or field["type"] not in _TYPES[declared]:
                problems.append((name, field["name"], field["type"], declared))
    assert problems == []


def test_custom_and_derived_fields_are_marked(sf):
    fields = {f["name"]: f for f in sf.call("GET", "sobjects/Opportunity/describe").json()["fields"]}
    assert fields["Odoo_Amount_Paid__c"]["custom"] and fields["Odoo_Amount_Paid__c"]["type"] == "currency"
    assert fields["Odoo_External_Id__c"]["externalId"] and fields["Odoo_External_Id__c"]["idLookup"]
    assert not fields["IsWon"]["createable"] and not fields["IsWon"]["updateable"]
    assert "Closed Won" in [value["value"] for value in fields["StageName"]["picklistValues"]]
    assert {"USD", "EUR"} <= {value["value"] for value in fields["CurrencyIsoCode"]["picklistValues"]}


def test_unchanged_since(sf):
    first = sf.call("GET", "sobjects/Quote/describe")
    again = sf.call("GET", "sobjects/Quote/describe", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


def test_error_codes_exist_in_the_partner_wsdl(shared_data):
    """Every code that the sandbox can answer is one of the vendor's, or listed here."""
    import pathlib
    import re

    wsdl = shared_data("salesforce/wsdl/partner-v47.wsdl").read_text()
    known = set(re.findall(r'enumeration value="(?:fns:)?([A-Z_]+)"', wsdl))
    rest_only = {
        "NOT_FOUND", "METHOD_NOT_ALLOWED", "JSON_PARSER_ERROR", "GONE", "PRECONDITION_FAILED", "INVALID_INPUT",
        "PROCESSING_HALTED", "MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE"}
    folder = pathlib.Path(__file__).parents[1] / "salesforce"
    used = set()
    for path in folder.glob("*.py"):
        used |= set(re.findall(r'SalesforceError\(\s*\d+,\s*"([A-Z_]+)"', path.read_text()))
    assert len(used) > 20
    assert used - known - rest_only == set()
