import threading
import time
import unittest
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from odoo.addons.crm_sync_base.lib import errors
from odoo.tests import BaseCase

from ..lib import tokens, transport
from ..lib.answers import Exists
from ..lib.batches import Item
from ..lib.client import (
    NEW_USER_SECONDS,
    USERS_SECONDS,
    HubSpotClient,
    association_input,
    is_won,
    oauth_token,
)
from ..lib.tokens import MemoryTokenStore, Tokens

try:
    from tests.support.servers import Sandbox
except ImportError:  # installed without the repository's test support
    Sandbox = None


class Impatient(requests.Session):
    """Waits a fifth of a second; Odoo's tests lengthen every shorter timeout to ten."""

    def send(self, request, **options):
        return self.get_adapter(request.url).send(request, timeout=0.2)


class HubSpotCase(BaseCase):
    """A client of a sandbox process over real HTTP."""

    version = "2026-09"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if Sandbox is None:
            raise unittest.SkipTest("the sandbox is only in the repository, not in an installed module")
        folder = TemporaryDirectory(prefix="sandbox-")
        cls.addClassCleanup(folder.cleanup)
        cls.sandbox = Sandbox(Path(folder.name), ["--option", "hubspot.rate_limits=off"])
        cls.sandbox.start()
        cls.addClassCleanup(cls.sandbox.stop)

    def setUp(self):
        super().setUp()
        self.admin = self.sandbox.admin
        self.admin.post("/reset", {"vendor": "hubspot", "profile": "demo"})
        self.admin.post("/clock", {"reset": True})
        self.known = self.admin.get("/credentials")["hubspot"]
        self.base = f"{self.sandbox.url}/hubspot"
        self.pauses = []
        self.client = self.with_token(self.known["private_app_token"])

    def with_token(self, token, version=None, **options):
        return HubSpotClient.with_token(
            self.base, token, version or self.version, pause=self.pauses.append, **options)

    def hubspot(self, method, path, body=None):
        """Call the sandbox's own HubSpot actions."""
        return self.admin.request(method, f"/hubspot/{path}", body)

    def fault(self, kind, **rule):
        return self.admin.post("/faults", {"vendor": "hubspot", "kind": kind, "times": 1, **rule})

    def calls(self, pattern=""):
        """Return how many calls of a kind were made since the last reset of the log."""
        return self.admin.get("/calls", vendor="hubspot", path_regex=pattern)["total"]

    def forget_calls(self):
        self.admin.delete("/calls")

    def companies(self, count):
        results = self.client.batch_create(
            "companies", [Item(str(n), {"name": f"Company {n:04d}"}) for n in range(count)])
        return [result.id for result in results]


class TestAccount(HubSpotCase):

    def test_account_owners_and_tax_rates(self):
        account = self.client.account()
        self.assertEqual(account["portalId"], self.known["portal_id"])
        self.assertEqual([o["id"] for o in self.client.owners()], ["71000001", "71000002"])
        self.assertEqual([o["userId"] for o in self.client.owners(archived=True)], [None])
        rates = {rate["label"]: rate["percentageRate"] for rate in self.client.tax_rates()}
        self.assertEqual(rates["Regional Levy 7.5%"], Decimal("7.5"))
        self.assertTrue(all(isinstance(rate, Decimal) for rate in rates.values()))

    def test_users_are_read_at_once_and_kept_for_a_while(self):
        now = [1000.0]
        self.client._clock = lambda: now[0]
        active, former = "1000002", "1000003"
        self.forget_calls()
        self.assertEqual(self.client.user_emails([]), {})
        self.assertEqual(self.calls("owners"), 0, "nobody is asked for")
        self.assertEqual(
            self.client.user_emails([active, former]),
            {active: "dana.dealer@example.com", former: "gone.colleague@example.com"},
        )
        self.assertEqual(self.client.user_emails(["7"]), {})
        self.assertEqual(self.calls("owners"), 2, "a list of those who are there, one of those who left")
        now[0] += NEW_USER_SECONDS
        self.client.user_emails([active])
        self.assertEqual(self.calls("owners"), 2)
        self.client.user_emails(["7"])
        self.assertEqual(self.calls("owners"), 4, "somebody new is looked for again")
        now[0] += USERS_SECONDS
        self.client.user_emails([active])
        self.assertEqual(self.calls("owners"), 6)

    def test_won_stages_by_nature(self):
        self.assertEqual(self.client.won_stages(), {("default", "closedwon")})
        self.assertFalse(is_won({"metadata": {"isClosed": "true", "probability": "0.0"}}))
        self.assertFalse(is_won({"metadata": {"isClosed": "false", "probability": "1.0"}}))
        self.assertFalse(is_won({}))

    def test_legacy_version_does_the_same(self):
        for version in ("v3", "2026-03"):
            client = self.with_token(self.known["private_app_token"], version)
            demo = self.hubspot("GET", "demo")
            self.assertEqual(client.account()["portalId"], self.known["portal_id"])
            self.assertIn(demo["deal_id"], client.read("deals", [demo["deal_id"]], ["dealname"]))
            self.assertEqual(client.primary_companies("deals", [demo["deal_id"]]),
                             {demo["deal_id"]: demo["company_id"]})
            self.assertEqual(len(client.tax_rates()), 3)
            self.assertEqual(len(list(client.owners())), 2)


