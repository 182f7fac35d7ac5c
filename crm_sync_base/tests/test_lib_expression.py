import builtins
from datetime import date
from decimal import Decimal

from odoo.tests import BaseCase

from ..lib import expression
from ..lib.expression import MAX_LENGTH, MAX_TEXT, FormulaError, read

DOCUMENT = {"Name": "Acme", "Amount": 12.5, "Rate": "3", "Tags": ["a", "b"], "Day": "2026-01-31", "Nested": {"x": 1}}

#: formulas that try to get out, to run for ever, to use up memory or to fool the reader
ATTACKS = [
    "().__class__.__bases__[0].__subclasses__()",
    "value.__class__",
    "''.format(value)",
    "'{0.__class__}'.format(value)",
    "__import__('os').system('id')",
    "open('/etc/passwd')",
    "eval('1')",
    "exec('1')",
    "getattr(value, 'x')",
    "globals()",
    "value[0]",
    "value[::2]",
    "[x for x in value]",
    "{x: x for x in value}",
    "(x for x in value)",
    "lambda: 1",
    "(lambda f: f(f))(lambda f: f(f))",
    "f'{value}'",
    "value := 1",
    "yield 1",
    "await value",
    "import os",
    "value; value",
    "b'x'",
    "...",
    "1j",
    "{}",
    "{1}",
    "{**value}",
    "concat(*value)",
    "round(x=1)",
    "field(value)",
    "field('a' + 'b')",
    "upper",
    "upper.__globals__",
    "upper(1)(2)",
    "(upper)(value).__class__",
    "9 ** 9 ** 9",
    "'a' * 1000000",
    "1 << 1000",
    "1 // 3",
    "~1",
    "value @ value",
    "value is None",
    "'%s' % value",
    "1e31 * 1",
    "1e400",
    "-" * 500 + "1",
    "not " * 200 + "1",
    "1" + "+1" * 300,
    "(" * 900,
    "\x00",
    "True.real",
    "",
    "   ",
    "1 " * MAX_LENGTH,
]


def calculate(formula, value=None):
    return read(formula).calculate(value, DOCUMENT.get)


class TestExpression(BaseCase):
    def test_attacks_are_refused(self):
        for formula in ATTACKS:
            with self.subTest(formula[:40]), self.assertRaises(FormulaError):
                calculate(formula, "8")

    def test_no_builtin_of_python_is_known(self):
        for name in dir(builtins):
            if name in expression.FUNCTIONS or name in ("None", "True", "False", "__debug__"):
                continue
            with self.subTest(name), self.assertRaises(FormulaError):
                calculate(f"{name}(value)")

    def test_texts_do_not_grow_without_end(self):
        growing = "value"
        for _number in range(8):
            growing = f"replace({growing}, 'a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')"
        for formula in (growing, "concat(value, value)", "value + value", "join([value, value], '-')"):
            with self.subTest(formula[:30]), self.assertRaisesRegex(FormulaError, "too long"):
                calculate(formula, "a" * (MAX_TEXT - 1))

    def test_a_document_cannot_bring_in_what_a_formula_may_not_say(self):
        for value in (float("nan"), float("inf"), Decimal("1e500"), {"a": 1}, object(), b"x"):
            with self.subTest(repr(value)), self.assertRaises(FormulaError):
                calculate("value", value)

    def test_numbers_are_exact(self):
        self.assertEqual(calculate("0.1 + 0.2"), Decimal("0.3"))
        self.assertEqual(calculate("value * 3", 0.1), Decimal("0.3"))
        self.assertEqual(calculate("12345678901234567890.12345678901 * 1"), Decimal("12345678901234567890.12345678901"))
        self.assertEqual(calculate("-12345678901234567890.12345678901"), Decimal("-12345678901234567890.12345678901"))
        self.assertEqual(calculate("round(2.345, 2)"), Decimal("2.35"))
        self.assertEqual(calculate("round(-2.5)"), Decimal(-3))
        self.assertEqual(calculate("7 % 4"), Decimal(3))

    def test_what_formulas_are_for(self):
        for formula, value, expected in (
            ('field("Amount") * number(field("Rate"))', None, Decimal("37.5")),
            ('field("Name") + " " + upper(value)', "nv", "Acme NV"),
            ('coalesce(field("Missing"), field("Name"))', None, "Acme"),
            ('"big" if field("Amount") > 10 else "small"', None, "big"),
            ('"x" if value in ["a", "b"] and not empty(field("Name")) else "y"', "b", "x"),
            ("1 < number(value) <= 3", "3", True),
            ('part(value, "/", -1)', "a/b/c", "c"),
            ('join(field("Tags"), " + ")', None, "a + b"),
            ("length(trim(value))", "  a   b ", Decimal(3)),
            ('days(field("Day"), 30)', None, date(2026, 3, 2)),
            ('between(field("Day"), "2026-03-02")', None, Decimal(30)),
            ("max(1, value, 3)", 5, Decimal(5)),
            ("digits(value)", "BE 0477.472.701", "0477472701"),
            ("right(value, 2)", "abc", "bc"),
            ("value or 1 == 2", None, False),
        ):
            with self.subTest(formula):
                self.assertEqual(calculate(formula, value), expected)

    def test_mistakes_are_told_in_plain_words(self):
        for formula, words in (
            ("Name + 1", "put texts in quotes"),
            ("1 / 0", "division by zero"),
            ("'a' < 1", "cannot be compared"),
            ("round()", "is used like this: round"),
            ("number('ten')", "“ten” is not a number"),
            ("value + 1", "a number is missing"),
            ("nothing(1)", "there is no function"),
        ):
            with self.subTest(formula), self.assertRaisesRegex(FormulaError, words):
                calculate(formula)

    def test_it_says_which_fields_it_reads(self):
        self.assertEqual(read('field("A.b") + field("c") + field("c")').fields, ("A.b", "c"))
