from dataclasses import replace
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odoo.addons.q2c_sale.lib import facts as f
from odoo.addons.q2c_sale.lib.facts import DealFacts
from odoo.tests import BaseCase

from ..lib.compare import ANSWER, RECORD, Statement, Verdict, compare, name_key

AMOUNTS = st.decimals(min_value="-1e12", max_value="1e12", places=2, allow_nan=False, allow_infinity=False)
CODES = st.text(alphabet="ABC/0123456789", min_size=1, max_size=12)
VALUES = {
    f.FLAG: st.booleans(),
    f.NAME: st.text(min_size=1, max_size=20),
    f.CODE: CODES,
    f.WORD: CODES,
    f.COUNT: st.integers(min_value=0, max_value=500),
    f.MONEY: AMOUNTS,
    f.FEE: AMOUNTS,
    f.CODES: st.frozensets(CODES, max_size=4),
}
FACTS = st.builds(
    DealFacts,
    st.just("System"),
    fee_currency=st.one_of(st.none(), st.sampled_from(["EUR", "USD"])),
    **{name: st.one_of(st.none(), VALUES[kind]) for name, kind in f.KINDS.items()},
)
#: a changed currency changes what every amount means, so it is not one of these
NAMES = st.sampled_from(sorted(set(f.KINDS) - {"currency"}))
#: a busy machine is no failure: twenty facts of each system take their time to draw
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ORDER = {"in_force": True, "currency": "EUR", "total": Decimal("119.00")}


def crm(**facts):
    """Return what a CRM says."""
    return Statement(f.CRM, "CRM", DealFacts("CRM", **facts))


def erp(**facts):
    """Return what Odoo says."""
    return Statement(f.ERP, "Odoo", DealFacts("Odoo", **facts))


def billing(**facts):
    """Return what a billing system says."""
    return Statement(f.BILLING, "Billing", DealFacts("Billing", **facts))


def verdicts(comparison):
    """Return `{fact: verdict}`."""
    return {row.fact: row.verdict for row in comparison.rows}


class TestCompareRules(BaseCase):
    """Each rule of equality by example."""

    def assertRow(self, verdict, fact, first, second, **both):
        comparison = compare([crm(**{**both, fact: first}), erp(**{**both, fact: second})])
        self.assertIs(verdicts(comparison)[fact], verdict, (first, second))

    def test_amounts_are_equal_whatever_their_zeros(self):
        self.assertRow(Verdict.EQUAL, "total", Decimal("119.0"), Decimal("119.00"), currency="EUR")
        self.assertRow(Verdict.EQUAL, "total", Decimal("-0.00"), Decimal(0), currency="EUR")

    def test_one_unit_is_a_difference(self):
        self.assertRow(Verdict.DIFFERENT, "total", Decimal("119.00"), Decimal("119.01"), currency="EUR")
        huge = Decimal("12345678901234567890123456789.01")
        self.assertRow(Verdict.DIFFERENT, "total", huge, huge + Decimal("0.01"), currency="EUR")

    def test_the_same_number_in_another_currency_is_another_amount(self):
        one = crm(currency="EUR", total=Decimal(119))
        other = erp(currency="USD", total=Decimal(119))
        self.assertIs(verdicts(compare([one, other]))["total"], Verdict.DIFFERENT)

    def test_a_system_without_a_currency_agrees_with_any(self):
        comparison = compare([crm(total=Decimal(119)), erp(currency="USD", total=Decimal(119))])
        self.assertIs(verdicts(comparison)["total"], Verdict.EQUAL)

    def test_fees_are_in_a_currency_of_their_own(self):
        facts = {"fee": Decimal(3), "fee_currency": "USD"}
        comparison = compare([erp(currency="EUR", **facts), billing(currency="GBP", **facts)])
        self.assertIs(verdicts(comparison)["fee"], Verdict.EQUAL)
        comparison = compare([erp(**facts), billing(fee=Decimal(3), fee_currency="EUR")])
        self.assertIs(verdicts(comparison)["fee"], Verdict.DIFFERENT)

    def test_names_are_compared_as_people_read_them(self):
        self.assertRow(Verdict.EQUAL, "customer", " Aurora  Foods", "AURORA FOODS ")
        self.assertRow(Verdict.EQUAL, "customer", "Straße GmbH", "STRASSE GMBH")
        self.assertRow(Verdict.DIFFERENT, "customer", "Aurora Foods", "Aurora Foods Ltd")

    def test_invoice_numbers_are_a_set(self):
        self.assertRow(Verdict.EQUAL, "invoice_numbers", f.codes("INV/1, INV/2"), f.codes("INV/2,INV/1"))
        self.assertRow(Verdict.DIFFERENT, "invoice_numbers", f.codes("INV/1"), f.codes("INV/1, INV/2"))

    def test_empty_is_a_value_and_unknown_is_none(self):
        self.assertRow(Verdict.DIFFERENT, "order_number", "", "S00001")
        self.assertRow(Verdict.UNKNOWN, "order_number", None, "S00001")
        self.assertRow(Verdict.DIFFERENT, "invoice_numbers", frozenset(), f.codes("INV/1"))

    def test_no_is_worth_a_row_and_nothing_is_not(self):
        rows = verdicts(compare([erp(in_force=False, amount_refunded=Decimal(0), payouts=frozenset())]))
        self.assertEqual(rows, {"in_force": Verdict.UNKNOWN})


