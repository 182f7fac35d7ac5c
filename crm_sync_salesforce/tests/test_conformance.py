from dataclasses import replace

from odoo.addons.crm_sync_base.lib.correlation import working_on
from odoo.addons.crm_sync_base.lib.declarations import WebhookRequest
from odoo.addons.crm_sync_base.lib.errors import BudgetSpent
from odoo.addons.crm_sync_base.tests.conformance import ConnectorConformance
from odoo.tests import tagged

from ..lib.ids import to15
from .common import SalesforceCase

MESSAGE = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>
  <notifications xmlns="http://soap.sforce.com/2005/09/outbound">
   <OrganizationId>{organization}</OrganizationId><ActionId>04k000000000001AAA</ActionId>
   <SessionId xsi:nil="true"/><EnterpriseUrl>https://x</EnterpriseUrl><PartnerUrl>https://x</PartnerUrl>
   <Notification><Id>04l000000000001AAA</Id>
    <sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
     <sf:Id>{record}</sf:Id></sObject></Notification>
  </notifications></soapenv:Body></soapenv:Envelope>"""


@tagged("post_install", "-at_install")
class TestSalesforceConformance(ConnectorConformance, SalesforceCase):
    readable = "Account"
    writable = "Account"
    writable_field = "BillingCity"

    def remote_create(self, count):
        """Create accounts as a person would."""
        return [
            self.admin.post("/salesforce/records/Account", {"Name": f"Conform {number}"})["Id"]
            for number in range(count)
        ]

    def remote_change(self, external_id):
        """Change an account as a person would."""
        self.admin.request("PATCH", f"/salesforce/records/Account/{external_id}", {"Phone": "+1 555 0100"})

    def remote_delete(self, external_id):
        """Put an account into the recycle bin."""
        self.admin.delete(f"/salesforce/records/Account/{external_id}")

    def remote_value(self, external_id):
        """Return an account's billing city."""
        return self.admin.get(f"/salesforce/records/Account/{external_id}")["BillingCity"]

    def genuine_delivery(self):
        """Return an outbound message of this organisation."""
        body = MESSAGE.format(
            organization=self.connection.account_external_id, record="006000000000001AAA"
        )
        return WebhookRequest(body.encode(), {"content-type": "text/xml"}, "https://odoo.example.com/x")

    def wrong_credentials(self):
        """Return a user who is not authorised for the app."""
        return {"username": "stranger@example.com"}

    # === What only Salesforce has ===#

    def test_the_short_spelling_of_ids_is_the_same_record(self):
        request = self.genuine_delivery()
        short = to15(self.connection.account_external_id)
        body = request.body.replace(self.connection.account_external_id.encode(), short.encode())
        body = body.replace(b"006000000000001AAA", b"006000000000001")
        receipt = self.receive(replace(request, body=body))
        self.assertTrue(receipt.accepted, receipt.reason)
        self.assertEqual(receipt.notifications[0].external_id, "006000000000001AAA")

    def test_the_answer_is_an_acknowledgement(self):
        receipt = self.receive(self.genuine_delivery())
        self.assertIn(b"<Ack>true</Ack>", receipt.body.replace(b"ns1:", b""))
        self.assertTrue(receipt.content_type.startswith("text/xml"))

    def test_entities_are_not_expanded(self):
        request = self.genuine_delivery()
        bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + request.body.split(b"?>", 1)[1]
        self.assertEqual(self.receive(replace(request, body=bomb)).verdict, "malformed")

    def test_client_credentials_work_too(self):
        known = self.admin.get("/credentials")["salesforce"]
        self.connection._store_credentials(
            {"client_secret": known["client_secret"], "private_key": None, "username": None}
        )
        account = self.connector._authenticate(self.connection)
        self.assertEqual(account.external_id, self.connection.account_external_id)

    def clock_cards(self):
        """Return the open cards that tell of a wrong clock."""
        return self.env["sync.exception"].search(
            [("connection_id", "=", self.connection.id), ("error_code", "=", "misconfigured"),
             ("state", "in", ("new", "acknowledged"))]
        )

    def test_a_wrong_clock_pauses_nothing_and_is_told_until_it_is_right(self):
        self.addCleanup(self.admin.post, "/clock", {"reset": True})
        for offset, words in ((600, "10 minutes behind"), (-600, "10 minutes ahead")):
            self.admin.post("/clock", {"offset": offset})
            self.connection.action_connect()
            self.assertEqual(self.connection.state, "connected")
            self.assertIn(words, self.clock_cards().name)
            self.assertIn("NTP", self.clock_cards().hint)
            self.admin.post("/clock", {"reset": True})
            self.connection.action_connect()
            self.assertFalse(self.clock_cards())

    def test_a_second_change_under_the_same_stamp_is_seen_by_the_next_poll(self):
        (external_id,) = self.remote_create(1)
        known = self.connector._read(self.connection, "Account", [external_id])[0].version
        seen, _cursor = self.poll_all()
        self.assertNotEqual(seen[external_id], known, "read in the second of its change: look again")

    def test_the_org_s_day_is_known_and_its_reserve_kept(self):
        (external_id,) = self.remote_create(1)
        self.addCleanup(self.admin.post, "/salesforce/usage", {"used": 0})
        maximum = self.admin.post("/salesforce/usage", {"used": 0})["maximum"]
        self.admin.post("/salesforce/usage", {"used": maximum * 95 // 100})
        self.guarded_read(external_id)
        endpoint = self.endpoint()
        self.assertEqual((endpoint.daily_limit, endpoint.daily_told), (maximum, True))
        self.assertGreaterEqual(endpoint.daily_used, maximum * 95 // 100)
        self.assertIsInstance(self.guarded_error(external_id, urgent=False), BudgetSpent)
        self.guarded_read(external_id)
        self.admin.post("/salesforce/usage", {"used": maximum})
        refused = self.guarded_error(external_id)
        self.assertIsInstance(refused, BudgetSpent)
        self.assertIn("REQUEST_LIMIT_EXCEEDED", refused.message)
        before = self.calls_since(0)["last_seq"]
        self.assertIsInstance(self.guarded_error(external_id), BudgetSpent)
        self.assertFalse(self.calls_since(before)["calls"], "nobody asks for the next quarter of an hour")

    def test_an_expired_session_is_renewed_once(self):
        (external_id,) = self.remote_create(1)
        self.connector._read(self.connection, "Account", [external_id])
        self.admin.post("/salesforce/sessions/expire")
        documents = self.connector._read(self.connection, "Account", [external_id])
        self.assertFalse(documents[0].deleted)

    def test_the_event_log_of_salesforce_names_the_story(self):
        (external_id,) = self.remote_create(1)
        before = self.calls_since(0)["last_seq"]
        with working_on(["story-1"]):
            self.connector._read(self.connection, "Account", [external_id])
        self.assertEqual(
            {call["client"] for call in self.calls_since(before)["calls"]}, {"client=q2c/story-1"}
        )
        before = self.calls_since(0)["last_seq"]
        with working_on(["story-1", "story-2"]):
            self.connector._read(self.connection, "Account", [external_id])
        calls = self.calls_since(before)["calls"]
        self.assertEqual({call["client"] for call in calls}, {"client=q2c"}, "it takes one name only")
        self.assertEqual({call["correlation"] for call in calls}, {"story-1,story-2"})
