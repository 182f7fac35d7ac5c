import random
import re
from pathlib import Path

from odoo.tests import BaseCase

from ..lib.ids import InvalidId, is_id, same, to15, to18

CASSETTES = Path(__file__).parents[3] / "shared" / "data" / "salesforce" / "cumulusci-cassettes"


class TestIds(BaseCase):
    def test_short_ids_get_their_suffix(self):
        self.assertEqual(to18("001D000000IRt53"), "001D000000IRt53IAD")
        self.assertEqual(to18("  001D000000IRt53 "), "001D000000IRt53IAD")

    def test_long_ids_stay_and_are_repaired(self):
        self.assertEqual(to18("001D000000IRt53IAD"), "001D000000IRt53IAD")
        self.assertEqual(to18("001d000000irt53iad"), "001D000000IRt53IAD")
        self.assertEqual(to18("001D000000IRT53IAD"), "001D000000IRt53IAD")

    def test_recorded_ids(self):
        if not CASSETTES.is_dir():
            self.skipTest("the recorded traffic is not present")
        text = "".join(path.read_text() for path in CASSETTES.glob("TestUpsert*"))
        found = {i for i in re.findall(r"\b00[136][0-9A-Za-z]{12}[A-Z0-5]{3}\b", text) if "x" not in i}
        self.assertGreater(len(found), 50)
        for record_id in found:
            self.assertEqual(to18(record_id[:15]), record_id)
            self.assertEqual(to18(record_id.swapcase()), record_id)

    def test_what_is_no_id(self):
        for text in ("", "001", "x" * 16, "001D000000IRt5!", "001D000000IRt53IA9", "001D000000IRt5é", None, 15):
            self.assertFalse(is_id(text), text)
            with self.assertRaises(InvalidId):
                to18(text)
        with self.assertRaises(InvalidId):
            to18("001000000000000EAA")  # the suffix claims an upper-case digit

    def test_sameness(self):
        self.assertTrue(same("001D000000IRt53", "001d000000irt53IAD"))
        self.assertFalse(same("001D000000IRt53", "001D000000IRT53"))
        self.assertFalse(same("", ""))

    def test_round_trip(self):
        rand = random.Random(7)
        letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        for _n in range(500):
            short = "".join(rand.choice(letters) for _i in range(15))
            self.assertEqual(to15(to18(short)), short)
            self.assertEqual(to18(to18(short).lower()), to18(short))
