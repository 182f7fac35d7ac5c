from decimal import Decimal
from fractions import Fraction

from odoo.tests import BaseCase

from ..lib.totals import Difference, Totals, adds_up, decimals, differences, fits, from_float, misfits, read, spell


class TestLibTotals(BaseCase):
    def test_read_keeps_what_the_document_says(self):
        self.assertEqual(read(0.1) + read(0.2), Decimal("0.3"))
        self.assertEqual(read("1234.50"), Decimal("1234.5"))
        self.assertEqual(read(7), Decimal(7))
        self.assertEqual(read(0), Decimal(0))
        for empty in (None, "", False):
            self.assertIsNone(read(empty))
        for wrong in ("12,50", "EUR 5", "NaN", "Infinity", "1e400", [1]):
            with self.subTest(wrong), self.assertRaises(ValueError):
                read(wrong)

    def test_spell_is_one_spelling_and_loses_nothing(self):
        for text in ("1234.5", "1234.50", "1234.500", "1.2345E+3"):
            self.assertEqual(spell(Decimal(text), 2), "1234.50")
        self.assertEqual(spell(Decimal("0.125"), 2), "0.125")
        self.assertEqual(spell(Decimal("-0.00"), 2), "0.00")
        self.assertEqual(spell(Decimal("1E+3"), 0), "1000")
        long = Decimal("123456789012345678901234567890.12")
        self.assertEqual(spell(long, 2), "123456789012345678901234567890.12")

    def test_floats_of_odoo_are_exact_to_the_unit(self):
        for units in (*range(0, 20_000, 7), 10**13 + 1, 10**15 - 1):
            amount = units / 100
            self.assertEqual(Fraction(from_float(amount, 2)), Fraction(units, 100))
        self.assertEqual(from_float(0.1 + 0.2, 2), Decimal("0.30"))
        self.assertEqual(from_float(1500.0, 0), Decimal(1500))

    def test_decimals(self):
        self.assertEqual([decimals(Decimal(t)) for t in ("1", "1.50", "0.001", "1E+2")], [0, 1, 3, 0])

    def test_fits(self):
        self.assertTrue(fits(Decimal("12.34"), 2))
        self.assertFalse(fits(Decimal("12.345"), 2))
        self.assertTrue(fits(Decimal("12.3456789"), None))
        self.assertFalse(fits(Decimal("12.345678901234567890"), None))
        self.assertFalse(fits(Decimal("90071992547409.93"), None), "two cents apart in binary")
        self.assertFalse(fits(Decimal(10) ** 25, None))

    def test_adds_up_is_exact(self):
        self.assertTrue(adds_up(Totals(Decimal("0.1"), Decimal("0.2"), Decimal("0.3"))))
        self.assertFalse(adds_up(Totals(Decimal(100), Decimal(19), Decimal("119.01"))))
        self.assertTrue(adds_up(Totals(None, Decimal(19), Decimal(119))))

    def test_differences_compare_what_the_source_says(self):
        ours = Totals(Decimal("100.00"), Decimal("19.00"), Decimal("119.00"))
        self.assertEqual(differences(ours, Totals(Decimal(100), Decimal(19), Decimal(119))), ())
        self.assertEqual(differences(ours, Totals()), ())
        self.assertEqual(
            differences(ours, Totals(Decimal(100), None, Decimal("119.01"))),
            (Difference("total", Decimal("119.00"), Decimal("119.01")),),
        )

    def test_misfits_name_the_parts(self):
        self.assertEqual(misfits(Totals(Decimal("1.005"), Decimal(1), Decimal("2.005")), 2), ("untaxed", "total"))
        self.assertEqual(misfits(Totals(None, None, Decimal("2.5")), 0), ("total",))