class TestProperties(HubSpotCase):
    group = ("odoo", "Odoo")
    wanted = (
        {"name": "odoo_order", "label": "Odoo order", "type": "string", "fieldType": "text"},
        {"name": "odoo_payment_status", "label": "Payment", "type": "enumeration", "fieldType": "select",
         "options": [{"label": "Paid", "value": "paid", "displayOrder": 0, "hidden": False}]},
    )

    def ensure(self, *wanted):
        return self.client.ensure_properties("deals", self.group, wanted or self.wanted)

    def test_creates_what_is_missing_once(self):
        self.assertEqual(self.ensure(), ["odoo_order", "odoo_payment_status"])
        self.forget_calls()
        self.assertEqual(self.ensure(), [])
        self.assertEqual(self.calls(), 1)
        found = {entry["name"]: entry for entry in self.client.properties("deals")}
        self.assertEqual(found["odoo_order"]["groupName"], "odoo")

    def test_adds_options_and_keeps_others(self):
        self.ensure()
        more = {**self.wanted[1], "options": [
            {"label": "Partial", "value": "partial", "displayOrder": 1, "hidden": False}]}
        self.assertEqual(self.ensure(more), ["odoo_payment_status"])
        found = {entry["name"]: entry for entry in self.client.properties("deals")}
        self.assertEqual([o["value"] for o in found["odoo_payment_status"]["options"]], ["paid", "partial"])

    def test_another_type_is_for_a_person(self):
        wrong = {**self.wanted[0], "name": "amount"}
        with self.assertRaises(errors.PolicyBlocked) as caught:
            self.ensure(wrong, {**wrong, "name": "closedate"}, self.wanted[0])
        self.assertEqual(len(caught.exception.problems), 2)
        self.assertNotIn("odoo_order", {entry["name"] for entry in self.client.properties("deals")})

    def test_somebody_else_was_faster(self):
        self.ensure()
        self.client._create_property("deals", {"groupName": "odoo", **self.wanted[0]})
        self.client._ensure_group("deals", "odoo", "Odoo")


