"""SOQL: what the parser takes, what queries answer, how they page."""

import re

import pytest

from sandbox.salesforce.errors import SalesforceError
from sandbox.salesforce.soql import Comparison, Literal, Logic, Not, parse, unescape

# -- parser -----------------------------------------------------------------


def test_syntax_tree_of_a_full_query():
    query = parse(
        "SELECT Id, a.Owner.Name, (SELECT Id FROM Contacts LIMIT 5) FROM Account a"
        " WHERE NOT (a.Name LIKE 'x%' OR Type IN ('A', 'B')) AND SystemModstamp >= 2026-01-01T00:00:00Z"
        " ORDER BY Name DESC NULLS LAST, Id LIMIT 10 OFFSET 20"
    )
    assert [str(item) for item in query.fields[:2]] == ["Id", "Owner.Name"]
    assert query.fields[2].source == "Contacts" and query.fields[2].limit == 5
    negated, later = query.where.items
    assert isinstance(negated, Not) and isinstance(negated.item, Logic) and negated.item.op == "OR"
    assert later == Comparison(later.path, ">=", Literal("datetime", "2026-01-01T00:00:00Z"))
    assert [(str(o.path), o.descending, o.nulls_first) for o in query.order] == [
        ("Name", True, False),
        ("Id", False, None),
    ]
    assert (query.limit, query.offset) == (10, 20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "SELECT",
        "SELECT Id",
        "SELECT Id FORM Account",
        "SELECT FROM Account",
        "SELECT Id FROM Account WHERE",
        "SELECT Id FROM Account WHERE Name",
        "SELECT Id, FROM Account",
        "SELECT Id FROM Account WHERE Name = 'open",
        "SELECT Id FROM Account WHERE Name == 'x'",
        "SELECT Id FROM Account LIMIT x",
        "SELECT Id FROM Account LIMIT -1",
        "SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'",
        "SELECT Id FROM Account WHERE Name IN ()",
        "SELECT Id FROM Account WHERE (Name = 'a'",
        "SELECT Id FROM Account; DELETE",
        "SELECT * FROM Account",
        "SELECT Id FROM Account ORDER Name",
        "SELECT Id FROM Account WHERE Name = SOMETHING",
        "SELECT Id FROM Account LIMIT 1 extra",
        "UPDATE Account",
        "SELECT Id FROM Account WHERE CreatedDate = LAST_N_DAYS",
    ],
)
def test_what_is_no_soql(text):
    with pytest.raises(SalesforceError) as caught:
        parse(text)
    assert caught.value.code == "MALFORMED_QUERY" and caught.value.status == 400


def test_escapes_in_strings():
    assert unescape(r"O\'Hara \\ \"x\" \n\t") == 'O\'Hara \\ "x" \n\t'
    with pytest.raises(SalesforceError):
        unescape(r"\q")


def test_statement_length_is_limited():
    with pytest.raises(SalesforceError):
        parse("SELECT Id FROM Account WHERE Name = '" + "x" * 100_001 + "'")


# -- queries ----------------------------------------------------------------


@pytest.fixture(scope="module")
def org(sandbox_process):
    """A freshly seeded org that these tests only read, plus a few odd accounts."""
    from .conftest import SalesforceSession

    sandbox_process.admin("DELETE", "faults")
    sandbox_process.admin("POST", "clock", json={"reset": True})
    sandbox_process.admin("POST", "reset", json={"vendor": "salesforce", "profile": "demo"})
    sf = SalesforceSession(sandbox_process)
    for name, revenue, site in (
        ("Zed 100% wool", 5, "a"),
        ("O'Hara \\ Sons", 50, None),
        ("under_score", None, "B"),
        ("underXscore", 500, "c"),
    ):
        sf.create("Account", Name=name, AnnualRevenue=revenue, Site=site, Description="odd")
    return sf


