from odoo.addons.crm_sync_base.tests.merged_customers import MergedCustomers
from odoo.tests import tagged

from .common import HubspotCase


@tagged("post_install", "-at_install")
class TestHubspotMerges(MergedCustomers, HubspotCase):
    customer_object = "companies"
    customer_name = "name"

    def make_customer(self, name):
        """Make a company."""
        return self.admin.post("/hubspot/records/companies", {"properties": {"name": name}})["id"]

    def merge_customers(self, survivor, loser):
        """Companies that are merged get a new id."""
        merged = self.admin.post("/hubspot/records/companies/merge", {"primary": survivor, "loser": loser})
        self.assertNotIn(merged["id"], (survivor, loser))
        return merged["id"]

    def test_only_the_survivor_is_seen(self):  # pylint: disable=missing-return
        survivor, one, other = super().test_only_the_survivor_is_seen()
        self.golden(survivor, one, other)