class TestReading(HubSpotCase):

    def test_reads_many_each_once_in_hundreds(self):
        ids = self.companies(205)
        self.forget_calls()
        found = self.client.read("companies", [*ids, ids[0], "1"], ["name", "city"])
        self.assertEqual(sorted(found), sorted(ids))
        self.assertEqual(found[ids[7]]["properties"]["name"], "Company 0007")
        self.assertEqual(self.calls("batch/read"), 3)
        self.assertEqual(self.client.read("companies", [], ["name"]), {})

    def test_reads_by_a_unique_property(self):
        self.client.ensure_properties("companies", ("odoo", "Odoo"), [
            {"name": "odoo_uid", "label": "Odoo", "type": "string", "fieldType": "text", "hasUniqueValue": True}])
        self.client.create("companies", {"name": "A", "odoo_uid": "res.partner,1"})
        found = self.client.read("companies", ["res.partner,1", "res.partner,2"], ["name"], id_property="odoo_uid")
        self.assertEqual({key: r["properties"]["name"] for key, r in found.items()}, {"res.partner,1": "A"})

    def test_says_what_became_of_each_record(self):
        live, archived, first, second = self.companies(4)
        self.client.archive("companies", [archived])
        survivor = self.hubspot("POST", "records/companies/merge", {"primary": first, "loser": second})["id"]
        found = {f.id: f for f in self.client.fetch(
            "companies", [live, archived, first, second, "1"], ["name"])}
        self.assertEqual((found[live].archived, found[live].merged_into), (False, ""))
        self.assertTrue(found[archived].archived)
        self.assertEqual(found[archived].record["properties"]["name"], "Company 0001")
        self.assertEqual([found[i].merged_into for i in (first, second)], [survivor, survivor])
        self.assertEqual(found[second].record["id"], survivor)
        self.assertEqual((found["1"].archived, found["1"].record), (True, {}))

    def test_live_records_cost_one_call_a_hundred(self):
        ids = self.companies(100)
        self.forget_calls()
        self.assertEqual(len(self.client.fetch("companies", ids, ["name"])), 100)
        self.assertEqual(self.calls(), 1)

    def test_missing_record_is_gone(self):
        with self.assertRaises(errors.RemoteGone):
            self.client.get("deals", "1")
        contact = self.client.create("contacts", {"email": "by.email@example.com"})
        found = self.client.get("contacts", "by.email@example.com", ["email"], id_property="email")
        self.assertEqual(found["id"], contact["id"])

    def test_lists_all_ids(self):
        self.companies(205)
        ids = list(self.client.all_ids("companies"))
        self.assertEqual(len(ids), 225)
        self.assertEqual(ids, sorted(set(ids), key=int))


class TestChanges(HubSpotCase):

    def walk(self, cursor="", object_name="companies", **options):
        """Return `(ids, cursor)` of a whole pass."""
        ids = []
        for _page in range(1000):
            page = self.client.changed(object_name, cursor, **options)
            ids += [record_id for record_id, _version in page.refs]
            cursor = page.cursor
            if page.done:
                return ids, cursor
        raise AssertionError("the pass does not end")

    def test_the_first_pass_lists_everything_page_by_page(self):
        self.companies(30)
        ids, _cursor = self.walk(limit=7)
        self.assertEqual(len(ids), 50)
        self.assertEqual(ids, sorted(set(ids), key=int))

    def test_the_next_pass_lists_what_changed_since(self):
        self.companies(3)
        _ids, cursor = self.walk()
        self.admin.post("/clock", {"advance": 3600})
        _ids, cursor = self.walk(cursor)
        (new,) = self.companies(1)
        demo = self.hubspot("GET", "demo")["company_id"]
        self.client.update("companies", [Item("1", {"city": "Bonn"}, id=demo)])
        ids, _cursor = self.walk(cursor)
        self.assertEqual(set(ids), {demo, new})

    def test_contacts_have_another_property(self):
        _ids, cursor = self.walk(object_name="contacts")
        self.admin.post("/clock", {"advance": 3600})
        _ids, cursor = self.walk(cursor, "contacts")
        contact = self.client.create("contacts", {"email": "late@example.com"})["id"]
        self.assertEqual(self.walk(cursor, "contacts")[0], [contact])

    def test_what_changes_during_a_pass_is_in_the_next(self):
        ids = self.companies(10)
        page = self.client.changed("companies", limit=25)
        self.assertFalse(page.done)
        self.admin.post("/clock", {"advance": 7200})
        self.client.update("companies", [Item("1", {"city": "Bonn"}, id=ids[0])])
        self.assertIn(ids[0], dict(page.refs))
        rest, cursor = self.walk(page.cursor, limit=25)
        self.assertNotIn(ids[0], rest)
        self.assertIn(ids[0], self.walk(cursor)[0])

    def test_an_index_that_lags_hides_nothing_for_ever(self):
        _ids, cursor = self.walk()
        self.hubspot("PUT", "settings", {"search_lag": 60})
        (late,) = self.companies(1)
        ids, cursor = self.walk(cursor)
        self.assertNotIn(late, ids)
        self.admin.post("/clock", {"advance": 61})
        self.assertIn(late, self.walk(cursor)[0])

    def test_ten_thousand_records_of_one_instant(self):
        self.hubspot("POST", "bulk", {"companies": 10_300, "contacts_per_company": 0})
        self.admin.post("/clock", {"advance": 3600})
        self.hubspot("POST", "bulk-update", {"type": "companies", "properties": {"city": "Bonn"}})
        _all, cursor = self.walk()
        self.admin.post("/clock", {"advance": 200})
        ids, _cursor = self.walk(cursor)
        self.assertEqual(len(ids), 10_320)
        self.assertEqual(len(set(ids)), 10_320)

    def test_versions_equal_those_of_reads_and_writes(self):
        self.admin.post("/clock", {"freeze": 1_800_000_000})  # no milliseconds: HubSpot leaves them out
        written = self.client.batch_create("products", [Item("1", {"name": "P"})])[0].record
        refs = dict(self.client.changed("products").refs)
        self.assertEqual(refs[written["id"]], "2027-01-15T08:00:00.000Z")
        self.assertEqual(written["updatedAt"], refs[written["id"]])
        for record_id, record in self.client.read("products", refs, []).items():
            self.assertEqual(refs[record_id], record["updatedAt"])
        self.assertEqual(self.client.get("products", written["id"])["updatedAt"], written["updatedAt"])

    def test_searches_over_the_limit_are_waited_out(self):
        self.fault("status", status=429, policy="SECONDLY", path_regex="/search$")
        self.assertTrue(self.client.changed("companies").refs)
        self.assertEqual(self.pauses, [1.05])
        self.fault("status", status=429, policy="SECONDLY", path_regex="/search$", times=5)
        with self.assertRaises(errors.RateLimited):
            self.client.changed("companies")
        self.admin.delete("/faults")
        self.fault("status", status=429, policy="TEN_SECONDLY_ROLLING", path_regex="/search$")
        with self.assertRaises(errors.RateLimited) as caught:
            self.client.changed("companies")
        self.assertEqual(caught.exception.retry_after, 10)


