"""A connection to the Salesforce sandbox, for this module's tests."""

from odoo.addons.crm_sync_base.tests.connector_case import SandboxCase


class SalesforceCase(SandboxCase):
    provider = "salesforce"
    api_version = "67.0"

    @classmethod
    def credentials(cls):
        """Return what the JWT bearer flow needs."""
        known = cls.admin.get("/credentials")["salesforce"]
        return {
            "client_id": known["client_id"],
            "username": known["username"],
            "private_key": known["private_key"],
            "audience": known["audience"],
        }