class TestCompareVerdict(BaseCase):
    """The verdict of the whole."""

    def test_equal_when_two_agree_on_something(self):
        self.assertIs(compare([crm(**ORDER), erp(**ORDER)]).verdict, Verdict.EQUAL)

    def test_three_systems_are_different_as_soon_as_one_is(self):
        comparison = compare([crm(customer="A"), erp(customer="A"), billing(customer="B")])
        self.assertIs(comparison.verdict, Verdict.DIFFERENT)
        self.assertEqual(comparison.count(Verdict.DIFFERENT), 1)

    def test_incomplete_when_nobody_else_knows_the_deal(self):
        self.assertIs(compare([erp(**ORDER)]).verdict, Verdict.INCOMPLETE)
        self.assertIs(compare([]).verdict, Verdict.INCOMPLETE)

    def test_incomplete_when_a_system_could_not_be_read(self):
        silent = Statement(f.BILLING, "Billing", problem="the connection failed")
        comparison = compare([crm(**ORDER), erp(**ORDER), silent])
        self.assertIs(comparison.verdict, Verdict.INCOMPLETE)
        self.assertEqual(comparison.rows[0].fact, ANSWER)
        self.assertEqual(comparison.rows[0].values, ("", "", "the connection failed"))

    def test_a_difference_is_one_even_when_a_system_could_not_be_read(self):
        silent = Statement(f.BILLING, "Billing", problem="the connection failed")
        other = erp(**{**ORDER, "total": Decimal(1)})
        self.assertIs(compare([crm(**ORDER), other, silent]).verdict, Verdict.DIFFERENT)

    def test_a_deleted_deal_is_a_difference_and_says_nothing_else(self):
        comparison = compare([crm(deleted=True, **ORDER), erp(**ORDER)])
        self.assertIs(comparison.verdict, Verdict.DIFFERENT)
        self.assertEqual(verdicts(comparison)[RECORD], Verdict.DIFFERENT)
        self.assertEqual({row.verdict for row in comparison.rows[1:]}, {Verdict.UNKNOWN})


class TestCompareProperties(BaseCase):
    """What holds for any facts."""

    @PATIENT
    @given(FACTS)
    def test_a_system_never_differs_from_itself(self, facts):
        comparison = compare([Statement(f.CRM, "A", facts), Statement(f.ERP, "B", facts)])
        self.assertEqual(comparison.count(Verdict.DIFFERENT), 0)
        self.assertEqual(comparison.count(Verdict.UNKNOWN), 0)

    @PATIENT
    @given(FACTS, NAMES, st.data())
    def test_one_changed_fact_is_the_one_that_differs(self, facts, name, data):
        kind = f.KINDS[name]
        key = name_key if kind == f.NAME else lambda value: value
        before = data.draw(VALUES[kind])
        after = data.draw(VALUES[kind].filter(lambda value: key(value) != key(before)))
        facts = replace(facts, **{name: before})
        changed = replace(facts, **{name: after})
        comparison = compare([Statement(f.CRM, "A", facts), Statement(f.ERP, "B", changed)])
        differing = [row.fact for row in comparison.rows if row.verdict is Verdict.DIFFERENT]
        self.assertEqual(differing, [name])
        self.assertIs(comparison.verdict, Verdict.DIFFERENT)

    @PATIENT
    @given(FACTS, FACTS, FACTS)
    def test_the_order_of_systems_does_not_matter(self, one, two, three):
        statements = [Statement(f.CRM, "A", one), Statement(f.ERP, "B", two), Statement(f.BILLING, "C", three)]
        forth, back = compare(statements), compare(statements[::-1])
        self.assertEqual(verdicts(forth), verdicts(back))
        self.assertIs(forth.verdict, back.verdict)

    @PATIENT
    @given(FACTS, FACTS)
    def test_a_silent_system_takes_away_no_difference_and_adds_none(self, one, two):
        statements = [Statement(f.CRM, "A", one), Statement(f.ERP, "B", two)]
        silent = Statement(f.BILLING, "C", problem="down")
        whole, partial = compare(statements), compare([*statements, silent])
        self.assertEqual({**verdicts(whole), ANSWER: Verdict.UNREAD}, verdicts(partial))
        self.assertIsNot(partial.verdict, Verdict.EQUAL)

    @PATIENT
    @given(FACTS, FACTS)
    def test_rows_come_in_reading_order_and_once(self, one, two):
        rows = [row.fact for row in compare([Statement(f.CRM, "A", one), Statement(f.ERP, "B", two)]).rows]
        self.assertEqual(rows, [name for name in f.KINDS if name in rows])