class TestWriting(HubSpotCase):

    def test_values_become_text(self):
        made = self.client.create("deals", {
            "dealname": "D", "pipeline": "default", "dealstage": "contractsent", "amount": Decimal("0.10"),
            "closedate": datetime(2026, 12, 31, 23, 30, 0, 5000), "description": None})
        found = self.client.get("deals", made["id"], ["amount", "closedate"])["properties"]
        self.assertEqual((found["amount"], found["closedate"]), ("0.10", "2026-12-31T23:30:00.005Z"))
        self.client.update("deals", [Item("1", {"closedate": date(2027, 1, 2), "amount": 5}, id=made["id"])])
        found = self.client.get("deals", made["id"], ["amount", "closedate"])["properties"]
        self.assertEqual((found["amount"], found["closedate"]), ("5", "2027-01-02T00:00:00Z"))
        with self.assertRaises(TypeError):
            self.client.create("deals", {"amount": 0.1})

    def test_create_with_an_association(self):
        demo = self.hubspot("GET", "demo")
        made = self.client.create("line_items", {"name": "X", "price": "1"}, [
            association_input(demo["deal_id"], 20)])
        linked = self.client.associations("line_items", "deals", [made["id"]])
        self.assertEqual([entry.id for entry in linked[made["id"]]], [demo["deal_id"]])

    def test_a_second_contact_is_told_which_exists(self):
        first = self.client.create("contacts", {"email": "dup@example.com"})["id"]
        with self.assertRaises(Exists) as caught:
            self.client.create("contacts", {"email": "DUP@example.com"})
        self.assertEqual(caught.exception.existing_id, first)
        self.assertNotIn("dup@", caught.exception.message.lower())

    def test_update_answers_for_each_in_hundreds(self):
        ids = self.companies(205)
        self.forget_calls()
        items = [Item(f"k{n}", {"city": f"City {n}"}, id=record_id) for n, record_id in enumerate(ids)]
        results = self.client.update("companies", items)
        self.assertEqual(self.calls(), 3)
        self.assertEqual({r.key: r.id for r in results}, {item.key: item.id for item in items})
        self.assertFalse([r for r in results if r.error or r.created])
        found = self.client.read("companies", ids, ["city"])
        self.assertEqual(found[ids[204]]["properties"]["city"], "City 204")

    def test_one_bad_record_does_not_fail_the_others(self):
        good, bad = self.companies(2)
        results = {r.key: r for r in self.client.update("companies", [
            Item("good", {"city": "Bonn"}, id=good), Item("bad", {"no_such": "1"}, id=bad),
            Item("gone", {"city": "Bonn"}, id="1")])}
        self.assertIsNone(results["good"].error)
        self.assertIsInstance(results["bad"].error, errors.DataInvalid)
        self.assertEqual(results["bad"].error.problems, ("no_such: PROPERTY_DOESNT_EXIST",))
        self.assertIsInstance(results["gone"].error, errors.RemoteGone)
        self.assertEqual(self.client.get("companies", good, ["city"])["properties"]["city"], "Bonn")

    def test_two_writes_to_one_record_keep_their_order(self):
        (company,) = self.companies(1)
        results = self.client.update("companies", [
            Item("1", {"city": "First", "zip": "1"}, id=company), Item("2", {"city": "Second"}, id=company)])
        self.assertEqual([r.key for r in results], ["1", "2"])
        found = self.client.get("companies", company, ["city", "zip"])["properties"]
        self.assertEqual((found["city"], found["zip"]), ("Second", "1"))

    def unique(self):
        self.client.ensure_properties("companies", ("odoo", "Odoo"), [
            {"name": "odoo_uid", "label": "Odoo", "type": "string", "fieldType": "text", "hasUniqueValue": True}])

    def test_upsert_can_be_repeated(self):
        self.unique()
        items = [Item(f"k{n}", {"name": f"U{n}"}, id=f"uid-{n}") for n in range(150)]
        first = self.client.upsert("companies", "odoo_uid", items)
        self.assertEqual({r.created for r in first}, {True})
        again = self.client.upsert("companies", "odoo_uid", items)
        self.assertEqual({r.created for r in again}, {False})
        self.assertEqual({r.key: r.id for r in first}, {r.key: r.id for r in again})

    def test_upsert_whose_answer_was_lost_leaves_one_record(self):
        self.unique()
        self.fault("drop_after", path_regex="upsert")
        items = [Item("k", {"name": "Once"}, id="uid-1")]
        with self.assertRaises(errors.Transient):
            self.client.upsert("companies", "odoo_uid", items)
        (result,) = self.client.upsert("companies", "odoo_uid", items)
        self.assertFalse(result.created)
        self.assertEqual(self.client.search("companies", {"query": "Once"})["total"], 1)

    def test_upserts_by_email_find_the_bad_one_although_the_batch_fails(self):
        items = [Item(f"k{n}", {"firstname": "F"}, id=f"p{n}@example.com") for n in range(9)]
        items[5] = Item("bad", {"no_such": "1"}, id="bad@example.com")
        results = {r.key: r for r in self.client.upsert("contacts", "email", items)}
        self.assertEqual(len(results), 9)
        self.assertIsInstance(results["bad"].error, errors.DataInvalid)
        self.assertEqual([key for key, r in results.items() if r.error], ["bad"])

    def test_create_and_archive_in_batches(self):
        ids = self.companies(101)
        self.assertEqual(len(set(ids)), 101)
        self.client.archive("companies", ids)
        self.assertEqual(self.client.read("companies", ids, []), {})


