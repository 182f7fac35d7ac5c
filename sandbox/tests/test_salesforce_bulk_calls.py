"""Composite requests and sObject collections."""

import pytest


def composite(sf, *calls, **options):
    response = sf.call("POST", "composite", json={"compositeRequest": list(calls), **options})
    assert response.status_code == 200, response.text
    return response.json()["compositeResponse"]


def call(reference, method, path, body=None):
    found = {"referenceId": reference, "method": method, "url": f"/services/data/v67.0/{path}"}
    return {**found, "body": body} if body is not None else found


def test_references_between_calls(sf):
    answers = composite(
        sf,
        call("acc", "POST", "sobjects/Account", {"Name": "Composite"}),
        call("con", "POST", "sobjects/Contact", {"LastName": "C", "AccountId": "@{acc.id}"}),
        call("read", "GET", "query?q=SELECT Account.Name FROM Contact WHERE Id = '@{con.id}'"),
        call("name", "PATCH", "sobjects/Contact/@{con.id}", {"Title": "of @{read.records[0].Account.Name}"}),
    )
    assert [a["httpStatusCode"] for a in answers] == [201, 201, 200, 204]
    assert [a["referenceId"] for a in answers] == ["acc", "con", "read", "name"]
    assert answers[0]["httpHeaders"]["Location"].endswith(answers[0]["body"]["id"])
    assert sf.get("Contact", answers[1]["body"]["id"])["Title"] == "of Composite"


