import random
from decimal import Decimal
from types import SimpleNamespace

from odoo.tests import BaseCase, tagged

from ..lib import lines
from ..lib.lines import Gate, LinePlan, between, bounded, exact, gate_of, is_pair, observed, planned, row
from ..lib.undo import typed as typed_as
from ..lib.unit import Unit

KINDS = {"qty": "float", "price": "float", "name": "char", "tax": "many2many"}


def typed(name, stored):
    return typed_as(KINDS[name], stored)


def a_row(line_id, key, **values):
    return row(line_id, key, line_id or 9, f"Line {line_id}", values)


def held(rows):
    """Return rows as the values that lines have now."""
    return {one["id"]: {name: typed(name, one["values"].get(name)) for name in KINDS} for one in rows}


@tagged("post_install", "-at_install")
class TestLines(BaseCase):
    def test_numbers_are_kept_to_the_last_digit(self):
        for value, text in ((19.95, "19.95"), (3.0, "3"), (0.0, "0"), (1e-7, "0.0000001"), (100.0, "100"),
                            (Decimal("1299.990"), "1299.99"), (Decimal("1E+2"), "100")):
            with self.subTest(value):
                self.assertEqual(exact(value), text)
                self.assertEqual(Decimal(text), Decimal(str(value)))
        self.assertEqual((exact((2, 1)), exact(None), exact(True)), ([2, 1], None, True))

    def test_only_what_became_of_lines_is_told(self):
        before = {1: a_row(1, "a", qty=1.0, name="A"), 2: a_row(2, "b", qty=1.0, name="B"), 3: a_row(3, "c", qty=1.0)}
        after = {**before, 1: a_row(1, "a", qty=2.0, name="A"), 4: a_row(4, "d", qty=5.0, name="")}
        del after[3]
        befores, afters = observed(before, after, {"qty"})
        self.assertEqual([(one["id"], one["values"]) for one in befores], [(1, {"qty": "1"}), (3, {"qty": "1"})])
        self.assertEqual([(one["id"], one["values"]) for one in afters], [(1, {"qty": "2"}), (4, {"qty": "5"})])

    def test_too_many_lines_are_only_counted(self):
        many = [a_row(number + 1, "", qty=1.0) for number in range(lines.MAX_ROWS + 1)]
        self.assertEqual(bounded(([], many)), [None, f"{len(many)} lines"])
        self.assertFalse(is_pair(bounded(([], many))))
        self.assertTrue(is_pair(bounded(([], many[:-1]))))

    def test_what_is_no_pair_of_lines(self):
        for value in ([None, "3 lines"], ["A", "B"], [[1], [2]], [[], []], None, [None, {"a": 1}]):
            with self.subTest(value):
                self.assertFalse(is_pair(value))

    def test_the_first_rule_that_fits_decides(self):
        price, all_lines = frozenset({"price"}), None
        gates = [Gate(7, frozenset({"tax"}), all_lines), Gate(8, price, frozenset({2}))]
        for plan, rule_id in (
            (LinePlan(updates={1: {"price": (1, 2)}}), None),  # does not meet the condition
            (LinePlan(updates={2: {"price": (1, 2)}}), 8),
            (LinePlan(updates={2: {"price": (1, 2)}, 3: {"tax": ((), (1,))}}), 7),
            (LinePlan(updates={2: {"qty": (1, 2)}}), None),
            (LinePlan(removes=[2]), 7),
            (LinePlan(creates=[("n", {"price": Decimal(0)})]), 8),
            (LinePlan(creates=[("n", {"price": None, "qty": 1})]), None),
            (LinePlan(), None),
        ):
            with self.subTest(plan):
                self.assertEqual(gate_of(plan, gates), rule_id)

    def test_a_plan_is_equal_whichever_id_a_record_gets(self):
        flow = SimpleNamespace(remote_object="Product")
        plans = [LinePlan(creates=[("a", {"product": Unit(flow, None, key)})]) for key in ("p1", "p2")]
        self.assertEqual(plans[0].content(), plans[1].content())
        self.assertNotEqual(
            LinePlan(updates={1: {"qty": (1, 2)}}).content(), LinePlan(updates={1: {"qty": (1, 3)}}).content()
        )

    def test_a_plan_is_told_before_it_is_written(self):
        now = {1: a_row(1, "a", qty=1.0, name="A"), 2: a_row(2, "b", qty=1.0, name="")}
        plan = LinePlan([("c", {"qty": Decimal(3), "name": "C\nmore"})], {1: {"qty": (1.0, Decimal(2))}}, {}, [2])
        befores, afters = lines.exactly(planned(plan, now))
        self.assertEqual([(one["id"], one["values"]) for one in befores], [(1, {"qty": "1"}), (2, {"qty": "1"})])
        self.assertEqual(afters[0]["values"], {"qty": "2"})
        self.assertEqual((afters[1]["key"], afters[1]["name"], afters[1]["number"]), ("c", "C", 2))

    def test_what_is_in_the_way(self):
        start = [a_row(1, "a", qty=2.0), a_row(2, "b", qty=2.0), a_row(4, "d", qty=2.0), a_row(5, "e", qty=2.0)]
        end = [a_row(1, "a", qty=1.0), a_row(2, "b", qty=1.0), a_row(3, "c", qty=1.0)]
        now = held([a_row(1, "a", qty=9.0), a_row(3, "c", qty=8.0), a_row(4, "d", qty=7.0)])
        plan, left = between(start, end, lambda one: one["id"] if one["id"] in now else None, now, typed)
        self.assertEqual(
            [(one["key"], reason, names) for one, reason, names in left],
            [("a", lines.CHANGED, ["qty"]), ("b", lines.GONE, []), ("d", lines.CHANGED, ["qty"]),
             ("c", lines.THERE, ["qty"])],
        )
        self.assertFalse(plan, "a line that is to go and is gone is no trouble")

    def test_random_ways_lead_there_and_back(self):
        for seed in range(300):
            with self.subTest(seed):
                self.there_and_back(random.Random(seed))

    def there_and_back(self, chance):
        def some(line_id):
            values = {"qty": chance.randint(0, 9) / 4, "price": chance.randint(0, 9) / 100,
                      "name": chance.choice(["", "A", "B"]), "tax": chance.choice([(), (1,), (1, 2), (3,)])}
            return a_row(line_id, f"k{line_id}", **values)

        before = {line_id: some(line_id) for line_id in range(1, 6) if chance.random() < 0.7}
        after = {line_id: some(line_id) for line_id in range(1, 6) if chance.random() < 0.7}
        pair = observed(before, after, set(KINDS))
        for start, end, present, wanted in ((*pair, before, after), (*reversed(pair), after, before)):
            now = held(present.values())
            plan, left = between(start, end, lambda one, now=now: one["id"] if one["id"] in now else None, now, typed)
            self.assertEqual(left, [])
            self.assertEqual(self.carried_out(plan, now), held(wanted.values()))

    def carried_out(self, plan, now):
        """Return what lines would be after a plan; a new one is known by its key."""
        found = {line_id: dict(values) for line_id, values in now.items() if line_id not in plan.removes}
        for line_id, changes in plan.updates.items():
            found[line_id].update({name: after for name, (_before, after) in changes.items()})
        found.update({int(key[1:]): values for key, values in plan.creates})
        return {line_id: {name: values.get(name) for name in KINDS} for line_id, values in found.items()}
