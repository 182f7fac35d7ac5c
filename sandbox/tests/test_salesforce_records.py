"""Records: create, read, change, upsert, delete; every refusal in the vendor's words."""

from email.utils import formatdate

import pytest


@pytest.fixture
def account(sf):
    return sf.create("Account", Name="Record test")


def refusal(sf, method, path, **keywords):
    response = sf.call(method, path, **keywords)
    (error,) = response.json()
    return response.status_code, error["errorCode"], error["message"], error.get("fields")


def test_create_read_update_delete(sf):
    created = sf.call(
        "POST",
        "sobjects/Account/",
        json={
            "attributes": {"type": "Account"},
            "name": "  Trimmed  ",
            "BillingCity": "Oslo",
            "AnnualRevenue": "1234.6",
            "NumberOfEmployees": 7.0,
        },
    )
    assert created.status_code == 201
    body = created.json()
    assert body == {"id": body["id"], "success": True, "errors": []} and len(body["id"]) == 18
    record = sf.get("Account", body["id"][:15])
    assert record["Name"] == "Trimmed" and record["NumberOfEmployees"] == 7
    assert record["AnnualRevenue"] == 1235.0 and record["Website"] is None
    assert record["BillingAddress"]["city"] == "Oslo" and record["ShippingAddress"] is None
    assert record["IsDeleted"] is False and record["CurrencyIsoCode"] == "USD"
    changed = sf.call("PATCH", f"sobjects/Account/{body['id']}", json={"Name": "New", "BillingCity": ""})
    assert (changed.status_code, changed.text) == (204, "")
    assert sf.get("Account", body["id"])["BillingAddress"] is None
    assert sf.call("DELETE", f"sobjects/Account/{body['id']}").status_code == 204
    assert sf.error("GET", f"sobjects/Account/{body['id']}") == (404, "ENTITY_IS_DELETED")
    assert sf.error("DELETE", f"sobjects/Account/{body['id']}") == (404, "ENTITY_IS_DELETED")
    assert sf.error("PATCH", f"sobjects/Account/{body['id']}", json={"Name": "x"}) == (404, "ENTITY_IS_DELETED")


def test_chosen_fields(sf, account):
    record = sf.call("GET", f"sobjects/Account/{account}?fields=Name,Phone").json()
    assert set(record) == {"attributes", "Name", "Phone"}
    assert sf.error("GET", f"sobjects/Account/{account}?fields=Nope") == (400, "INVALID_FIELD")


def test_writing_moves_the_modification_stamps(sandbox, sf, account):
    before = sf.get("Account", account)
    sandbox.admin("POST", "clock", json={"offset": 100})
    sf.call("PATCH", f"sobjects/Account/{account}", json={"Phone": "1"})
    after = sf.get("Account", account)
    assert after["SystemModstamp"] > before["SystemModstamp"] == before["CreatedDate"]
    assert after["CreatedDate"] == before["CreatedDate"]
    me = sf.query(f"SELECT Id FROM User WHERE Username = '{sf.credentials['username']}'")["records"][0]["Id"]
    assert after["LastModifiedById"] == me == after["OwnerId"]


