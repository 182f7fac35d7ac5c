import hashlib
import hmac
import json
import os

from odoo.tests import HttpCase, tagged

from .common import SECRET, SyncCase


@tagged("post_install", "-at_install")
class TestWebhook(SyncCase, HttpCase):
    """Deliveries over real HTTP."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow([{"path": "Name", "field": "name", "required": True}])
        cls.path = f"/crm_sync/webhook/{cls.connection.webhook_token}"

    def deliver(self, rows, signature=None, path=None):
        body = rows if isinstance(rows, bytes) else json.dumps(rows).encode()
        good = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json"}
        if signature != "":
            headers["X-Signature"] = signature or good
        return self.url_open(path or self.path, data=body, headers=headers)

    def events(self):
        return self.env["sync.event"].search([("connection_id", "=", self.connection.id)])

    def test_accepted_is_stored_and_leads_to_a_job(self):
        self.remote.put("Account", "a1", Name="By Webhook")
        answer = self.deliver([{"event": "e1", "object": "Account", "id": "a1"}])
        self.assertEqual((answer.status_code, answer.content), (200, b"{}"))
        event = self.events()
        self.assertEqual((event.verdict, event.waiting, event.job_id.id), ("accepted", True, False))
        self.run_lane()
        self.assertEqual((event.waiting, event.job_id.external_id), (False, "a1"))
        self.assertEqual(event.correlation_id, event.job_id.correlation_id)
        self.assertTrue(self.env["res.partner"].search([("name", "=", "By Webhook")]))

    def test_the_same_event_ten_times_is_one_event_and_one_job(self):
        for _repeat in range(10):
            self.assertEqual(
                self.deliver([{"event": "e1", "object": "Account", "id": "a1"}]).status_code, 200
            )
        self.assertEqual(self.events().delivery_count, 10)
        self.run_lane()
        self.assertEqual(len(self.jobs(flow_id=self.flow.id)), 1)

    def test_an_unknown_event_type_is_stored_and_acknowledged(self):
        answer = self.deliver([{"event": "e2", "type": "weather.changed"}])
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(self.events().event_type, "weather.changed")
        self.run_lane()
        self.assertFalse(self.events().waiting)
        self.assertFalse(self.jobs(connection_id=self.connection.id))

    def test_refused_deliveries_are_stored_and_do_nothing(self):
        rows = [{"event": "e3", "object": "Account", "id": "a1"}]
        for signature, verdict, status in (("", "unsigned", 401), ("0" * 64, "bad_signature", 401)):
            self.assertEqual(self.deliver(rows, signature=signature).status_code, status)
            self.assertEqual(self.events()[:1].verdict, verdict)
        self.assertEqual(self.deliver(b"{not json").status_code, 400)
        self.assertEqual(self.events()[:1].verdict, "malformed")
        self.assertFalse(self.jobs(connection_id=self.connection.id))

    def test_an_oversized_delivery_is_refused_and_kept_short(self):
        self.connection.webhook_max_bytes = 1000
        answer = self.deliver([{"event": "e4", "pad": "x" * 2000}])
        self.assertEqual(answer.status_code, 413)
        self.assertEqual(self.events().verdict, "oversized")

    def test_an_unknown_address_is_not_found(self):
        self.assertEqual(self.deliver([], path="/crm_sync/webhook/nonsense").status_code, 404)

    def test_the_payload_is_encrypted_at_rest_and_masked_on_screen(self):
        self.deliver([{"event": "e5", "object": "Account", "id": "a1", "email": "jane@x.example"}])
        event = self.events()
        self.env.cr.execute("SELECT payload_token FROM sync_event WHERE id = %s", [event.id])
        self.assertNotIn("jane", self.env.cr.fetchone()[0])
        self.assertNotIn("jane", event.payload)
        self.assertIn("e5", event.payload)
        self.assertTrue(os.environ["CRM_SYNC_KEY"])

    def test_a_replaced_address_and_an_archived_connection_are_not_found(self):
        rows = [{"event": "e6", "object": "Account", "id": "a1"}]
        self.assertEqual(self.deliver(rows).status_code, 200)
        self.connection.webhook_token = "replaced"
        self.assertEqual(self.deliver(rows).status_code, 404)
        self.assertEqual(self.deliver(rows, path="/crm_sync/webhook/replaced").status_code, 200)
        self.connection.active = False
        self.assertEqual(self.deliver(rows, path="/crm_sync/webhook/replaced").status_code, 404)
