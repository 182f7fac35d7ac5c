from odoo.addons.crm_sync_base.tests.authors import Authors
from odoo.tests import tagged

from .common import HubspotCase

TERMS = {"name": "payment_terms", "label": "Payment Terms", "type": "string", "fieldType": "text"}


@tagged("post_install", "-at_install")
class TestHubspotAuthors(Authors, HubspotCase):
    customer_object = "companies"
    customer_name = "name"
    terms_field = "payment_terms"
    seller = "dana.dealer@example.com"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        client = cls.connector._client(cls.connection)
        client.ensure_properties("companies", ("odoo", "Odoo"), [TERMS])

    def make_customer(self, **values):
        """Make a company."""
        return self.admin.post("/hubspot/records/companies", {"properties": values})["id"]

    def change_customer(self, external_id, by=None, **values):
        """Change a company; another owner than the seller has no account here."""
        body = {"properties": values, "by": by or "sam.seller@example.com"}
        self.admin.request("PATCH", f"/hubspot/records/companies/{external_id}", body)

    def test_without_the_scope_nobody_is_named(self):
        """An app that may not read owners synchronises all the same."""
        apps = self.admin.get("/hubspot/apps")
        for app in apps:
            scopes = [one for one in app["scopes"] if one != "crm.objects.owners.read"]
            self.admin.request("PUT", f"/hubspot/apps/{app['app_id']}/scopes", {"scopes": scopes})
            self.addCleanup(
                self.admin.request, "PUT", f"/hubspot/apps/{app['app_id']}/scopes", {"scopes": app["scopes"]}
            )
        self.connector._client(self.connection)._user_emails = None
        proposal = self.propose(by=self.seller)
        self.assertFalse(proposal.author_id)
        self.assertIn("unknown at source", proposal.author_origin)
        self.assertEqual(self.connection.state, "connected")