class TestAssociations(HubSpotCase):

    def test_every_id_has_an_entry_and_pages_are_followed(self):
        self.hubspot("PUT", "settings", {"association_page": 2})
        company, alone = self.companies(2)
        contacts = [r.id for r in self.client.batch_create("contacts", [
            Item(str(n), {"email": f"c{n}@example.com"}) for n in range(5)])]
        self.client.associate("contacts", "companies", [(contact, company) for contact in contacts])
        found = self.client.associations("companies", "contacts", [company, alone])
        self.assertEqual([entry.id for entry in found[company]], contacts)
        self.assertEqual(found[alone], [])

    def test_thousand_ids_a_call(self):
        ids = [str(n) for n in range(1500)]
        self.forget_calls()
        self.assertEqual(len(self.client.associations("deals", "companies", ids)), 1500)
        self.assertEqual(self.calls(), 2)

    def test_primary_company(self):
        demo = self.hubspot("GET", "demo")
        (other,) = self.companies(1)
        self.client.associate("deals", "companies", [(demo["deal_id"], other)])
        primary = self.client.primary_companies("deals", [demo["deal_id"], "1"])
        self.assertEqual(primary, {demo["deal_id"]: demo["company_id"], "1": ""})
        self.client.associate("deals", "companies", [(demo["deal_id"], other)], type_id=5)
        self.assertEqual(self.client.primary_companies("deals", [demo["deal_id"]])[demo["deal_id"]], other)
        links = self.client.associations("deals", "companies", [demo["deal_id"]])[demo["deal_id"]]
        self.assertEqual({entry.id: entry.has_type(5) for entry in links},
                         {demo["company_id"]: False, other: True})

    def test_refused_pairs_raise(self):
        (company,) = self.companies(1)
        with self.assertRaises(errors.RemoteGone):
            self.client.associate("deals", "companies", [("1", company)])


