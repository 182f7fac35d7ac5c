from decimal import Decimal

from odoo.tests import BaseCase

from ..lib import planner
from ..lib.errors import DataInvalid, MappingMissing, NotReady
from ..lib.planner import Found, Problem, Rule
from ..lib.remedy import MAP_OUT, Remedy
from ..lib.scope import ScopeError, matches, parse_scope
from ..lib.transforms import Lookup, Reference


class TestPlanner(BaseCase):
    def test_all_problems_at_once_lines_included(self):
        rules = (
            Rule("Name", "name", "Name", required=True),
            Rule(
                "Lines",
                "line_ids",
                "Line",
                children=(
                    Rule("Code", "product", "Product", required=True),
                    Rule("Qty", "qty", "Quantity", transform="number"),
                ),
            ),
        )
        draft = planner.evaluate(rules, "1", {"Lines": [{"Code": "A", "Qty": "x"}, {"Qty": 1}]})
        self.assertEqual(
            [problem.message for problem in draft.problems],
            ["Name is empty", "Line 1: Quantity is 'x', which is not a number", "Line 2: Product is empty"],
        )

    def test_a_required_collection_must_not_be_empty(self):
        rule = Rule("Lines", "line_ids", "Lines", required=True, children=(Rule("A", "a", "A"),))
        for document in ({}, {"Lines": []}, {"Lines": None}):
            self.assertTrue(planner.evaluate((rule,), "1", document).problems)

    def test_references_are_collected_then_resolved(self):
        rules = (
            Rule("AccountId", "partner_id", "Customer", transform="reference", argument="Account"),
            Rule("Tax", "tax_ids", "Tax", transform="lookup", argument="name", comodel="account.tax", is_many=True),
        )
        draft = planner.evaluate(rules, "1", {"AccountId": "001", "Tax": "VAT 21"})
        reference, lookup = Reference("Account", "001"), ("account.tax", Lookup("name", "VAT 21"))
        self.assertEqual(list(draft.pending()), [reference, lookup])
        planner.resolve(draft, {reference: Found(7), lookup: Found(problem="there is none")})
        self.assertEqual(draft.values["partner_id"], 7)
        self.assertEqual(draft.problems, [Problem("Tax: there is none", "mapping_missing")])

    def test_the_class_of_the_error_follows_the_problems(self):
        missing, invalid = Problem("a", "mapping_missing"), Problem("b", "data_invalid")
        self.assertIsInstance(planner.to_error([missing], "Deal"), MappingMissing)
        self.assertIsInstance(planner.to_error([invalid], "Deal"), DataInvalid)
        error = planner.to_error([missing, invalid, missing], "Deal")
        self.assertIsInstance(error, NotReady)
        self.assertEqual(error.problems, ("a", "b"))
        self.assertIn("2 things are missing", error.message)

    def test_the_hint_says_where_to_begin(self):
        missing = Problem("a", "mapping_missing", Remedy(MAP_OUT, "Terms", value="30", map_id=1))
        invalid = Problem("b", "data_invalid")
        self.assertIn("system that it comes from", planner.to_error([invalid], "Deal").hint)
        for problems, hint in (
            ([invalid], "Correct the record in Odoo, then retry."),
            ([missing], "Say what the value is called at the other system, or correct the record in Odoo"),
            ([missing, invalid], "correct the rest of the record in Odoo"),
        ):
            error = planner.to_error(problems, "S0001", outbound=True)
            self.assertIn(hint, error.hint)
            self.assertNotIn("comes from", error.hint)

    def test_a_constant_takes_the_type_of_its_field(self):
        rule = Rule("", "is_company", "Company", transform="constant", argument="true", cast="boolean")
        draft = planner.evaluate((rule,), "1", {})
        self.assertIs(draft.values["is_company"], True)

    def test_only_differences_are_written(self):
        rules = (Rule("a", "a", "A"), Rule("b", "b", "B"), Rule("c", "c", "C"))
        current = {"a": 0.1, "b": False, "c": (3, 1)}
        values = {"a": Decimal("0.1"), "b": None, "c": (1, 3)}
        self.assertEqual(planner.difference(rules, values, current), {})
        self.assertEqual(planner.difference(rules, {"a": 0}, current), {"a": (0.1, 0)})

    def test_zero_is_not_empty(self):
        self.assertFalse(planner.same(0, None))
        self.assertTrue(planner.same("", False))
        self.assertTrue(planner.same((), None))


class TestScope(BaseCase):
    def test_conditions_on_documents(self):
        scope = parse_scope("[('Won', '=', True), ('Stage.Name', 'in', ['A', 'B'])]")
        self.assertTrue(matches(scope, {"Won": True, "Stage": {"Name": "B"}}))
        self.assertFalse(matches(scope, {"Won": True, "Stage": None}))
        self.assertTrue(matches((), {}))

    def test_what_is_no_condition_is_refused(self):
        for text in ("import os", "[('a', 'like', 'b')]", "[1]", "__import__('os')"):
            with self.assertRaises(ScopeError):
                parse_scope(text)
