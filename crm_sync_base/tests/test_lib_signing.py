from odoo.tests import BaseCase, tagged

from ..lib.signing import base64_of, hex_of, verify

NOW = 1_790_000_000.0


@tagged("post_install", "-at_install")
class TestSigning(BaseCase):
    def judge(self, secrets=("new", "old"), message=b"body", given=None, at=NOW, **options):
        """Judge a delivery that was signed with "old"."""
        given = [hex_of("old", b"body")] if given is None else given
        return verify(secrets, message, given, at, now=NOW, **options)

    def test_known_answer(self):
        # RFC 4231, test case 2
        expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        self.assertEqual(hex_of("Jefe", b"what do ya want for nothing?"), expected)
        in_base64 = "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM="
        self.assertEqual(base64_of("Jefe", b"what do ya want for nothing?"), in_base64)

    def test_any_secret_and_any_signature_may_match(self):
        self.assertEqual(self.judge(), "accepted")
        self.assertEqual(self.judge(given=["0" * 64, hex_of("old", b"body")]), "accepted")
        self.assertEqual(
            self.judge(given=[base64_of("old", b"body")], spelling=base64_of), "accepted")

    def test_tampering_and_strangers_are_refused(self):
        self.assertEqual(self.judge(message=b"Body"), "bad_signature")
        self.assertEqual(self.judge(secrets=["new"]), "bad_signature")
        self.assertEqual(self.judge(given=["zoë"]), "bad_signature")

    def test_without_a_secret_nothing_is_genuine(self):
        for secrets in ((), ("",), (None,), ("  ",)):
            given = [hex_of("", b"body"), hex_of("  ", b"body")]
            self.assertEqual(self.judge(secrets=secrets, given=given), "bad_signature")

    def test_without_signature_or_moment_it_is_not_signed(self):
        self.assertEqual(self.judge(given=[]), "unsigned")
        self.assertEqual(self.judge(given=[""]), "unsigned")
        self.assertEqual(self.judge(at=None), "unsigned")

    def test_neither_old_nor_from_the_future(self):
        self.assertEqual(self.judge(at=NOW - 300), "accepted")
        self.assertEqual(self.judge(at=NOW - 301), "stale")
        self.assertEqual(self.judge(at=NOW + 301), "stale")
        self.assertEqual(self.judge(at=NOW - 301, secrets=["new"]), "bad_signature", "strangers learn nothing")
