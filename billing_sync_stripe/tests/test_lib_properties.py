"""Laws that hold for all amounts, not only for those that we thought of."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, DataInvalid
from odoo.tests import BaseCase

from ..lib import const
from ..lib.charge_plan import plan_charge
from ..lib.form import encode
from ..lib.money import from_minor, to_ledger, to_minor
from ..lib.payout_plan import plan_payout
from ..lib.signature import sign, verify
from .documents import charge, own, payout, transaction

UNITS = st.integers(-(10**12), 10**12)
CURRENCIES = st.sampled_from(sorted(const.EXPONENTS))
CATEGORIES = st.sampled_from([*sorted(const.BUCKETS), "never_heard_of"])


PARAMETERS = st.recursive(
    st.one_of(st.integers(), st.text(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)


@st.composite
def contents(draw):
    """Transactions of a payout: any amounts, fees and categories."""
    parts = draw(st.lists(st.tuples(UNITS, st.integers(-5000, 10**6), CATEGORIES), min_size=1, max_size=30))
    return [transaction(f"txn_{n}", amount, fee, category) for n, (amount, fee, category) in enumerate(parts)]


class TestProperties(BaseCase):
    @given(UNITS, CURRENCIES)
    def test_units_survive_the_way_there_and_back(self, units, currency):
        amount = from_minor(units, currency)
        self.assertEqual(amount.as_tuple().exponent, -const.EXPONENTS[currency])
        try:
            self.assertEqual(to_minor(amount, currency), units)
        except DataInvalid:
            special = const.WHOLE_UNITS_ONLY | const.THREE_DECIMAL
            self.assertIn(currency, special)
            self.assertTrue(units % 10 or units % 100)

    @given(st.decimals(-(10**9), 10**9, places=6), CURRENCIES)
    def test_an_amount_is_exact_or_refused(self, amount, currency):
        try:
            units = to_minor(amount, currency)
        except DataInvalid:
            return
        self.assertEqual(from_minor(units, currency), amount)

    @given(st.decimals(-(10**9), 10**9, places=4), st.integers(0, 4))
    def test_the_ledger_never_changes_an_amount(self, amount, digits):
        try:
            booked = to_ledger(amount, digits)
        except DataInvalid:
            self.assertNotEqual(round(amount, digits), amount)
            return
        self.assertEqual(booked, amount)

    @settings(deadline=None)
    @given(contents())
    def test_a_plan_is_balanced_and_complete(self, inside):
        total = sum(one["net"] for one in inside)
        plan = plan_payout(payout(total), [*inside, own(total)])
        self.assertEqual(sum(line.amount for line in plan.lines), 0)
        self.assertEqual(plan.lines[0].amount, Decimal(total) / 100)
        self.assertEqual({movement.id for movement in plan.movements}, {one["id"] for one in inside})
        named = {id_ for line in plan.lines for id_ in line.movement_ids}
        self.assertEqual(named, {one["id"] for one in inside}, "every transaction is behind some line")
        fees = sum(one["fee"] for one in inside)
        own_fees = -sum(one["amount"] for one in inside if const.BUCKETS.get(one["reporting_category"]) == const.FEE)
        self.assertEqual(plan.fee, Decimal(fees + own_fees) / 100)

    @settings(deadline=None)
    @given(contents(), st.integers(-(10**6), 10**6).filter(bool))
    def test_a_difference_is_never_made_to_fit(self, inside, difference):
        total = sum(one["net"] for one in inside) + difference
        with self.assertRaises(AmountMismatch):
            plan_payout(payout(total), inside)

    @given(st.integers(1, 10**10), st.integers(0, 10**6))
    def test_what_is_settled_is_paid_less_the_fee(self, amount, fee):
        plan = plan_charge(charge(amount, balance_transaction=transaction("txn_1", amount, fee, source="ch_1")))
        self.assertEqual(plan.settled - plan.fee, plan.net)
        self.assertEqual(to_minor(plan.amount, "USD"), amount)

    @given(st.integers(100, 10**9), st.decimals("0.01", 100, places=6))
    def test_stripes_rounding_of_converted_money_is_accepted(self, amount, rate):
        settled = int((Decimal(amount) * rate).to_integral_value())
        moved = transaction("txn_1", settled, source="ch_1", exchange_rate=float(rate))
        plan = plan_charge(charge(amount, currency="eur", balance_transaction=moved))
        self.assertEqual((plan.settled, plan.exchange_rate), (Decimal(settled) / 100, rate))

    @given(st.binary(max_size=200), st.text(max_size=100), st.integers(0, 10**9))
    def test_no_header_crashes_the_check(self, body, header, now):
        self.assertIn(verify(body, header, ["whsec_x"], now).verdict, ("unsigned", "bad_signature"))

    @given(st.binary(max_size=200), st.text(min_size=1).filter(str.strip), st.integers(0, 10**10))
    def test_what_we_sign_we_accept(self, body, secret, now):
        try:
            secret.encode()
        except UnicodeEncodeError:
            return
        self.assertTrue(verify(body, f"t={now},v1={sign(body, secret, now)}", [secret], now).accepted)

    @given(PARAMETERS)
    def test_every_field_of_a_form_is_text(self, value):
        for name, text in encode({"x": value}):
            self.assertIsInstance(text, str)
            self.assertTrue(name.startswith("x"))