def test_a_failed_call_halts_only_its_dependants(sf):
    answers = composite(
        sf,
        call("bad", "POST", "sobjects/Account", {}),
        call("dep", "POST", "sobjects/Contact", {"LastName": "x", "AccountId": "@{bad.id}"}),
        call("good", "POST", "sobjects/Account", {"Name": "Survives"}),
    )
    assert [a["httpStatusCode"] for a in answers] == [400, 400, 201]
    assert answers[0]["body"][0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    assert answers[1]["body"][0]["errorCode"] == "PROCESSING_HALTED"


def test_all_or_none_leaves_nothing(sf):
    answers = composite(
        sf,
        call("one", "POST", "sobjects/Account", {"Name": "Rolled back"}),
        call("two", "POST", "sobjects/Account", {}),
        allOrNone=True,
    )
    assert [a["body"][0]["errorCode"] for a in answers] == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert sf.query("SELECT COUNT() FROM Account WHERE Name = 'Rolled back'")["totalSize"] == 0


@pytest.mark.parametrize(
    ("path", "status", "code"), [("sobjects/Foo", 404, "NOT_FOUND"), ("composite", 400, "INVALID_INPUT")]
)
def test_unknown_and_nested_calls(sf, path, status, code):
    (answer,) = composite(sf, call("a", "POST" if path == "composite" else "GET", path))
    assert answer["httpStatusCode"] == status and answer["body"][0]["errorCode"] == code


def test_composite_limits(sf):
    many = [call(f"r{n}", "GET", "sobjects/Account/describe") for n in range(26)]
    assert sf.error("POST", "composite", json={"compositeRequest": many})[0] == 400
    queries = [call(f"r{n}", "GET", "query?q=SELECT Id FROM User") for n in range(6)]
    assert sf.error("POST", "composite", json={"compositeRequest": queries})[0] == 400
    same = [call("r", "GET", "limits"), call("r", "GET", "limits")]
    assert sf.error("POST", "composite", json={"compositeRequest": same})[0] == 400
    assert sf.error("POST", "composite", json={})[0] == 400


def rows(*values, kind="Account"):
    return [{"attributes": {"type": kind}, **value} for value in values]


def collection(sf, method, path="composite/sobjects", **body):
    response = sf.call(method, path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def test_partial_success_keeps_the_order(sf):
    got = collection(sf, "POST", allOrNone=False, records=rows({"Name": "P1"}, {}, {"Name": "P3"}))
    assert [row["success"] for row in got] == [True, False, True]
    assert got[0] == {"id": got[0]["id"], "success": True, "errors": []}
    assert got[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    updated = collection(
        sf,
        "PATCH",
        records=rows({"id": got[0]["id"], "Phone": "1"}, {"Phone": "2"}, {"Id": "001Q2000000zzzz", "Phone": "3"}),
    )
    assert [row["errors"][0]["statusCode"] if row["errors"] else None for row in updated] == [
        None,
        "MISSING_ARGUMENT",
        "NOT_FOUND",
    ]
    gone = sf.call("DELETE", f"composite/sobjects?ids={got[0]['id']},{got[2]['id']},nonsense&allOrNone=false").json()
    assert [row["success"] for row in gone] == [True, True, False]


def test_all_or_none_collections(sf):
    got = collection(sf, "POST", allOrNone=True, records=rows({"Name": "Never kept"}, {}))
    assert [row["errors"][0]["statusCode"] for row in got] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "REQUIRED_FIELD_MISSING",
    ]
    assert sf.query("SELECT COUNT() FROM Account WHERE Name = 'Never kept'")["totalSize"] == 0


def test_upsert_of_many(sf):
    path = "composite/sobjects/Account/Odoo_Partner__c"
    first = collection(
        sf,
        "PATCH",
        path,
        records=rows({"Name": "U1", "Odoo_Partner__c": "many-1"}, {"Name": "U2", "Odoo_Partner__c": "many-2"}),
    )
    assert [row["created"] for row in first] == [True, True]
    second = collection(
        sf,
        "PATCH",
        path,
        records=rows(
            {"Phone": "1", "Odoo_Partner__c": "MANY-2"}, {"Name": "U3"}, {"Phone": "2", "Odoo_Partner__c": "many-1"}
        ),
    )
    assert [row.get("created") for row in second] == [False, None, False]
    assert second[0]["id"] == first[1]["id"] and second[1]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"


def test_upsert_by_an_ambiguous_value(sf):
    collection(
        sf,
        "POST",
        records=rows(
            {"LastName": "A", "Email": "two@many.example"},
            {"LastName": "B", "Email": "two@many.example"},
            kind="Contact",
        ),
    )
    (row,) = collection(
        sf,
        "PATCH",
        "composite/sobjects/Contact/Email",
        records=rows({"LastName": "C", "Email": "two@many.example"}, kind="Contact"),
    )
    assert row["errors"][0]["statusCode"] == "DUPLICATE_EXTERNAL_ID"


def test_read_many_in_the_order_asked(sf):
    made = collection(sf, "POST", records=rows({"Name": "R1"}, {"Name": "R2"}))
    wanted = [made[1]["id"], "001Q2000000zzzz", made[0]["id"][:15]]
    got = collection(sf, "POST", "composite/sobjects/Account", ids=wanted, fields=["Name"])
    assert [row and row["Name"] for row in got] == ["R2", None, "R1"]
    assert sf.error("POST", "composite/sobjects/Account", json={"ids": wanted, "fields": ["Nope"]}) == (
        400,
        "INVALID_FIELD",
    )


def test_collection_limits(sf):
    many = rows(*({"Name": f"L{n}"} for n in range(201)))
    assert sf.error("POST", "composite/sobjects", json={"records": many}) == (400, "EXCEEDED_ID_LIMIT")
    assert len(collection(sf, "POST", records=many[:200])) == 200
    assert sf.error("POST", "composite/sobjects", json={"records": "x"})[0] == 400
    (row,) = collection(sf, "POST", records=[{"Name": "no type"}])
    assert row["errors"][0]["statusCode"] == "INVALID_TYPE"


def test_faults_of_single_records_fail_alone(sandbox, sf):
    made = [row["id"] for row in collection(sf, "POST", records=rows({"Name": "F1"}, {"Name": "F2"}))]
    sandbox.admin("POST", "salesforce/record-faults", json={"id": made[1], "code": "UNABLE_TO_LOCK_ROW"})

    def update():
        return [
            row["success"] for row in collection(sf, "PATCH", records=rows(*({"id": i, "Phone": "1"} for i in made)))
        ]

    assert update() == [True, False] and update() == [True, True]
