from odoo.addons.crm_sync_base.tests.merged_customers import MergedCustomers
from odoo.tests import tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestSalesforceMerges(MergedCustomers, SalesforceCase):
    customer_object = "Account"

    def make_customer(self, name):
        """Make an account."""
        return self.admin.post("/salesforce/records/Account", {"Name": name})["Id"]

    def merge_customers(self, survivor, loser):
        """The master keeps its id; the loser points to it."""
        self.admin.post("/salesforce/merge", {"object": "Account", "master": survivor, "losers": [loser]})
        return survivor
