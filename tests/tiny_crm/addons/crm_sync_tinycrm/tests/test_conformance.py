import json
import time
from dataclasses import replace
from datetime import timezone

from odoo.addons.crm_sync_base.lib import signing
from odoo.addons.crm_sync_base.lib.declarations import WebhookRequest
from odoo.addons.crm_sync_base.lib.errors import RemoteGone
from odoo.addons.crm_sync_base.tests.conformance import ConnectorConformance
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import TinyCase

URL = "https://odoo.example.com/crm_sync/webhook/token"


@tagged("post_install", "-at_install")
class TestTinyConformance(ConnectorConformance, TinyCase):
    """The suite that every connector inherits, and what only Tiny CRM has."""

    readable = "company"
    writable = "company"
    writable_field = "city"
    creatable = {"name": "Once"}

    def remote_create(self, count):
        """Create companies as a person would."""
        return [self.add("company", name=f"Conform {number}") for number in range(count)]

    def remote_change(self, external_id):
        """Change a company as a person would."""
        self.change("company", external_id, phone="+49 30 1")

    def remote_delete(self, external_id):
        """Delete a company."""
        self.ui("DELETE", f"/records/company/{external_id}")

    def remote_value(self, external_id):
        """Return a company's city."""
        return self.look("company", external_id)["city"]

    def genuine_delivery(self):
        """Return what Tiny CRM posts when a deal has changed."""
        event = {"id": "evt_7", "number": 7, "kind": "deal", "record": "1007", "type": "changed", "at": 1_790_000_000}
        return self.delivery({"account": self.connection.account_external_id, "events": [event]})

    def delivery(self, content):
        """Return a signed delivery."""
        body, moment = json.dumps(content).encode(), str(int(time.time()))
        secret = self.connection._credentials()["webhook_secret"]
        signature = signing.hex_of(secret, moment.encode() + b"." + body)
        return WebhookRequest(body, {"tiny-signature": f"t={moment},v1={signature}"}, URL)

    def wrong_credentials(self):
        """Return a secret that was never given out."""
        return {"client_secret": "wrong"}

    # === What only Tiny CRM has ===#

    def test_unsigned_and_wrongly_signed_deliveries_are_refused(self):
        request = self.genuine_delivery()
        self.assertEqual(self.receive(replace(request, headers={})).verdict, "unsigned")
        tampered = replace(request, body=request.body.replace(b"1007", b"1008"))
        self.assertEqual(self.receive(tampered).verdict, "bad_signature")

    def test_an_expired_token_is_renewed_once(self):
        (external_id,) = self.remote_create(1)
        self.connector._read(self.connection, "company", [external_id])
        self.ui("POST", "/tokens/expire")
        before = self.calls_since(0)["last_seq"]
        self.assertFalse(self.connector._read(self.connection, "company", [external_id])[0].deleted)
        statuses = [call["status"] for call in self.calls_since(before)["calls"]]
        self.assertEqual(statuses, [401, 200, 200], "refused, a new token, and again")

    def test_a_merged_record_says_into_which(self):
        loser, survivor = self.remote_create(2)
        self.ui("POST", f"/records/company/{loser}/merge", {"into": survivor})
        (document,) = self.connector._read(self.connection, "company", [loser])
        self.assertEqual((document.deleted, document.merged_into), (True, survivor))

    def test_the_limit_of_calls_is_known(self):
        (external_id,) = self.remote_create(1)
        self.guarded_read(external_id)
        endpoint = self.endpoint()
        self.assertEqual((endpoint.rate_limit, endpoint.rate_seconds, endpoint.rate_told), (600, 10.0, True))

    def test_connecting_again_changes_nothing(self):
        secret = self.connection._credentials()["webhook_secret"]
        self.connection.action_connect()
        self.assertEqual(self.connection._credentials()["webhook_secret"], secret)
        names = [field.name for field in self.connector._describe(self.connection, "deal")]
        self.assertEqual(len(names), len(set(names)))
        self.assertIn("odoo_payment_status", names)

    def test_the_type_of_each_field_is_told(self):
        described = {field.name: field for field in self.connector._describe(self.connection, "deal")}
        self.assertEqual(described["company"].references, "company")
        kinds = {name: described[name].kind for name in ("name", "company", "lines", "total")}
        self.assertEqual(kinds, {"name": "text", "company": "reference", "lines": "lines", "total": "number"})
        with self.assertRaises(RemoteGone):
            self.connector._describe(self.connection, "no_such_kind")

    def test_what_a_flow_would_bring_can_be_counted(self):
        for stage in ("open", "won", "won"):
            self.add("deal", name="Counted", stage=stage)
        flow = self.env["sync.flow"].new(
            {"connection_id": self.connection.id, "remote_object": "deal", "remote_scope": "[('stage', '=', 'won')]"})
        self.assertEqual(self.connector._count(self.connection, flow), 2)
        flow.remote_scope = "[('total', '>', 5)]"
        with self.assertRaises(UserError):
            self.connector._count(self.connection, flow)

    def test_the_moment_of_a_change_is_the_systems(self):
        (external_id,) = self.remote_create(1)
        (document,) = self.connector._read(self.connection, "company", [external_id])
        moment = self.connector._changed_at("company", document)
        self.assertAlmostEqual(moment.replace(tzinfo=timezone.utc).timestamp(), time.time(), delta=60)

    # === A kind of records that no code knows ===#

    def test_a_kind_of_ones_own_needs_a_mapping_and_no_code(self):
        fields = [{"name": name, "label": name.title(), "type": "text"} for name in ("title", "note")]
        self.ui("POST", "/kinds", {"name": "region", "label": "Region", "fields": fields})
        region = self.add("region", title="Northern Lights")
        described = {field.name: field for field in self.connector._describe(self.connection, "region")}
        self.assertTrue(described["title"].custom)
        kinds = {kind.name: kind for kind in self.connector._describe_objects(self.connection)}
        self.assertEqual((kinds["region"].label, kinds["region"].custom, kinds["deal"].custom), ("Region", True, False))
        template = {"name": "Regions", "remote_object": "region", "model": "res.partner.category", "mode": "live"}
        create = self.env["sync.flow.template"]._create_flow
        inward = create(self.connection, {
            **template, "code": "regions", "rules": [{"path": "title", "field": "name", "label": "Title"}]})
        create(self.connection, {
            **template, "code": "regions_out", "direction": "outbound", "handler": "outbound", "create_policy": "never",
            "rules": [{"path": "note", "field": "display_name", "label": "Note", "direction": "outbound"}],
            "watched_fields": "name"})
        inward._enqueue_poll()
        self.run_lane()
        category = self.env["res.partner.category"].search([("name", "=", "Northern Lights")])
        self.assertEqual(len(category), 1)
        category.name = "Polar Lights"
        self.run_lane()
        self.assertEqual(self.look("region", region)["note"], "Polar Lights")
