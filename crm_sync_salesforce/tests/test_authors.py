from odoo.addons.crm_sync_base.tests.authors import Authors
from odoo.tests import tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestSalesforceAuthors(Authors, SalesforceCase):
    customer_object = "Account"
    terms_field = "Payment_Terms__c"
    seller = "rep.carla@q2c-sandbox.example"

    def make_customer(self, **values):
        """Make an account, as the sales user."""
        return self.admin.post("/salesforce/records/Account", values)["Id"]

    def change_customer(self, external_id, by=None, **values):
        """Change an account; what a former colleague without an account here did is nobody's."""
        values["_by"] = by or "rep.former@q2c-sandbox.example"
        self.admin.request("PATCH", f"/salesforce/records/Account/{external_id}", values)