class TestFailures(HubSpotCase):

    def test_wrong_token(self):
        for token in ("pat-na1-wrong", ""):
            with self.assertRaises(errors.AuthFailed):
                self.with_token(token).account()

    def test_missing_scope_does_not_pause_the_connection(self):
        self.hubspot("PUT", "apps/private/scopes", {"scopes": ["crm.objects.companies.read"]})
        with self.assertRaises(errors.PolicyBlocked) as caught:
            self.client.read("deals", ["1"], [])
        self.assertEqual(caught.exception.problems, ("crm.objects.deals.read",))

    def test_broken_lines_and_answers_are_transient(self):
        for fault in ({"kind": "drop_before"}, {"kind": "truncate"}, {"kind": "status", "status": 503},
                      {"kind": "status", "status": 477, "retry_after": 5}, {"kind": "status", "status": 423}):
            self.fault(**fault)
            with self.assertRaises(errors.Transient, msg=fault):
                self.client.read("companies", ["1"], ["name"])
        self.sandbox.stop()
        try:
            with self.assertRaises(errors.Transient):
                self.client.account()
        finally:
            self.sandbox.restart()

    def test_a_slow_answer_is_transient(self):
        client = self.with_token(self.known["private_app_token"], session=Impatient())
        self.fault("latency", ms=1500)
        with self.assertRaises(errors.Transient):
            client.account()

    def test_nothing_leaks_into_errors(self):
        self.fault("drop_before")
        try:
            self.client.get("contacts", "private@example.com", id_property="email")
        except errors.Transient as error:
            self.assertIsNone(error.__cause__)
            self.assertTrue(error.__suppress_context__)
            self.assertNotIn("private@", str(error))
            self.assertNotIn(self.known["private_app_token"], str(error))

    def test_redirects_are_not_followed(self):
        client = HubSpotClient.with_token(self.base + "/oauth/authorize?redirect_uri=https://evil.example"
                                          f"&client_id={self.known['client_id']}&x=", "secret-token")
        with self.assertRaises(errors.PolicyBlocked):
            client.account()

    def test_rate_headers_are_reported(self):
        seen = []
        client = self.with_token(self.known["private_app_token"], on_rate=seen.append)
        client.account()
        self.assertEqual((seen[-1].limit, seen[-1].reset_seconds), (190, 10.0))
        self.assertLess(seen[-1].remaining, 190)
        client.changed("companies")
        self.assertEqual(len(seen), 1, "searches carry no such headers")
        self.assertIsNone(transport.rate_state({"X-HubSpot-RateLimit-Remaining": "x",
                                                "X-HubSpot-RateLimit-Max": "1"}))

    def test_limits_of_the_account(self):
        self.hubspot("PUT", "settings", {"rate_limits": True, "private_app_limit": 1, "interval_ms": 60000})
        self.client.account()
        with self.assertRaises(errors.RateLimited) as caught:
            self.client.account()
        self.assertEqual(caught.exception.retry_after, 10)

    def test_validation_rules_of_the_portal(self):
        self.hubspot("PUT", "settings", {"validation_rules": [
            {"object": "deals", "when": {"dealstage": "closedwon"}, "required": ["dealtype", "description"]}]})
        made = self.client.create("deals", {
            "dealname": "D", "pipeline": "default", "dealstage": "contractsent"})
        (result,) = self.client.update("deals", [Item("1", {"dealstage": "closedwon"}, id=made["id"])])
        self.assertEqual(result.error.problems, ("dealtype: REQUIRED_FIELD", "description: REQUIRED_FIELD"))


