"""A connection to the HubSpot sandbox, for this module's tests."""

import json
import time

from odoo.addons.crm_sync_base.lib.declarations import WebhookRequest
from odoo.addons.crm_sync_base.tests.connector_case import SandboxCase

from ..lib.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, signature

URL = "https://odoo.example.com/crm_sync/webhook/token"


class HubspotCase(SandboxCase):
    provider = "hubspot"
    api_version = "2026-09"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The tests of one class call faster than any person clicks.
        cls.admin.request("PUT", "/hubspot/settings", {"rate_limits": False})

    @classmethod
    def credentials(cls):
        """Return the private app's token and secret."""
        known = cls.admin.get("/credentials")["hubspot"]
        return {"token": known["private_app_token"], "app_secret": known["private_app_secret"]}

    def delivery(self, events):
        """Return a signed delivery of webhook events."""
        body = json.dumps(events).encode()
        moment = str(int(time.time() * 1000))
        secret = self.credentials()["app_secret"]
        headers = {
            SIGNATURE_HEADER: signature(secret, "POST", URL, body, moment),
            TIMESTAMP_HEADER: moment,
        }
        return WebhookRequest(body, headers, URL)

    def deal_event(self, deal_id, **values):
        """Return one event of a changed deal."""
        return {
            "eventId": 1,
            "portalId": int(self.connection.account_external_id),
            "occurredAt": 1_790_000_000_000,
            "subscriptionType": "deal.propertyChange",
            "objectId": int(deal_id),
            "propertyName": "dealstage",
            "propertyValue": "closedwon",
            **values,
        }