def names(org, where, field="Name", source="Account", tail=""):
    soql = f"SELECT {field} FROM {source} WHERE {where} {tail}"
    return [record[field] for record in org.query(soql)["records"]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("Name = 'northwind orchards'", ["Northwind Orchards"]),
        (r"Name = 'O\'Hara \\ Sons'", ["O'Hara \\ Sons"]),
        (r"Name LIKE 'under\_score'", ["under_score"]),
        ("Name LIKE 'under_score' ORDER BY Name", ["under_score", "underXscore"]),
        (r"Name LIKE '%100\% WOOL'", ["Zed 100% wool"]),
        ("AnnualRevenue > 5 ORDER BY AnnualRevenue", ["O'Hara \\ Sons", "underXscore"]),
        ("AnnualRevenue >= 5 AND AnnualRevenue <= 50 ORDER BY AnnualRevenue DESC", ["O'Hara \\ Sons", "Zed 100% wool"]),
        ("AnnualRevenue IN (5, 500.0) ORDER BY Name", ["underXscore", "Zed 100% wool"]),
        ("Name LIKE 'u%' AND AnnualRevenue = null", ["under_score"]),
        ("Name LIKE 'u%' AND AnnualRevenue != null", ["underXscore"]),
        ("Name LIKE 'u%' AND (NOT AnnualRevenue = 500)", ["under_score"]),
        ("Name LIKE 'u%' AND Site NOT IN ('b')", ["underXscore"]),
        ("(Name = 'under_score' OR Name = 'underXscore') AND Site > 'B'", ["underXscore"]),
        ("CreatedDate = TODAY AND Name LIKE 'Zed%'", ["Zed 100% wool"]),
        ("CreatedDate < TODAY AND Name LIKE 'Zed%'", []),
        ("CreatedDate = LAST_N_DAYS:3 AND Name LIKE 'Zed%'", ["Zed 100% wool"]),
        ("Name = 'Zed 100% wool' AND IsDeleted = false", ["Zed 100% wool"]),
        ("Owner.Name = 'odoo integration' AND Site = 'a'", ["Zed 100% wool"]),
        (
            "Id IN (SELECT AccountId FROM Contact WHERE Email LIKE '%@northwindorchards.example')",
            ["Northwind Orchards"],
        ),
    ],
)
def test_filters(org, where, expected):
    assert names(org, where) == expected


def test_nulls_sort_first_unless_told(org):
    tail = "ORDER BY Site {}, Id"
    where = r"Name LIKE 'under%' OR Name LIKE 'O\'H%'"
    sites = {
        name: names(org, where, "Site", tail=tail.format(name))
        for name in ("ASC", "DESC", "ASC NULLS LAST", "DESC NULLS FIRST")
    }
    assert sites["ASC"] == [None, "B", "c"] and sites["ASC NULLS LAST"] == ["B", "c", None]
    assert sites["DESC NULLS FIRST"] == [None, "c", "B"]


def test_15_character_ids_match(org):
    record = org.query("SELECT Id FROM Account LIMIT 1")["records"][0]
    assert names(org, f"Id = '{record['Id'][:15]}'", "Id") == [record["Id"]]
    assert names(org, f"Id > '{record['Id']}' AND Name = 'Northwind Orchards'", "Id") == []


def test_parents_and_children_nest(org):
    body = org.query(
        "SELECT Name, Account.Name, Account.Owner.Username, Pricebook2.Name, SyncedQuote.GrandTotal,"
        " (SELECT ProductCode, Quantity, PricebookEntry.Product2.Name FROM OpportunityLineItems"
        " ORDER BY SortOrder, Id),"
        " (SELECT Contact.Email FROM OpportunityContactRoles WHERE IsPrimary = true)"
        " FROM Opportunity WHERE Name LIKE 'Northwind%'"
    )
    (deal,) = body["records"]
    assert deal["attributes"]["type"] == "Opportunity"
    assert deal["Account"]["Name"] == "Northwind Orchards"
    assert deal["Account"]["attributes"]["type"] == "Account"
    assert deal["Account"]["Owner"]["Username"] == "rep.carla@q2c-sandbox.example"
    assert deal["SyncedQuote"]["GrandTotal"] == 3592.83
    lines = deal["OpportunityLineItems"]
    assert (lines["totalSize"], lines["done"]) == (3, True)
    assert [line["ProductCode"] for line in lines["records"]] == ["Q2C-PLAT", "Q2C-ONB", "Q2C-SUP"]
    assert lines["records"][0]["PricebookEntry"]["Product2"]["Name"] == "Platform licence"
    assert deal["OpportunityContactRoles"]["records"][0]["Contact"]["Email"].endswith(".example")


