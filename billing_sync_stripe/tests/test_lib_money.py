from decimal import Decimal

from odoo.addons.crm_sync_base.lib.errors import DataInvalid, MappingMissing
from odoo.tests import BaseCase

from ..lib import const
from ..lib.money import exponent, from_minor, to_ledger, to_minor, to_payout_minor


class TestMoney(BaseCase):
    def test_amounts_in_every_kind_of_currency(self):
        for amount, currency, units in (
            ("10.00", "USD", 1000),
            ("0.01", "eur", 1),
            ("-1234.56", "USD", -123456),
            ("500", "JPY", 500),
            ("5.12", "KWD", 5120),
            ("5.120", "KWD", 5120),
            ("5", "ISK", 500),
            ("5.00", "UGX", 500),
            ("10.45", "HUF", 1045),
            ("0", "USD", 0),
        ):
            with self.subTest(amount=amount, currency=currency):
                self.assertEqual(to_minor(Decimal(amount), currency), units)
                self.assertEqual(from_minor(units, currency), Decimal(amount))

    def test_nothing_is_rounded(self):
        for amount, currency in (
            ("0.001", "USD"),
            ("0.5", "JPY"),
            ("5.125", "KWD"),
            ("5.1", "ISK"),
            ("1.5", "UGX"),
            ("NaN", "USD"),
            ("Infinity", "USD"),
        ):
            with self.subTest(amount=amount, currency=currency), self.assertRaises(DataInvalid):
                to_minor(Decimal(amount), currency)

    def test_trailing_zeros_are_no_decimals(self):
        self.assertEqual(to_minor(Decimal("10.0000"), "USD"), 1000)
        self.assertEqual(to_minor(10, "USD"), 1000)

    def test_other_types_are_refused(self):
        for amount in (10.0, "10", True, None):
            with self.subTest(amount=amount), self.assertRaises(DataInvalid):
                to_minor(amount, "USD")
        for units in (10.0, "10", True, None, Decimal(10)):
            with self.subTest(units=units), self.assertRaises(DataInvalid):
                from_minor(units, "USD")

    def test_unknown_currencies_are_named(self):
        for currency in ("XXX", "", None):
            with self.subTest(currency=currency), self.assertRaises(MappingMissing):
                exponent(currency)

    def test_payouts_in_whole_units(self):
        self.assertEqual(to_payout_minor(Decimal(10), "HUF"), 1000)
        self.assertEqual(to_payout_minor(Decimal("10.45"), "USD"), 1045)
        for currency in ("HUF", "TWD"):
            with self.subTest(currency=currency), self.assertRaises(DataInvalid):
                to_payout_minor(Decimal("10.45"), currency)

    def test_the_ledger_must_be_able_to_hold_it(self):
        self.assertEqual(str(to_ledger(Decimal("5.00"), 0)), "5")
        self.assertEqual(str(to_ledger(Decimal("5.1"), 2)), "5.10")
        with self.assertRaises(DataInvalid):
            to_ledger(Decimal("12.34"), 0)

    def test_the_table_is_without_contradiction(self):
        self.assertFalse(const.ZERO_DECIMAL & const.TWO_DECIMAL)
        self.assertFalse(const.THREE_DECIMAL & (const.TWO_DECIMAL | const.ZERO_DECIMAL))
        self.assertLessEqual(const.WHOLE_UNITS_ONLY | const.WHOLE_UNIT_PAYOUTS, const.TWO_DECIMAL)
        self.assertEqual({len(code) for code in const.EXPONENTS}, {3})
        self.assertGreater(len(const.EXPONENTS), 130)
