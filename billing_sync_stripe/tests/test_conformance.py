import uuid

from odoo.addons.crm_sync_base.lib.errors import PolicyBlocked, RateLimited, Transient
from odoo.addons.crm_sync_base.lib.meter import Ended, judge
from odoo.addons.crm_sync_base.tests.conformance import ConnectorConformance
from odoo.exceptions import UserError

from ..lib import const, failure
from .common import StripeCase


class TestStripeConformance(ConnectorConformance, StripeCase):
    readable = "customer"
    writable = "customer"
    writable_field = "name"

    def remote_create(self, count):
        return [self._create(number) for number in range(count)]

    def _create(self, number):
        values = {"name": f"Customer {number}"}
        return self.stripe.post("/v1/customers", values, idempotency_key=uuid.uuid4().hex)["id"]

    def remote_change(self, external_id):
        self.stripe.post(
            f"/v1/customers/{external_id}", {"name": "Changed"}, idempotency_key=uuid.uuid4().hex
        )

    def remote_delete(self, external_id):
        self.stripe.delete(f"/v1/customers/{external_id}")

    def remote_value(self, external_id):
        return self.stripe.get(f"/v1/customers/{external_id}")[self.writable_field]

    def genuine_delivery(self):
        (external_id,) = self.remote_create(1)
        (event,) = self.events("customer.created", about=external_id)
        return self.request(event)

    def wrong_credentials(self):
        return {"secret_key": "sk_test_" + "x" * 24}

    # === What is Stripe's own ===#

    def test_defaults_of_a_new_connection(self):
        connection = self.env["sync.connection"].create({"name": "Stripe", "provider": "stripe"})
        self.assertEqual(connection.base_url, "https://api.stripe.com")
        self.assertEqual(connection.api_version, "2026-05-27.dahlia")

    def test_the_account_s_limit_opens_a_pause(self):
        (external_id,) = self.remote_create(1)
        self.addCleanup(self.admin.post, "/stripe/config", {"rate_limit": 0})
        self.admin.post("/stripe/config", {"rate_limit": 1})
        errors = (self.guarded_error(external_id) for _call in range(20))
        limited = next(filter(None, errors))
        self.assertIsInstance(limited, RateLimited)
        self.assertIn("global-rate", limited.message)
        self.assertEqual(self.endpoint().condition, "silent")

    def test_a_limit_of_one_object_stops_nothing_else(self):
        error = failure.from_answer(
            429, {"Stripe-Rate-Limited-Reason": "resource-specific"}, None, is_write=True
        )
        self.assertIsInstance(error, Transient)
        self.assertIs(judge(error, 429), Ended.FINE)

    def test_our_own_limit_holds_for_the_real_address_only(self):
        (here,) = self.connector._endpoints(self.connection)
        (there,) = self.connector._endpoints(
            self.env["sync.connection"].create({"name": "Stripe", "provider": "stripe"})
        )
        self.assertEqual((here.rate_limit, there.rate_limit), (0, 25))

    def other(self, **credentials):
        """Return another connection to the same account, with an address of its own."""
        other = self.connection.copy({"name": "Other"})
        other._store_credentials({**self.credentials(), **credentials})
        other.action_connect()
        return other

    def endpoints(self, connection):
        """Return the endpoints that Stripe has for a connection's address."""
        found = self.stripe.iterate("/v1/webhook_endpoints", freeze=False)
        return [one for one in found if one["url"] == connection.webhook_url]

    def secrets(self, endpoint_id):
        """Return the secrets with which an endpoint signs."""
        known = self.admin.get("/credentials")["stripe"]["webhook_endpoints"]
        return next(one["secrets"] for one in known if one["id"] == endpoint_id)

    def test_connecting_makes_one_endpoint_and_keeps_its_secret(self):
        other = self.other()
        other.action_connect()
        (endpoint,) = self.endpoints(other)
        self.assertEqual(endpoint["id"], other.stripe_endpoint_id)
        self.assertEqual(endpoint["api_version"], const.API_VERSION)
        self.assertEqual(set(endpoint["enabled_events"]), set(const.EVENT_TYPES))
        self.assertEqual([other._credentials()["webhook_secret"]], self.secrets(endpoint["id"]))

    def test_the_endpoint_follows_the_address_of_this_database(self):
        other = self.other()
        before, secret = other.stripe_endpoint_id, other._credentials()["webhook_secret"]
        self.env["ir.config_parameter"].set_param("web.base.url", "https://new.example.com")
        other.invalidate_recordset(["webhook_url"])
        other.action_connect()
        self.assertEqual(other.stripe_endpoint_id, before)
        self.assertEqual(other._credentials()["webhook_secret"], secret)
        endpoint = self.stripe.get(f"/v1/webhook_endpoints/{before}")
        self.assertTrue(endpoint["url"].startswith("https://new.example.com/crm_sync/webhook/"))

    def test_an_endpoint_whose_secret_is_lost_is_replaced(self):
        other = self.other()
        before = other.stripe_endpoint_id
        other._store_credentials({"webhook_secret": None})
        other.action_connect()
        (endpoint,) = self.endpoints(other)
        self.assertNotEqual(endpoint["id"], before)
        self.assertEqual([other._credentials()["webhook_secret"]], self.secrets(endpoint["id"]))

    def test_an_endpoint_that_was_deleted_at_stripe_is_made_again(self):
        other = self.other()
        self.stripe.delete(f"/v1/webhook_endpoints/{other.stripe_endpoint_id}")
        other.action_connect()
        (endpoint,) = self.endpoints(other)
        self.assertEqual([other._credentials()["webhook_secret"]], self.secrets(endpoint["id"]))

    def test_an_endpoint_made_by_hand_is_kept_with_its_secret(self):
        other = self.connection.copy({"name": "By hand"})
        made = self.stripe.post(
            "/v1/webhook_endpoints",
            {"url": other.webhook_url, "enabled_events": ["charge.succeeded"]},
            idempotency_key=uuid.uuid4().hex,
        )
        other._store_credentials({**self.credentials(), "webhook_secret": made["secret"]})
        other.action_connect()
        (endpoint,) = self.endpoints(other)
        self.assertEqual(endpoint["id"], made["id"])
        self.assertLessEqual(set(const.EVENT_TYPES), set(endpoint["enabled_events"]))
        self.assertEqual(other._credentials()["webhook_secret"], made["secret"])

    def test_a_key_without_the_permission_still_connects(self):
        self.admin.post("/stripe/config", {"restricted": {"webhook_endpoints": "none"}})
        self.addCleanup(self.admin.post, "/stripe/config", {"restricted": {}})
        known = self.admin.get("/credentials")["stripe"]
        other = self.other(secret_key=known["restricted_key"])
        self.assertEqual(other.state, "connected")
        self.assertIn("polling", other.message_ids[0].body)

    def test_a_test_key_is_refused_in_production(self):
        connection = self.env["sync.connection"].create(
            {"name": "Production", "provider": "stripe", "environment": "production"}
        )
        connection._store_credentials(self.credentials())
        with self.assertRaises(PolicyBlocked) as caught:
            self.connector._authenticate(connection)  # refused before anything is sent
        self.assertIn("test mode key", caught.exception.message)

    def test_a_live_key_is_refused_in_a_sandbox(self):
        self.connection._store_credentials({"secret_key": "sk_live_" + "x" * 24})
        with self.assertRaisesRegex(UserError, "live mode"):
            self.connection.action_connect()

    def test_both_secrets_open_while_one_is_replaced(self):
        request = self.genuine_delivery()
        old = self.connection._credentials()["webhook_secret"]
        self.connection._store_credentials({"webhook_secret": "whsec_new", "webhook_secret_old": old})
        self.assertTrue(self.connector._receive(self.connection, request).accepted)
        self.connection._store_credentials({"webhook_secret_old": None})
        self.assertEqual(self.connector._receive(self.connection, request).verdict, "bad_signature")

    def test_an_old_delivery_is_refused(self):
        (external_id,) = self.remote_create(1)
        (event,) = self.events("customer.created", about=external_id)
        receipt = self.receive(self.request(event, moment=1_700_000_000))
        self.assertEqual((receipt.verdict, receipt.http_status), ("stale", 400))

    def test_an_event_of_the_other_mode_is_refused(self):
        (external_id,) = self.remote_create(1)
        (event,) = self.events("customer.created", about=external_id)
        receipt = self.receive(self.request({**event, "livemode": True}))
        self.assertEqual(receipt.verdict, "wrong_account")
        self.assertIn("live mode", receipt.reason)

    def test_a_thin_event_is_refused_with_what_to_do(self):
        receipt = self.receive(self.request({"id": "evt_1", "object": "v2.core.event", "type": "x"}))
        self.assertEqual(receipt.verdict, "malformed")
        self.assertIn("Snapshot", receipt.reason)

    def test_unknown_and_foreign_events_are_stored_and_lead_to_nothing(self):
        self.go_live("payments")
        (external_id,) = self.remote_create(1)
        (event,) = self.events("customer.created", about=external_id)
        unknown = {**event, "id": "evt_unknown", "type": "climate.order.created"}
        foreign = {**event, "id": "evt_foreign", "type": "charge.succeeded", "account": "acct_other"}
        receipts = self.deliver(unknown, foreign)
        self.assertEqual([receipt.http_status for receipt in receipts], [200, 200])
        stored = self.env["sync.event"].search([("source_id", "in", ("evt_unknown", "evt_foreign"))])
        self.assertEqual(len(stored), 2)
        self.assertFalse(stored.filtered("job_id"))
        self.assertFalse(any(stored.mapped("remote_object")))

    def test_a_long_poll_goes_on_where_it_stopped(self):
        ids = self.remote_create(3)
        flow = self.env["sync.flow"].new(
            {"connection_id": self.connection.id, "remote_object": "customer"}
        )
        _seen, cursor = self.poll_all()
        self.assertTrue(cursor.isdigit())
        page = self.connector._poll(self.connection, flow, cursor)
        self.assertTrue(set(ids) <= {ref.external_id for ref in page.refs})
        self.assertTrue(all(ref.source_id.startswith("evt_") for ref in page.refs))

    def test_a_gap_longer_than_events_live_is_closed_by_the_objects(self):
        (external_id,) = self.remote_create(1)
        flow = self.env["sync.flow"].new(
            {"connection_id": self.connection.id, "remote_object": "customer"}
        )
        page = self.connector._poll(self.connection, flow, "1700000000")
        self.assertFalse(page.done)
        self.assertIn(external_id, {ref.external_id for ref in page.refs})
        self.assertFalse(any(ref.source_id for ref in page.refs))