@pytest.mark.parametrize(
    ("body", "status", "code", "text", "fields"),
    [
        ({}, 400, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]", ["Name"]),
        ({"Name": ""}, 400, "REQUIRED_FIELD_MISSING", "[Name]", ["Name"]),
        ({"Name": "x", "Nope": 1}, 400, "INVALID_FIELD", "No such column 'Nope' on sobject of type Account", None),
        ({"Name": "x", "IsDeleted": True}, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", "IsDeleted", ["IsDeleted"]),
        (
            {"Name": "x", "Id": "001Q20000000001IAA"},
            400,
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "cannot specify Id",
            ["Id"],
        ),
        ({"Name": "x" * 256}, 400, "STRING_TOO_LONG", "(max length=255)", ["Name"]),
        (
            {"Name": "x", "AnnualRevenue": "many"},
            400,
            "JSON_PARSER_ERROR",
            "Cannot deserialize instance of currency",
            None,
        ),
        ({"Name": "x", "AnnualRevenue": True}, 400, "JSON_PARSER_ERROR", "currency", None),
        (
            {"Name": "x", "AnnualRevenue": 10**19},
            400,
            "NUMBER_OUTSIDE_VALID_RANGE",
            "outside of valid range",
            ["AnnualRevenue"],
        ),
        ({"Name": "x", "NumberOfEmployees": 1.5}, 400, "JSON_PARSER_ERROR", "int", None),
        ({"Name": ["x"]}, 400, "JSON_PARSER_ERROR", "string", None),
        ({"Name": "x", "ParentId": "nonsense"}, 400, "MALFORMED_ID", "incorrect type: nonsense", ["ParentId"]),
        ({"Name": "x", "ParentId": "003Q20000000001IAA"}, 400, "MALFORMED_ID", "incorrect type", ["ParentId"]),
        (
            {"Name": "x", "ParentId": "001Q2000000zzzzIAA"},
            400,
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
            ["ParentId"],
        ),
        (
            {"Name": "x", "CurrencyIsoCode": "ZZZ"},
            400,
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            "bad value for restricted picklist field: ZZZ",
            ["CurrencyIsoCode"],
        ),
    ],
)
def test_refused_accounts(sf, body, status, code, text, fields):
    got = refusal(sf, "POST", "sobjects/Account", json=body)
    assert (got[0], got[1], got[3]) == (status, code, fields) and text in got[2]


def test_refused_contact_email_and_dates(sf):
    def code(**body):
        return refusal(sf, "POST", "sobjects/Contact", json={"LastName": "x", **body})[1]

    assert code(Email="no at sign") == "INVALID_EMAIL_ADDRESS"
    assert code(Birthdate="31/12/2026") == "JSON_PARSER_ERROR"
    assert code(HasOptedOutOfEmail=None) == "JSON_PARSER_ERROR"


def test_unknown_places(sf):
    assert sf.error("GET", "sobjects/Foo") == (404, "NOT_FOUND")
    assert sf.error("POST", "sobjects/Foo", json={}) == (404, "NOT_FOUND")
    assert sf.error("GET", "sobjects/Account/001Q2000000zzzz") == (404, "NOT_FOUND")
    assert sf.error("GET", "sobjects/Account/nonsense") == (404, "NOT_FOUND")
    assert sf.error("GET", "nothing/here") == (404, "NOT_FOUND")
    assert sf.error("PUT", "sobjects/Account", json={}) == (405, "METHOD_NOT_ALLOWED")
    assert sf.error("POST", "sobjects/Organization", json={"Name": "x"})[0] == 400


def test_malformed_json(sf):
    assert sf.error("POST", "sobjects/Account", data='{"Name": ') == (400, "JSON_PARSER_ERROR")
    assert sf.error("POST", "sobjects/Account", data="[1]") == (400, "JSON_PARSER_ERROR")


@pytest.mark.parametrize(
    ("version", "status"),
    [("v30.0", 410), ("v21.0", 410), ("v31.0", 200), ("v67.0", 200), ("v68.0", 200), ("v69.0", 404), ("v67", 404),
     ("vxx.0", 404)],
)
def test_versions(sf, version, status):
    answer = sf.http.get(f"{sf.root}/services/data/{version}/limits", timeout=10)
    assert answer.status_code == status
    assert status == 200 or isinstance(answer.json(), list)


def test_person_names_are_joined(sf, account):
    contact = sf.create("Contact", LastName="Doe", FirstName="Jo", AccountId=account[:15])
    record = sf.get("Contact", contact)
    assert record["Name"] == "Jo Doe" and record["AccountId"] == account
    sf.call("PATCH", f"sobjects/Contact/{contact}", json={"FirstName": None})
    assert sf.get("Contact", contact)["Name"] == "Doe"


def test_foreign_key_by_external_id(sf):
    sf.call("PATCH", "sobjects/Account/Odoo_Partner__c/fk-1", json={"Name": "By key"})
    contact = sf.create("Contact", LastName="Key", Account={"Odoo_Partner__c": "fk-1"})
    assert (
        sf.query(f"SELECT Account.Name FROM Contact WHERE Id = '{contact}'")["records"][0]["Account"]["Name"]
        == "By key"
    )
    got = refusal(sf, "POST", "sobjects/Contact", json={"LastName": "x", "Account": {"Odoo_Partner__c": "none"}})
    assert got[1] == "INVALID_FIELD" and "Foreign key external ID: none not found" in got[2]


def test_upsert_creates_then_updates(sf):
    path = "sobjects/Account/Odoo_Partner__c/up%2F1"
    first = sf.call("PATCH", path, json={"Name": "Upserted"})
    assert first.status_code == 201 and first.json()["created"] is True
    second = sf.call("PATCH", path, json={"Phone": "5"})
    assert second.status_code == 200 and second.json()["created"] is False
    assert second.json()["id"] == first.json()["id"]
    record = sf.call("GET", path).json()
    assert (record["Odoo_Partner__c"], record["Name"], record["Phone"]) == ("up/1", "Upserted", "5")
    named = refusal(sf, "PATCH", path, json={"Odoo_Partner__c": "up/1"})
    assert named[1] == "INVALID_FIELD" and "should not be specified" in named[2]
    assert sf.error("PATCH", "sobjects/Account/Odoo_Partner__c/none?updateOnly=true", json={}) == (404, "NOT_FOUND")
    assert sf.error("PATCH", "sobjects/Account/Phone/5", json={}) == (404, "NOT_FOUND")
    assert sf.call("DELETE", path).status_code == 204 and sf.error("GET", path) == (404, "NOT_FOUND")


def test_upsert_by_a_value_that_is_not_unique(sf):
    for _i in range(2):
        sf.create("Contact", LastName="Twin", Email="twin@records.example")
    response = sf.call("PATCH", "sobjects/Contact/Email/TWIN@records.example", json={"Phone": "1"})
    assert response.status_code == 300 and len(response.json()) == 2
    assert response.json()[0].startswith("/services/data/v67.0/sobjects/Contact/003")


def test_unique_values(sf, account):
    sf.call("PATCH", "sobjects/Account/Odoo_Partner__c/only-one", json={"Name": "Owner of it"})
    got = refusal(sf, "PATCH", f"sobjects/Account/{account}", json={"Odoo_Partner__c": "ONLY-ONE"})
    assert got[1] == "DUPLICATE_VALUE" and "duplicates value on record with id: 001" in got[2]


def test_conditional_update(sf, account):
    old = {"If-Unmodified-Since": formatdate(1_700_000_000, usegmt=True)}
    assert sf.error("PATCH", f"sobjects/Account/{account}", json={"Phone": "9"}, headers=old) == (
        412,
        "PRECONDITION_FAILED",
    )
    assert sf.get("Account", account)["Phone"] is None
    new = {"If-Unmodified-Since": formatdate(4_000_000_000, usegmt=True)}
    assert sf.call("PATCH", f"sobjects/Account/{account}", json={"Phone": "9"}, headers=new).status_code == 204


def test_deleting_an_account_takes_its_contacts_along(sf, account):
    contact = sf.create("Contact", LastName="Child", AccountId=account)
    sf.call("DELETE", f"sobjects/Account/{account}")
    assert sf.error("GET", f"sobjects/Contact/{contact}") == (404, "ENTITY_IS_DELETED")
    got = refusal(sf, "POST", "sobjects/Contact", json={"LastName": "x", "AccountId": account})
    assert got[1] == "ENTITY_IS_DELETED"


def test_replication_lists(sandbox, sf, account):
    gone = sf.create("Account", Name="To be deleted")
    sf.call("DELETE", f"sobjects/Account/{gone}")
    sandbox.admin("POST", "clock", json={"offset": 120})
    now = sf.call("GET", f"sobjects/Account/{account}").json()["SystemModstamp"][:16]
    window = {"start": f"{now}:00+00:00", "end": sandbox.admin("GET", "clock")["now"][:16] + ":00+00:00"}
    updated = sf.call("GET", "sobjects/Account/updated", params=window).json()
    assert account in updated["ids"] and gone not in updated["ids"] and updated["latestDateCovered"]
    deleted = sf.call("GET", "sobjects/Account/deleted", params=window).json()
    assert gone in [row["id"] for row in deleted["deletedRecords"]]
    same = {"start": window["start"], "end": window["start"]}
    assert sf.error("GET", "sobjects/Account/updated", params=same) == (400, "INVALID_REPLICATION_DATE")
    old = {"start": "2020-01-01T00:00:00Z", "end": window["end"]}
    assert sf.error("GET", "sobjects/Account/deleted", params=old) == (400, "INVALID_REPLICATION_DATE")


def test_limits_and_the_allocation(sandbox, sf):
    sandbox.admin("POST", "salesforce/usage", json={"used": 40})
    header = sf.call("GET", "limits").headers["Sforce-Limit-Info"]
    assert header == "api-usage=41/100000"
    assert sf.call("GET", "limits").json()["DailyApiRequests"] == {"Max": 100000, "Remaining": 100000 - 42}
    sandbox.admin("POST", "salesforce/usage", json={"used": 100000})
    assert sf.error("GET", "limits") == (403, "REQUEST_LIMIT_EXCEEDED")
    sandbox.admin("POST", "salesforce/usage", json={"used": 0})


def test_validation_rules_and_faults_of_one_record(sandbox, sf, account):
    sandbox.admin(
        "POST",
        "salesforce/validation-rules",
        json={"object": "Account", "when": {"Phone": "666"}, "message": "No such phone", "field": "Phone"},
    )
    got = refusal(sf, "PATCH", f"sobjects/Account/{account}", json={"Phone": "666"})
    assert got == (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "No such phone", ["Phone"])
    sandbox.admin("DELETE", "salesforce/validation-rules")
    sandbox.admin(
        "POST",
        "salesforce/record-faults",
        json={"id": account, "code": "UNABLE_TO_LOCK_ROW", "message": "unable to obtain exclusive access", "times": 2},
    )
    path, body = f"sobjects/Account/{account}", {"Phone": "7"}
    assert [sf.call("PATCH", path, json=body).status_code for _i in range(3)] == [400, 400, 204]


def test_drop_after_leaves_the_effect(sandbox, sf):
    import requests

    sandbox.fault("salesforce", "drop_after", times=1, method="PATCH")
    path = "sobjects/Account/Odoo_Partner__c/dropped-after"
    with pytest.raises(requests.ConnectionError):
        sf.call("PATCH", path, json={"Name": "Effect without answer"})
    again = sf.call("PATCH", path, json={"Name": "Effect without answer"})
    assert again.status_code == 200 and again.json()["created"] is False


def test_drop_before_leaves_nothing(sandbox, sf):
    import requests

    sandbox.fault("salesforce", "drop_before", times=1, method="PATCH")
    path = "sobjects/Account/Odoo_Partner__c/dropped-before"
    with pytest.raises(requests.ConnectionError):
        sf.call("PATCH", path, json={"Name": "No effect"})
    assert sf.call("PATCH", path, json={"Name": "No effect"}).status_code == 201


@pytest.mark.parametrize(
    ("status", "code"), [(403, "REQUEST_LIMIT_EXCEEDED"), (500, "UNKNOWN_EXCEPTION"), (503, "SERVER_UNAVAILABLE")]
)
def test_injected_errors_have_the_vendors_shape(sandbox, sf, status, code):
    sandbox.fault("salesforce", "status", status=status, times=1, retry_after=7)
    response = sf.call("GET", "limits")
    assert response.status_code == status and response.headers["Retry-After"] == "7"
    assert response.json()[0]["errorCode"] == code
    sandbox.fault("salesforce", "status", status=400, times=1, code="UNABLE_TO_LOCK_ROW", message="locked")
    assert sf.error("GET", "limits") == (400, "UNABLE_TO_LOCK_ROW")


def test_settings_switch_parts_of_the_schema(sandbox, sf):
    sandbox.admin(
        "POST",
        "salesforce/settings",
        json={"multi_currency": False, "quotes_enabled": False, "hidden_fields": ["Account.Phone"]},
    )
    try:
        assert sf.error("GET", "query", params={"q": "SELECT CurrencyIsoCode FROM Account"}) == (400, "INVALID_FIELD")
        assert sf.error("GET", "query", params={"q": "SELECT Id FROM Quote"}) == (400, "INVALID_TYPE")
        assert sf.error("GET", "query", params={"q": "SELECT Phone FROM Account"}) == (400, "INVALID_FIELD")
    finally:
        sandbox.admin(
            "POST", "salesforce/settings", json={"multi_currency": True, "quotes_enabled": True, "hidden_fields": []}
        )
    assert sf.query("SELECT Phone, CurrencyIsoCode FROM Account LIMIT 1")["totalSize"] == 1


def test_custom_objects_and_fields(sandbox, sf, account):
    sandbox.admin(
        "POST",
        "salesforce/custom-objects",
        json={
            "name": "Delivery__c",
            "fields": [
                {"name": "Account__c", "type": "reference", "reference_to": ["Account"], "child": "Deliveries__r"},
                {"name": "Ref__c", "type": "string", "length": 20, "external_id": True, "unique": True},
                {"name": "Weight__c", "type": "double", "precision": 8, "scale": 3},
            ],
        },
    )
    created = sf.call("PATCH", "sobjects/Delivery__c/Ref__c/d1", json={"Account__c": account, "Weight__c": 1.2345})
    assert created.status_code == 201 and created.json()["id"].startswith("a0")
    row = sf.query(f"SELECT Name, (SELECT Ref__c, Weight__c FROM Deliveries__r) FROM Account WHERE Id = '{account}'")[
        "records"
    ][0]
    assert row["Deliveries__r"]["records"][0]["Weight__c"] == 1.235
    assert sf.query("SELECT Account__r.Name FROM Delivery__c")["records"][0]["Account__r"]["Name"] == "Record test"
    sandbox.admin(
        "POST",
        "salesforce/custom-fields",
        json={"object": "Account", "name": "Tier__c", "type": "picklist", "values": ["A", "B"], "restricted": True},
    )
    assert sf.error("PATCH", f"sobjects/Account/{account}", json={"Tier__c": "C"}) == (
        400,
        "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    )
    assert sf.call("PATCH", f"sobjects/Account/{account}", json={"Tier__c": "A"}).status_code == 204


def test_custom_fields_change_and_go(sandbox, sf):
    sandbox.admin("POST", "salesforce/custom-objects", json={
        "name": "Passing__c", "fields": [{"name": "Size__c", "type": "string"}]})
    sandbox.admin("PATCH", "salesforce/custom-fields/Passing__c/Size__c", json={"type": "double"})

    def described():
        fields = sf.call("GET", "sobjects/Passing__c/describe").json()["fields"]
        return {field["name"]: field["type"] for field in fields}

    assert described()["Size__c"] == "double"
    sandbox.admin("DELETE", "salesforce/custom-fields/Passing__c/Size__c")
    assert "Size__c" not in described()
    assert sf.error("GET", "query", params={"q": "SELECT Size__c FROM Passing__c"}) == (400, "INVALID_FIELD")
    sandbox.admin("DELETE", "salesforce/custom-objects/Passing__c")
    assert "Passing__c" not in [one["name"] for one in sf.call("GET", "sobjects").json()["sobjects"]]
