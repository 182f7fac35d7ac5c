from odoo.addons.crm_sync_base.lib import signing
from odoo.addons.crm_sync_base.lib.declarations import WebhookRequest
from odoo.tests import BaseCase, tagged

from ..lib import webhook


@tagged("post_install", "-at_install")
class TestTinyWebhook(BaseCase):
    """Signatures and bodies of deliveries."""

    def request(self, body, moment="1790000000", secret="s3cret"):
        """Return a delivery that was signed with a secret."""
        signature = signing.hex_of(secret, moment.encode() + b"." + body)
        return WebhookRequest(body, {webhook.HEADER: f"t={moment},v1={signature}"}, "https://odoo.example.com/x")

    def test_an_old_delivery_cannot_be_played_again(self):
        self.assertEqual(webhook.verdict(["s3cret"], self.request(b"{}")), "stale")

    def test_without_a_secret_nothing_is_genuine(self):
        for secrets in ((), (None,), ("",)):
            self.assertEqual(webhook.verdict(secrets, self.request(b"{}", secret="")), "bad_signature")

    def test_headers_that_are_no_signature_are_none(self):
        for header in ("", "v1=", "t=1,v1=zz", "t=x,v1=" + "0" * 64, "t=1,v1=" + "0" * 65):
            request = WebhookRequest(b"{}", {webhook.HEADER: header}, "https://odoo.example.com/x")
            self.assertEqual(webhook.verdict(["s3cret"], request), "unsigned", header)

    def test_bodies_of_strangers_are_malformed(self):
        for body in (b"", b"[]", b'{"account": 1}', b'{"account": 1, "events": [{}]}', b'{"account": 1, "events": 7}',
                     b"\xff", b'{"account": 1, "events": [{"at": 1e99}]}', b"[" * 100_000):
            with self.assertRaises(webhook.Malformed, msg=body[:40]):
                webhook.parse(body)
