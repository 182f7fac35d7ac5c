import ast
import random
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from odoo.tests import BaseCase

from ..lib import paths
from ..lib.errors import AuthFailed, Bug, DataInvalid, RateLimited, Transient
from ..lib.fingerprint import fingerprint
from ..lib.masking import MASK, mask, mask_text
from ..lib.retry import RetryPolicy, after_crash, decide
from ..lib.vault import Vault, VaultError, new_key


class TestRetry(BaseCase):
    policy = RetryPolicy(max_attempts=5, base_seconds=10, max_seconds=60)

    def test_waits_grow_at_random_up_to_the_limit(self):
        rand = random.Random(1)
        for attempts in range(1, 5):
            ceiling = min(60, 10 * 2 ** (attempts - 1))
            delays = [decide(Transient("x"), attempts, self.policy, rand).delay for _draw in range(200)]
            self.assertLessEqual(max(delays), ceiling)
            self.assertLess(min(delays), ceiling / 4)

    def test_attempts_end(self):
        self.assertFalse(decide(Transient("x"), 5, self.policy).again)
        self.assertFalse(decide(Bug("x"), 3, self.policy).again)

    def test_the_vendors_wait_is_the_least(self):
        self.assertGreaterEqual(decide(RateLimited("x", retry_after=90), 1, self.policy).delay, 90)

    def test_a_person_is_asked_at_once(self):
        self.assertFalse(decide(DataInvalid("x"), 1, self.policy).again)

    def test_a_death_is_followed_by_a_wait_of_less_than_a_minute(self):
        rand = random.Random(1)
        for crashes, longest in ((1, 10), (2, 40)):
            waits = [after_crash(crashes, RetryPolicy(), rand) for _draw in range(200)]
            self.assertTrue(0 <= min(waits) < longest / 10 and longest * 0.9 < max(waits) <= longest, waits)

    def test_a_pause_does_not_use_attempts_up(self):
        self.assertEqual(decide(AuthFailed("x"), 99, self.policy).delay, 0)


class TestVault(BaseCase):
    def test_any_live_key_opens_and_the_first_seals(self):
        old, new = new_key(), new_key()
        token = Vault(old).encrypt("secret")
        both = Vault(f"{new}, {old}")
        self.assertEqual(both.decrypt(token), "secret")
        self.assertEqual(Vault(new).decrypt(both.rotate(token)), "secret")

    def test_a_wrong_key_says_so_and_shows_nothing(self):
        with self.assertRaises(VaultError):
            Vault(new_key()).decrypt(Vault(new_key()).encrypt("secret"))
        with self.assertRaises(VaultError) as caught:
            Vault("not-a-key")
        self.assertNotIn("not-a-key", str(caught.exception))
        with self.assertRaises(VaultError):
            Vault("  ")


class TestMasking(BaseCase):
    def test_persons_and_secrets_are_masked_structure_stays(self):
        shown = mask({"id": 7, "Email": "a@b.example", "lines": [{"note": "write to a@b.example"}]})
        self.assertEqual(shown["id"], 7)
        self.assertEqual(shown["Email"], MASK)
        self.assertNotIn("a@b", str(shown))

    def test_xml_is_masked_too(self):
        text = "<sf:Id>006</sf:Id><sf:Email>a@b.example</sf:Email><SessionId>abc</SessionId>"
        shown = mask_text(text)
        self.assertIn("<sf:Id>006</sf:Id>", shown)
        self.assertNotIn("a@b", shown)
        self.assertNotIn("abc", shown)


class TestValues(BaseCase):
    def test_fingerprints_depend_on_content_only(self):
        self.assertEqual(fingerprint({"a": 1, "b": [2]}), fingerprint({"b": [2], "a": 1}))
        self.assertEqual(fingerprint(Decimal("1.10")), fingerprint(Decimal("1.1")))
        self.assertNotEqual(fingerprint({"a": 1}), fingerprint({"a": "1"}))
        self.assertTrue(fingerprint([datetime(2026, 1, 1), {1, 2}]))

    def test_an_absent_field_is_not_an_empty_one(self):
        document = {"A": None, "L": [{"x": 1}]}
        self.assertIsNone(paths.get(document, "A.B"))
        self.assertIs(paths.get(document, "B"), paths.MISSING)
        self.assertEqual(paths.get(document, "L.0.x"), 1)
        self.assertIs(paths.get(document, "L.3.x"), paths.MISSING)

    def test_lib_is_pure(self):
        """Nothing in lib/ imports Odoo."""
        for file in Path(paths.__file__).parent.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                self.assertFalse([name for name in names if name.split(".")[0] == "odoo"], file)
