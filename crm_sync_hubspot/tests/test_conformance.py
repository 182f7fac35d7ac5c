from dataclasses import replace

from odoo.addons.crm_sync_base.lib.errors import BudgetSpent
from odoo.addons.crm_sync_base.tests.conformance import ConnectorConformance
from odoo.tests import tagged

from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestHubspotConformance(ConnectorConformance, HubspotCase):
    readable = "companies"
    writable = "companies"
    writable_field = "city"

    def remote_create(self, count):
        """Create companies as a person would."""
        return [
            self.admin.post("/hubspot/records/companies", {"properties": {"name": f"Conform {number}"}})["id"]
            for number in range(count)
        ]

    def remote_change(self, external_id):
        """Change a company as a person would."""
        self.admin.request(
            "PATCH", f"/hubspot/records/companies/{external_id}", {"properties": {"phone": "+49 30 1"}}
        )

    def remote_delete(self, external_id):
        """Archive a company."""
        self.admin.delete(f"/hubspot/records/companies/{external_id}")

    def remote_value(self, external_id):
        """Return a company's city."""
        return self.admin.get(f"/hubspot/records/companies/{external_id}")["properties"]["city"]

    def genuine_delivery(self):
        """Return a signed change of a deal."""
        return self.delivery([self.deal_event(123)])

    def wrong_credentials(self):
        """Return a token that was never given out."""
        return {"token": "pat-eu1-00000000-0000-0000-0000-000000000000"}

    # === What only HubSpot has ===#

    def test_unsigned_and_wrongly_signed_deliveries_are_refused(self):
        request = self.genuine_delivery()
        unsigned = replace(request, headers={})
        self.assertEqual(self.receive(unsigned).verdict, "unsigned")
        tampered = replace(request, body=request.body.replace(b"closedwon", b"closedlost"))
        self.assertEqual(self.receive(tampered).verdict, "bad_signature")
        other_url = replace(request, url=request.url + "?x=1")
        self.assertEqual(self.receive(other_url).verdict, "bad_signature")

    def test_the_previous_secret_is_accepted_while_it_is_replaced(self):
        request = self.genuine_delivery()
        old = self.credentials()["app_secret"]
        self.connection._store_credentials({"app_secret": "new-one", "previous_app_secret": old})
        self.assertTrue(self.receive(request).accepted)

    def test_oauth_tokens_are_renewed_and_kept(self):
        known = self.admin.get("/credentials")["hubspot"]
        self.connection._store_credentials(
            {
                "token": None,
                "client_id": known["client_id"],
                "app_secret": known["client_secret"],
                "refresh_token": known["refresh_token"],
            }
        )
        self.env.flush_all()
        with self.enter_registry_test_mode():
            account = self.connector._authenticate(self.connection)
        self.assertEqual(account.external_id, self.connection.account_external_id)
        self.connection.invalidate_recordset()
        self.assertTrue(self.connection._credentials()["access_token"])

    def test_the_limits_of_the_account_are_known(self):
        (external_id,) = self.remote_create(1)
        self.guarded_read(external_id)
        endpoint = self.endpoint()
        self.assertEqual((endpoint.rate_limit, endpoint.rate_seconds, endpoint.rate_told), (190, 10.0, True))
        self.assertEqual((endpoint.daily_limit, endpoint.daily_told), (650_000, True))
        self.assertGreater(endpoint.daily_used, 0)

    def test_bulk_work_leaves_the_reserve_of_the_window_alone(self):
        (external_id,) = self.remote_create(1)
        self.addCleanup(self.admin.request, "PUT", "/hubspot/settings", {"private_app_limit": 190})
        self.admin.request("PUT", "/hubspot/settings", {"private_app_limit": 30})
        before = self.calls_since(0)["last_seq"]
        errors = (self.guarded_error(external_id, urgent=False) for _call in range(100))
        self.assertIsInstance(next(filter(None, errors)), BudgetSpent)
        statuses = [call["status"] for call in self.calls_since(before)["calls"]]
        self.assertNotIn(429, statuses)
        self.assertLess(len(statuses), 30)

    def test_status_properties_are_created_once(self):
        names = {field.name for field in self.connector._describe(self.connection, "deals")}
        self.assertIn("odoo_payment_status", names)
        self.connector._setup(self.connection)
