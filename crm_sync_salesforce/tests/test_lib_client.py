import time
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

from odoo.addons.crm_sync_base.lib import errors
from odoo.addons.crm_sync_base.lib.meter import Meter
from odoo.addons.crm_sync_base.tests.connector_case import start_sandbox
from odoo.tests import BaseCase

from ..lib import soql
from ..lib.auth import ClientCredentials, JwtBearer
from ..lib.client import SalesforceClient
from ..lib.const import OBJECTS, QUOTE_LINE_FIELDS
from ..lib.cursor import Cursor


class ClientCase(BaseCase):
    """A client on the running sandbox."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.sandbox = start_sandbox(cls)
        cls.admin = cls.sandbox.admin
        cls.known = cls.admin.get("/credentials")["salesforce"]

    def setUp(self):
        super().setUp()
        self.admin.delete("/faults")
        self.admin.post("/clock", {"reset": True})
        self.usage, self.tokens = [], []
        self.client = self.connect()

    def connect(self, credentials=None, **options):
        client = SalesforceClient(
            self.known["base_url"], credentials or self.jwt(), on_token=self.tokens.append,
            on_usage=lambda used, total: self.usage.append((used, total)), **options)
        self.addCleanup(client.close)
        return client

    def jwt(self, **changes):
        values = {
            "client_id": self.known["client_id"], "username": self.known["username"],
            "audience": self.known["audience"], "private_key": self.known["private_key"]}
        return JwtBearer(**{**values, **changes})

    def fault(self, kind, **rule):
        self.admin.post("/faults", {"vendor": "salesforce", "kind": kind, **rule})

    def calls(self, since):
        return self.admin.get("/calls", vendor="salesforce", since=since)

    def last_seq(self):
        return self.admin.get("/calls", limit=0)["last_seq"]

    def accounts(self, count, **values):
        rows = [{"Name": f"Client test {n}", **values} for n in range(count)]
        results = self.client.create_many("Account", rows)
        self.assertTrue(all(result.success and result.created for result in results))
        return [result.record_id for result in results]


class TestSession(ClientCase):
    def test_both_grants_lead_to_the_org(self):
        secret = ClientCredentials(self.known["client_id"], self.known["client_secret"])
        for credentials in (self.jwt(), secret):
            found = self.connect(credentials).organization()
            self.assertEqual(found.organization_id, self.known["organization_id"])
            self.assertEqual(found.username, self.known["username"])
            self.assertTrue(found.is_sandbox)

    def test_a_clock_that_is_off_is_made_up_for_and_told(self):
        for offset in (600, -600):
            with self.subTest(offset):
                self.admin.post("/clock", {"offset": offset})
                meter, before = Meter(), self.last_seq()
                meter.start()
                self.connect(meter=meter).login()
                calls = self.calls(before)["calls"]
                self.assertEqual([call["status"] for call in calls], [400, 200], "dated by Salesforce's clock, once")
                self.assertAlmostEqual(meter.stop().clock, offset, delta=5)

    def test_a_refusal_that_is_not_the_clocks_is_not_repeated(self):
        self.admin.post("/clock", {"offset": 600})
        before = self.last_seq()
        with self.assertRaises(errors.AuthFailed):
            self.connect(self.jwt(username="nobody@example.com"), clock=lambda: time.time() + 600).login()
        self.assertEqual(len(self.calls(before)["calls"]), 1)

    def test_refused_credentials(self):
        for credentials in (
            self.jwt(audience="https://evil.example"), self.jwt(username="nobody@example.com"),
            self.jwt(client_id="x"), ClientCredentials(self.known["client_id"], "wrong"),
        ):
            with self.assertRaises(errors.AuthFailed) as caught:
                self.connect(credentials).login()
            self.assertTrue(caught.exception.hint)
        self.assertEqual(self.tokens, [])

    def test_a_token_is_kept_and_used_again(self):
        self.client.limits()
        since = self.last_seq()
        self.connect(token=self.tokens[0]).limits()
        self.assertEqual([call["path"] for call in self.calls(since)["calls"]],
                         ["/salesforce/services/data/v67.0/limits"])

    def test_a_dead_session_is_replaced_once(self):
        self.client.limits()
        self.admin.post("/salesforce/sessions/expire")
        since = self.last_seq()
        self.client.limits()
        self.assertEqual([call["status"] for call in self.calls(since)["calls"]], [401, 200, 200])
        self.assertEqual(len(self.tokens), 2)

    def test_a_session_that_always_dies_gives_up(self):
        self.client.limits()
        self.fault("expire_token", path_regex="services/data")
        since = self.last_seq()
        with self.assertRaises(errors.AuthFailed):
            self.client.limits()
        self.assertEqual(self.calls(since)["total"], 3)

    def test_usage_is_reported(self):
        self.client.limits()
        self.client.limits()
        self.assertEqual(self.usage[-1][0], self.usage[-2][0] + 1)
        self.assertEqual(self.usage[-1][1], 100000)

    def test_addresses_can_be_forbidden(self):
        def check(url):
            raise errors.PolicyBlocked("not allowed")

        since = self.last_seq()
        with self.assertRaises(errors.PolicyBlocked):
            self.connect(check_url=check).login()
        self.assertEqual(self.calls(since)["total"], 0)

    def test_a_retired_version(self):
        with self.assertRaises(errors.AuthFailed) as caught:
            self.connect(version="30.0").limits()
        self.assertIn("newer API version", caught.exception.hint)


class TestFaults(ClientCase):
    def failure(self, call=None):
        try:
            (call or self.client.limits)()
        except errors.SyncError as error:
            # What a person or a log could see holds no address and no vendor text.
            self.assertNotIn("127.0.0.1", repr(vars(error)) + str(error.__cause__))
            self.assertIsNone(error.__cause__)
            return error
        return self.fail("the call did not fail")

    def test_statuses(self):
        self.client.limits()
        for status, cls, wait in (
            (403, errors.RateLimited, 30), (429, errors.RateLimited, 900), (500, errors.Transient, None),
            (503, errors.Transient, None),
        ):
            self.fault("status", status=status, times=1)
            error = self.failure()
            self.assertIs(type(error), cls)
            self.assertEqual(error.retry_after, wait)
        self.fault("status", status=503, times=1, retry_after=11)
        self.assertEqual(self.failure().retry_after, 11)

    def test_broken_answers_are_transient(self):
        self.client.limits()
        for kind in ("drop_before", "drop_after", "truncate"):
            self.fault(kind, times=1)
            self.assertIs(type(self.failure()), errors.Transient, kind)
        self.fault("status", status=200, body="<html>a proxy's page</html>", times=1)
        self.assertIs(type(self.failure()), errors.Transient)
        self.client.limits()

    def test_slow_answers_time_out(self):
        client = self.connect(token=self.client.login(), timeout=10.5)
        self.fault("latency", ms=13000, times=1)
        started = time.monotonic()
        self.assertIs(type(self.failure(client.limits)), errors.Transient)
        self.assertLess(time.monotonic() - started, 12)

    def test_a_failing_token_endpoint(self):
        self.fault("status", status=500, times=1, path_regex="oauth2")
        self.assertIs(type(self.failure()), errors.Transient)

    def test_redirects_are_not_followed(self):
        self.client.limits()
        self.fault("status", status=302, times=1, headers={"Location": self.sandbox.url + "/_admin/health"})
        self.assertIs(type(self.failure()), errors.AuthFailed)

    def test_a_repeated_upsert_after_a_lost_answer_writes_once(self):
        self.client.limits()
        rows = [{"Name": f"Lost {n}", "Odoo_Partner__c": f"lost-{time.time_ns()}-{n}"} for n in range(3)]
        self.fault("drop_after", method="PATCH", times=1)
        self.assertIs(type(self.failure(
            lambda: self.client.upsert_many("Account", "Odoo_Partner__c", rows))), errors.Transient)
        again = self.client.upsert_many("Account", "Odoo_Partner__c", rows)
        self.assertEqual([(row.success, row.created) for row in again], [(True, False)] * 3)


class TestReading(ClientCase):
    def test_every_declared_object_can_be_read(self):
        for data in OBJECTS.values():
            paths = self.client.existing_paths(data.name, data.fields)
            children = {}
            for relationship, fields in data.children.items():
                target = self.client.child_object(data.name, relationship)
                children[relationship] = self.client.existing_paths(target, fields)
            ids = [row["Id"] for row in self.client.query_all(soql.select(data.name, ("Id",), limit=7))]
            found = self.client.read_many(
                data.name, ids, paths, children=children, include_deleted=data.has_bin)
            self.assertEqual(set(found), set(ids), data.name)
            self.assertTrue(ids and all(i.startswith(data.prefix) for i in ids), data.name)

    def test_a_deal_with_quote_and_lines_to_the_cent(self):
        made = self.admin.post("/salesforce/deals", {})
        data = OBJECTS["Opportunity"]
        deal = self.client.read_many(
            "Opportunity", [made["opportunity_id"][:15]], ("Name", "Account.Name", "SyncedQuoteId", "Amount"),
            children=data.children)[made["opportunity_id"]]
        self.assertEqual(len(deal["OpportunityLineItems"]), 3)
        self.assertEqual(len(deal["OpportunityContactRoles"]), 1)
        quote = self.client.read_many("Quote", [deal["SyncedQuoteId"]], OBJECTS["Quote"].fields[:20] + (
            "TotalPrice", "Tax", "GrandTotal"))[made["quote_id"]]
        fields = self.client.existing_paths("QuoteLineItem", QUOTE_LINE_FIELDS)
        lines = self.client.read_related("QuoteLineItem", "QuoteId", [made["quote_id"]], fields)[made["quote_id"]]
        self.assertEqual(sum(line["TotalPrice"] for line in lines), quote["TotalPrice"])
        self.assertEqual(quote["TotalPrice"] + quote["Tax"], quote["GrandTotal"])
        self.assertEqual(quote["GrandTotal"], Decimal("3592.83"))
        self.assertIsInstance(quote["GrandTotal"], Decimal)
        self.assertEqual(lines[0]["Product2"]["ProductCode"], "Q2C-PLAT")

    def test_unknown_deleted_and_merged_records(self):
        kept, gone, merged = self.accounts(3)
        self.admin.delete(f"/salesforce/records/Account/{gone}")
        self.admin.post("/salesforce/merge", {"object": "Account", "master": kept, "losers": [merged]})
        fields = ("Name", "IsDeleted", "MasterRecordId")
        found = self.client.read_many("Account", [kept, gone, merged, "001D000000IRt53"], fields)
        self.assertEqual(set(found), {kept, gone, merged})
        self.assertEqual((found[kept]["IsDeleted"], found[gone]["IsDeleted"]), (False, True))
        self.assertEqual(found[merged]["MasterRecordId"], kept)
        self.assertEqual(set(self.client.read_many("Account", [kept, gone], ("Name",), include_deleted=False)), {kept})

    def test_reads_are_few_and_complete(self):
        ids = self.accounts(1200)
        since = self.last_seq()
        found = self.client.read_many("Account", ids + ids[:10], OBJECTS["Account"].fields[:14])
        self.assertEqual(set(found), set(ids))
        self.assertEqual(self.calls(since)["total"], 3)

    def test_a_thousand_wide_rows_stay_below_the_address_limit(self):
        ids = self.accounts(1000)
        fields = self.client.existing_paths("Account", OBJECTS["Account"].fields)
        since = self.last_seq()
        self.assertEqual(len(self.client.read_many("Account", ids, fields)), 1000)
        self.assertEqual(self.calls(since)["by_status"], {str(200): self.calls(since)["total"]})

    def test_children_come_complete(self):
        account, = self.accounts(1)
        self.client.create_many("Contact", [{"LastName": f"C{n}", "AccountId": account} for n in range(2100)])
        found = self.client.read_many("Account", [account], ("Name",), children={"Contacts": ("LastName",)})
        names = {row["LastName"] for row in found[account]["Contacts"]}
        self.assertEqual(names, {f"C{n}" for n in range(2100)})
        related = self.client.read_related("Contact", "AccountId", [account], ("LastName",))
        self.assertEqual(len(related[account]), 2100)

    def test_pages_of_a_large_query(self):
        self.admin.post("/salesforce/generate", {"accounts": 4500, "contacts_each": 0, "label": "Paged"})
        self.client.login()
        since = self.last_seq()
        names = [row["Name"] for row in self.client.query_all("SELECT Name FROM Account WHERE Name LIKE 'Paged%'")]
        self.assertEqual(len(set(names)), 4500)
        self.assertEqual(self.calls(since)["total"], 3)

    def test_an_expired_cursor_is_transient(self):
        self.admin.post("/salesforce/generate", {"accounts": 2100, "contacts_each": 0, "label": "Cursor"})
        rows = self.client.query_all("SELECT Id FROM Account WHERE Name LIKE 'Cursor%'")
        next(rows)
        self.fault("status", status=400, code="INVALID_QUERY_LOCATOR", message="invalid query locator",
                   path_regex="query/0r8", times=1)
        with self.assertRaises(errors.Transient):
            list(rows)

    def test_missing_fields_are_left_out_or_named(self):
        self.admin.post("/salesforce/settings", {"multi_currency": False, "hidden_fields": ["Account.Phone"]})
        self.addCleanup(self.admin.post, "/salesforce/settings", {"multi_currency": True, "hidden_fields": []})
        wanted = ("Name", "Phone", "CurrencyIsoCode", "Owner.Name", "Owner.Nope", "Nope.Name", "Nope__c")
        self.assertEqual(self.client.existing_paths("Account", wanted), ["Name", "Owner.Name"])
        with self.assertRaises(errors.DataInvalid) as caught:
            list(self.client.query_all("SELECT Phone FROM Account"))
        self.assertIn("Phone", caught.exception.message)

    def test_descriptions_are_kept_for_a_while(self):
        now = [time.time()]
        client = self.connect(clock=lambda: now[0])
        client.describe("Quote")
        since = self.last_seq()
        client.describe("Quote")
        self.assertEqual(self.calls(since)["total"], 0)
        now[0] += 4000
        client.describe("Quote")
        self.assertEqual(self.calls(since)["total"], 1)
        self.assertIn("Account", [entry["name"] for entry in client.describe_global()])

    def test_an_unknown_object(self):
        with self.assertRaises(errors.RemoteGone):
            self.client.describe("Nothing__c")
        with self.assertRaises(errors.DataInvalid):
            self.client.read_many("Nothing__c", ["001D000000IRt53"], ("Name",))


class TestChanges(ClientCase):
    def passed(self, cursor, **options):
        pages = list(self.client.updated_since("Account", cursor, **options))
        return [row["Id"] for page in pages for row in page.records], pages

    def test_a_pass_sees_each_record_once_however_many_share_an_instant(self):
        self.admin.post("/salesforce/generate", {
            "accounts": 1100, "contacts_each": 0, "per_second": 400, "label": "Pass"})
        where = soql.like("Name", "Pass%")
        found, pages = self.passed(Cursor(), page_size=150, where=where)
        self.assertEqual(len(found), len(set(found)))
        self.assertGreaterEqual(len(found), 1100)
        stamps = [(row["SystemModstamp"], row["Id"]) for page in pages for row in page.records]
        self.assertEqual(stamps, sorted(stamps))
        self.assertTrue(all(len(page.records) == 150 for page in pages[:-1]))

    def test_a_pass_can_be_interrupted_and_resumed(self):
        self.admin.post("/salesforce/generate", {
            "accounts": 700, "contacts_each": 0, "per_second": 1000, "label": "Resumed"})
        where = soql.like("Name", "Resumed%")
        first = self.client.updated_page("Account", Cursor(), page_size=300, where=where)
        self.assertFalse(first.done)
        resumed = Cursor.parse(str(first.cursor))
        rest, _pages = self.passed(resumed, page_size=300, where=where)
        seen = [row["Id"] for row in first.records] + rest
        self.assertEqual(len(seen), len(set(seen)))
        self.assertGreaterEqual(len(seen), 700)

    def test_the_next_pass_overlaps_and_finds_what_came_late(self):
        early, = self.accounts(1)
        _found, pages = self.passed(Cursor(datetime.now(timezone.utc)), overlap=timedelta(minutes=5))
        end = pages[-1].cursor
        self.assertIsNone(end.last_id)
        # A transaction that began before the end of that pass and committed after it.
        self.admin.post("/clock", {"offset": -120})
        late, = self.accounts(1)
        self.admin.post("/clock", {"reset": True})
        found, pages = self.passed(end, overlap=timedelta(minutes=5))
        self.assertIn(late, found)
        self.assertIn(early, found)
        self.assertGreaterEqual(pages[-1].cursor.moment, end.moment)

    def test_an_empty_pass_stays_where_it_was(self):
        moment = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=1)
        page = self.client.updated_page("Account", Cursor(moment), overlap=timedelta(0))
        self.assertEqual((page.records, page.done, page.cursor), ((), True, Cursor(moment)))

    def test_deletions_are_changes(self):
        gone, = self.accounts(1)
        self.admin.delete(f"/salesforce/records/Account/{gone}")
        start = Cursor(datetime.now(timezone.utc))
        pages = list(self.client.updated_since("Account", start, fields=("IsDeleted",)))
        rows = {row["Id"]: row["IsDeleted"] for page in pages for row in page.records}
        self.assertIs(rows[gone], True)
        live, _pages = self.passed(start, include_deleted=False)
        self.assertNotIn(gone, live)


class TestWriting(ClientCase):
    def test_updates_go_in_calls_of_200_and_fail_alone(self):
        ids = self.accounts(401)
        rows = [{"Id": i, "Phone": "1"} for i in ids]
        rows[7]["Nope__c"] = 1
        rows[250]["Phone"] = "x" * 41
        self.admin.post("/salesforce/record-faults", {"id": ids[300], "code": "UNABLE_TO_LOCK_ROW"})
        since = self.last_seq()
        results = self.client.update_many("Account", rows)
        self.assertEqual(self.calls(since)["total"], 3)
        failed = {n: type(row.error) for n, row in enumerate(results) if not row.success}
        self.assertEqual(failed, {7: errors.DataInvalid, 250: errors.DataInvalid, 300: errors.Transient})
        self.assertEqual([row.record_id for n, row in enumerate(results) if n not in failed],
                         [i for n, i in enumerate(ids) if n not in failed])
        self.assertIn("Nope__c", results[7].error.message)
        self.assertIn("Phone", results[250].error.message)

    def test_upserts_tell_created_from_changed(self):
        key = f"upsert-{time.time_ns()}"
        rows = [{"Name": "A", "Odoo_Partner__c": key + "a"}, {"Name": "B", "Odoo_Partner__c": key + "b"}]
        first = self.client.upsert_many("Account", "Odoo_Partner__c", rows[:1])
        both = self.client.upsert_many("Account", "Odoo_Partner__c", rows)
        self.assertEqual([row.created for row in first + both], [True, False, True])
        self.assertEqual(first[0].record_id, both[0].record_id)

    def test_amounts_arrive_exactly(self):
        made = self.admin.post("/salesforce/deals", {})
        for amount in (Decimal("0.01"), Decimal("3592.83"), Decimal("9999999999999.99")):
            result, = self.client.update_many("Opportunity", [{
                "Id": made["opportunity_id"], "Odoo_Amount_Paid__c": amount, "CloseDate": date(2026, 12, 1)}])
            self.assertTrue(result.success)
            record = self.client.read_many("Opportunity", [made["opportunity_id"]], ("Odoo_Amount_Paid__c",))
            self.assertEqual(record[made["opportunity_id"]]["Odoo_Amount_Paid__c"], amount)

    def test_floats_are_refused_before_anything_is_sent(self):
        since = self.last_seq()
        with self.assertRaises(TypeError):
            self.client.update_many("Account", [{"Id": "001D000000IRt53IAD", "AnnualRevenue": 0.1}])
        self.assertEqual(self.calls(since)["total"], 0)

    def test_deleted_and_ambiguous_records(self):
        gone, = self.accounts(1)
        self.admin.delete(f"/salesforce/records/Account/{gone}")
        result, = self.client.update_many("Account", [{"Id": gone, "Phone": "1"}])
        self.assertIs(type(result.error), errors.RemoteGone)
        email = f"twin{time.time_ns()}@client.example"
        self.client.create_many("Contact", [{"LastName": n, "Email": email} for n in "AB"])
        result, = self.client.upsert_many("Contact", "Email", [{"LastName": "C", "Email": email}])
        self.assertIs(type(result.error), errors.Conflict)

    def test_nothing_to_write(self):
        since = self.last_seq()
        self.assertEqual(self.client.update_many("Account", []), [])
        self.assertEqual(self.calls(since)["total"], 0)
