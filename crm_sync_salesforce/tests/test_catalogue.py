from datetime import date

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestCatalogue(SalesforceCase):
    def flow(self, **values):
        model = self.env["ir.model"]._get("res.partner")
        return self.env["sync.flow"].create(
            {
                "name": "Accounts",
                "connection_id": self.connection.id,
                "remote_object": "Account",
                "model_id": model.id,
                "mode": "dry_run",
                "poll": False,
                **values,
            }
        )

    def test_what_meets_the_condition_is_counted_there(self):
        self.admin.post("/salesforce/generate", {"accounts": 3, "contacts_each": 0})
        flow = self.flow()
        flow.action_count_remote()
        everything = flow.remote_count
        self.assertGreaterEqual(everything, 3)
        name = next(iter(self.client_of(flow).query_all("SELECT Id, Name FROM Account LIMIT 1")))["Name"]
        flow.remote_scope = repr([("Name", "=", name)])
        flow.action_count_remote()
        self.assertGreaterEqual(flow.remote_count, 1)
        self.assertLess(flow.remote_count, everything)

    def client_of(self, flow):
        return flow._connector()._client(flow.connection_id)

    def test_a_condition_that_it_cannot_check_is_named(self):
        flow = self.flow(remote_scope="[('Industry', '!=', 'Banking')]")
        with self.assertRaisesRegex(UserError, "Industry"):
            flow.action_count_remote()

    def test_published_ends_of_versions(self):
        connector = self.env["sync.connector.salesforce"]
        self.assertEqual(connector._api_sunset("30.0"), date(2025, 6, 1))
        self.assertEqual(connector._api_sunset("40.0"), date(2028, 6, 1))
        self.assertIsNone(connector._api_sunset("67.0"))
        self.assertIsNone(connector._api_sunset("latest"))
