from datetime import date

from odoo.exceptions import UserError
from odoo.tests import tagged

from ..lib.const import sunset
from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestCatalogue(HubspotCase):
    def test_records_are_counted_there(self):
        model = self.env["ir.model"]._get("res.partner")
        flow = self.env["sync.flow"].create(
            {
                "name": "Companies",
                "connection_id": self.connection.id,
                "remote_object": "companies",
                "model_id": model.id,
                "mode": "dry_run",
                "poll": False,
            }
        )
        flow.action_count_remote()
        listed = len(list(flow._connector()._client(self.connection).all_ids("companies")))
        self.assertEqual(flow.remote_count, listed)
        flow.remote_scope = "[('name', '=', 'Nobody Is Called So')]"
        flow.action_count_remote()
        self.assertEqual(flow.remote_count, 0)
        flow.remote_scope = "[('name', '!=', 'Acme')]"
        with self.assertRaises(UserError):
            flow.action_count_remote()

    def test_versions_live_for_18_months(self):
        self.assertEqual(sunset("2026-03"), date(2027, 8, 31))
        self.assertEqual(sunset("2026-09"), date(2028, 2, 29))
        self.assertEqual(sunset("v3"), date(2027, 9, 30))
        self.assertIsNone(sunset("latest"))
        self.assertEqual(self.env["sync.connector.hubspot"]._api_sunset("2026-09"), date(2028, 2, 29))
