from decimal import Decimal
from unittest import TestCase

from ..lib import outgoing
from ..lib.errors import Conflict, NotReady
from ..lib.outcome import Outcome
from ..lib.outgoing import Outgoing


class TestOutgoing(TestCase):
    def item(self, intent=None, **outcome):
        item = Outgoing(None, 7)
        item.intent = intent
        item.outcome = Outcome(**outcome) if outcome else None
        return item

    def test_the_verdict_says_what_becomes_of_it(self):
        for item, verdict, settled in (
            (self.item({"external_id": None}), "create", False),
            (self.item({"external_id": "1"}), "update", False),
            (self.item(error=NotReady("x")), "blocked", False),
            (self.item(error=Conflict("x")), "conflict", False),
            (self.item(summary="x", verdict="unchanged"), "unchanged", True),
            (self.item(summary="x"), "skipped", True),
        ):
            with self.subTest(verdict):
                self.assertEqual((item.verdict, item.is_settled), (verdict, settled))

    def test_equal_calls_have_equal_digests_whatever_their_keys(self):
        intent = {"external_id": "1", "values": {"a": "x", "b": Decimal("1.5")}, "key": "k1"}
        self.assertEqual(outgoing.digest(intent, 3), outgoing.digest({**intent, "key": "k2"}, 3))
        for other, mapping in (
            ({**intent, "external_id": None}, 3),
            ({**intent, "values": {**intent["values"], "a": "y"}}, 3),
            ({**intent, "values": {"a": "x"}}, 3),
            (intent, 4),
        ):
            self.assertNotEqual(outgoing.digest(intent, 3), outgoing.digest(other, mapping))

    def test_differences_are_those_of_values_and_not_of_spelling(self):
        values = {"name": "New", "mail": None, "amount": Decimal("10.50"), "zero": 0, "yes": True}
        present = {"name": "Old", "mail": "", "amount": 10.5, "zero": Decimal("0.0"), "yes": True}
        self.assertEqual(outgoing.differences(values, present), {"name": ["Old", "New"]})
        self.assertEqual(outgoing.differences(values, {})["amount"], [None, Decimal("10.50")])
        self.assertIn("zero", outgoing.differences(values, {}), "nothing is not zero")
        self.assertEqual(outgoing.differences({"yes": False}, {"yes": None}), {"yes": [None, False]})
        self.assertEqual(outgoing.differences(values, None), {path: [None, value] for path, value in values.items()})

    def test_what_is_not_as_planned_is_named(self):
        planned = {"name": ["Old", "New"], "amount": ["1", "10.50"]}
        self.assertEqual(outgoing.altered(planned, {"values": {"name": "New", "amount": Decimal("10.50")}}), [])
        self.assertEqual(outgoing.altered(planned, {"values": {"name": "Newer", "amount": "10.50"}}), ["name"])
        self.assertEqual(outgoing.altered(planned, {"values": {"name": "New"}}), ["amount"])