def test_no_children_and_no_parent_are_null(org):
    record = org.query("SELECT Parent.Name, (SELECT Id FROM Contacts) FROM Account WHERE Name = 'under_score'")[
        "records"
    ][0]
    assert record["Parent"] is None and record["Contacts"] is None


def test_field_names_ignore_case_and_come_back_canonical(org):
    record = org.query("select id, NAME, account.name from contact limit 1")["records"][0]
    assert set(record) == {"attributes", "Id", "Name", "Account"} and "Name" in record["Account"]


@pytest.mark.parametrize(
    ("soql", "code", "text"),
    [
        ("SELECT Id, Nonsense FROM Account", "INVALID_FIELD", "No such column 'Nonsense' on entity 'Account'"),
        ("SELECT Id FROM Account WHERE Nope__c = 'x'", "INVALID_FIELD", "No such column 'Nope__c'"),
        ("SELECT Id FROM Account ORDER BY Nope", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD", "Didn't understand relationship 'Foo'"),
        ("SELECT Id FROM Nothing", "INVALID_TYPE", "sObject type 'Nothing' is not supported"),
        ("SELECT (SELECT Id FROM Nothings) FROM Account", "INVALID_TYPE", "relationship 'Nothings'"),
        ("SELECT Id, Id FROM Account", "INVALID_FIELD", "duplicate field selected: Id"),
        ("SELECT Id FROM Account WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered"),
        ("SELECT Id FROM Account ORDER BY Description", "INVALID_FIELD", "can not be sorted"),
        (
            "SELECT Id FROM Account WHERE CreatedDate > '2026-01-01T00:00:00Z'",
            "INVALID_FIELD",
            "must be of type dateTime",
        ),
        ("SELECT Id FROM Account WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"),
        ("SELECT Id FROM Opportunity WHERE CloseDate > 2026-01-01T00:00:00Z", "INVALID_FIELD", "must be of type date"),
        ("SELECT Id FROM Account WHERE AnnualRevenue = '5'", "INVALID_FIELD", "must be of type currency"),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD", "enclosed in quotes"),
        ("SELECT Id FROM Account WHERE IsDeleted = 'false'", "INVALID_FIELD", "must be of type boolean"),
        ("SELECT Id FROM Account WHERE Id = 'nonsense'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: nonsense"),
        ("SELECT Id FROM Account WHERE AnnualRevenue LIKE 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "2000"),
        ("SELECT Id FROM", "MALFORMED_QUERY", "unexpected token"),
    ],
)
def test_refusals(org, soql, code, text):
    response = org.call("GET", "query", params={"q": soql})
    (error,) = response.json()
    assert (response.status_code, error["errorCode"]) == (400, code)
    assert text in error["message"]


def test_counts_and_aggregates(org):
    assert org.query("SELECT COUNT() FROM Product2") == {"totalSize": 3, "done": True, "records": []}
    row = org.query(
        "SELECT COUNT(Id) n, SUM(Quantity), MIN(UnitPrice) low FROM QuoteLineItem"
        " WHERE Quote.Opportunity.Name LIKE 'Northwind%'"
    )["records"][0]
    assert row == {"attributes": {"type": "AggregateResult"}, "n": 3, "expr0": 23.0, "low": 45.35}
    rows = org.query("SELECT StageName, COUNT(Id) n FROM Opportunity GROUP BY StageName")["records"]
    assert {row["StageName"]: row["n"] for row in rows}["Closed Lost"] == 2


def test_field_sets(org):
    record = org.query("SELECT FIELDS(ALL) FROM Account LIMIT 1")["records"][0]
    assert "Odoo_Partner__c" in record and record["BillingAddress"]["city"] == "Yakima"
    custom = org.query("SELECT FIELDS(CUSTOM) FROM Account LIMIT 1")["records"][0]
    assert set(custom) == {"attributes", "Odoo_Partner__c", "Tax_Id__c", "Payment_Terms__c"}
    assert org.error("GET", "query", params={"q": "SELECT FIELDS(ALL) FROM Account"}) == (400, "MALFORMED_QUERY")


def test_dates_have_the_vendors_notation(org):
    record = org.query("SELECT SystemModstamp, CreatedDate FROM Account LIMIT 1")["records"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000\+0000", record["SystemModstamp"])


def test_the_recycle_bin_shows_in_query_all_only(org):
    doomed = org.create("Account", Name="Doomed")
    assert org.call("DELETE", f"sobjects/Account/{doomed}").status_code == 204
    where = {"q": f"SELECT Id, IsDeleted FROM Account WHERE Id = '{doomed}'"}
    assert org.call("GET", "query", params=where).json()["totalSize"] == 0
    assert org.call("GET", "queryAll", params=where).json()["records"][0]["IsDeleted"] is True


# -- paging -----------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(org, sandbox_process):
    """1,500 more accounts, 300 to a second."""
    sandbox_process.admin(
        "POST", "salesforce/generate", json={"accounts": 1500, "contacts_each": 0, "per_second": 300, "label": "Crowd"}
    )
    return org


def test_pages_follow_next_records_url(crowd):
    options = {"Sforce-Query-Options": "batchSize=200"}
    body = crowd.query("SELECT Id FROM Account WHERE Name LIKE 'Crowd%' ORDER BY Id", headers=options)
    assert body["totalSize"] == 1500 and not body["done"] and len(body["records"]) == 200
    found = [row["Id"] for row in body["records"]]
    while not body["done"]:
        assert re.search(r"/services/data/v67.0/query/0r8\w+-\d+$", body["nextRecordsUrl"])
        body = crowd.http.get(crowd.root + body["nextRecordsUrl"], timeout=10).json()
        found += [row["Id"] for row in body["records"]]
    assert len(found) == len(set(found)) == 1500 and found == sorted(found)
    assert "nextRecordsUrl" not in body


def test_batch_size_is_forced_into_its_range(crowd):
    body = crowd.query(
        "SELECT Id FROM Account WHERE Name LIKE 'Crowd%'", headers={"Sforce-Query-Options": "batchSize=1"}
    )
    assert len(body["records"]) == 200


def test_only_ten_cursors_stay_open(crowd):
    options = {"Sforce-Query-Options": "batchSize=200"}
    bodies = [crowd.query("SELECT Id FROM Account", headers=options) for _i in range(11)]
    statuses = [crowd.http.get(crowd.root + body["nextRecordsUrl"], timeout=10).status_code for body in bodies]
    assert statuses == [400] + [200] * 10


def test_a_foreign_or_old_locator_is_refused(crowd, sandbox_process):
    body = crowd.query("SELECT Id FROM Account", headers={"Sforce-Query-Options": "batchSize=200"})
    assert crowd.error("GET", "query/0r8000000000000AAA-200") == (400, "INVALID_QUERY_LOCATOR")
    from .conftest import SalesforceSession

    sandbox_process.admin("POST", "clock", json={"offset": 2 * 86400 + 60})
    later = SalesforceSession(sandbox_process)
    answer = later.http.get(later.root + body["nextRecordsUrl"], timeout=10)
    sandbox_process.admin("POST", "clock", json={"reset": True})
    assert answer.json()[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_key_set_paging_covers_equal_timestamps_exactly_once(crowd):
    found, where = [], "Name LIKE 'Crowd%'"
    while True:
        rows = crowd.query(
            f"SELECT Id, SystemModstamp FROM Account WHERE {where} ORDER BY SystemModstamp, Id LIMIT 170"
        )["records"]
        if not rows:
            break
        found += [(row["SystemModstamp"], row["Id"]) for row in rows]
        moment = found[-1][0].replace(".000+0000", "Z")
        where = (
            f"Name LIKE 'Crowd%' AND ((SystemModstamp = {moment} AND Id > '{found[-1][1]}')"
            f" OR SystemModstamp > {moment})"
        )
    assert len(found) == len(set(found)) == 1500 and found == sorted(found)


def test_descending_order_by_modification(crowd):
    rows = crowd.query("SELECT Id, SystemModstamp FROM Account ORDER BY SystemModstamp DESC, Id DESC LIMIT 50")
    keys = [(row["SystemModstamp"], row["Id"]) for row in rows["records"]]
    assert keys == sorted(keys, reverse=True) and len(keys) == 50


def test_too_long_an_address_is_refused(org):
    ids = ",".join(["'001Q20000000001IAA'"] * 900)
    response = org.call("GET", "query", params={"q": f"SELECT Id FROM Account WHERE Id IN ({ids})"})
    assert response.status_code == 414