class CountingStore(MemoryTokenStore):
    """Remembers how often tokens were renewed."""

    def __init__(self, stored):
        super().__init__(stored)
        self.renewals = 0

    def exchange(self, renew):
        before = self.load().access_token
        after = super().exchange(renew)
        self.renewals += before != after.access_token
        return after


class TestOAuth(HubSpotCase):

    def store(self, **changes):
        return CountingStore(Tokens(**{"refresh_token": self.known["refresh_token"], **changes}))

    def oauth(self, store, **options):
        return HubSpotClient.with_oauth(
            self.base, self.known["client_id"], self.known["client_secret"], store, self.version, **options)

    def token_calls(self):
        return self.calls("/oauth/.*/token$")

    def test_a_token_is_fetched_once_and_kept(self):
        store = self.store()
        self.forget_calls()
        for _client in range(3):
            client = self.oauth(store)
            client.account()
            client.account()
        self.assertEqual((self.token_calls(), store.renewals), (1, 1))
        self.assertGreater(store.load().expires_at, time.time() + 1700)

    def test_it_is_renewed_before_its_end(self):
        store = self.store(access_token="old", expires_at=time.time() + tokens.EARLY_SECONDS - 1)
        self.oauth(store).account()
        self.assertEqual(store.renewals, 1)

    def test_many_threads_renew_once_even_when_refresh_tokens_rotate(self):
        self.hubspot("PUT", "settings", {"rotate_refresh_tokens": True})
        store, failures = self.store(), []
        self.forget_calls()

        def work():
            try:
                self.oauth(store).account()
            except errors.SyncError as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.token_calls(), 1)
        self.assertNotEqual(store.load().refresh_token, self.known["refresh_token"])
        self.oauth(CountingStore(Tokens(store.load().refresh_token))).account()

    def test_an_access_token_that_ends_early_is_replaced_once(self):
        store = self.store()
        client = self.oauth(store)
        client.account()
        self.fault("expire_token")
        client.account()
        self.assertEqual(store.renewals, 2)

    def test_a_refused_token_that_somebody_renewed_is_not_renewed_again(self):
        store = self.store(access_token="new", expires_at=time.time() + 1000)
        source = oauth_token(self.base, self.known["client_id"], self.known["client_secret"], store)
        self.forget_calls()
        self.assertTrue(source.renew("older"))
        self.assertEqual((self.token_calls(), store.load().access_token), (0, "new"))

    def test_withdrawn_access(self):
        store = self.store()
        self.hubspot("POST", "tokens/revoke", {"app": "oauth"})
        with self.assertRaises(errors.AuthFailed) as caught:
            self.oauth(store).account()
        self.assertIn("withdrawn", caught.exception.message)

    def test_wrong_app(self):
        client = HubSpotClient.with_oauth(self.base, self.known["client_id"], "wrong", self.store())
        with self.assertRaises(errors.AuthFailed) as caught:
            client.account()
        self.assertIn("client secret", caught.exception.message)

    def test_trouble_at_the_token_endpoint_passes(self):
        store = self.store()
        for fault, cls in (({"kind": "status", "status": 503}, errors.Transient),
                           ({"kind": "status", "status": 429}, errors.RateLimited),
                           ({"kind": "drop_before"}, errors.Transient), ({"kind": "truncate"}, errors.Transient)):
            self.fault(path_regex="/token$", **fault)
            with self.assertRaises(cls, msg=fault):
                self.oauth(store).account()
        self.oauth(store).account()

    def test_authorization_code(self):
        back = "https://erp.example/crm_sync/oauth"
        answer = requests.get(f"{self.base}/oauth/authorize", params={
            "client_id": self.known["client_id"], "redirect_uri": back, "scope": "oauth"},
            allow_redirects=False, timeout=10)
        code = answer.headers["Location"].partition("code=")[2]
        store = MemoryTokenStore(Tokens(""))
        source = oauth_token(self.base, self.known["client_id"], self.known["client_secret"], store)
        got = source.by_code(code, back)
        self.assertTrue(got.refresh_token and got.access_token)
        self.assertEqual(self.oauth(store).account()["portalId"], self.known["portal_id"])

    def test_tokens_do_not_show_themselves(self):
        self.assertNotIn("secret", repr(Tokens("secret-refresh", "secret-access", 1.0)))
