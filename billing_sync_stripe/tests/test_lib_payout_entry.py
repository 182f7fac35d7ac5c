import unittest
from datetime import date
from decimal import Decimal

from ..lib import const, payout_entry
from ..lib.balance import Movement
from ..lib.payout_entry import CLEARING, FEES, SUSPENSE, TRANSIT, EntryLine
from ..lib.payout_plan import PayoutPlan

D = Decimal


def movement(category, gross, fee="0"):
    gross, fee = D(gross), D(fee)
    return Movement(f"txn_{category}", category, category, "USD", gross, fee, gross - fee)


def plan(*movements):
    total = sum((one.net for one in movements), D(0))
    return PayoutPlan("po_1", "USD", total, date(2026, 1, 2), "", (), movements, ())


class TestLibPayoutEntry(unittest.TestCase):
    def entry(self, *movements):
        lines = payout_entry.entry_lines(plan(*movements))
        self.assertEqual(sum(line.amount for line in lines), 0)
        return {(line.account, line.bucket): line.amount for line in lines}

    def test_charges_and_their_fees_leave_the_clearing_account(self):
        found = self.entry(movement("charge", "100.00", "3.20"), movement("charge", "50.00", "1.75"))
        self.assertEqual(
            found,
            {
                (TRANSIT, const.BANK): D("145.05"),
                (CLEARING, const.CHARGE): D("-150.00"),
                (CLEARING, const.FEE): D("4.95"),
            },
        )

    def test_what_nothing_explains_goes_to_suspense_and_its_fee_to_the_fees(self):
        found = self.entry(
            movement("charge", "100.00"),
            movement("refund", "-10.00"),
            movement("dispute", "-20.00", "15.00"),
            movement("charge_failure", "-5.00"),
            movement("brand_new", "1.00"),
        )
        self.assertEqual(found[SUSPENSE, const.REFUND], D("10.00"))
        self.assertEqual(found[SUSPENSE, const.DISPUTE], D("20.00"))
        self.assertEqual(found[SUSPENSE, const.CHARGE], D("5.00"))
        self.assertEqual(found[SUSPENSE, const.SUSPENSE], D("-1.00"))
        self.assertEqual(found[FEES, const.FEE], D("15.00"))
        self.assertEqual(found[CLEARING, const.CHARGE], D("-100.00"))

    def test_fees_of_their_own_are_an_expense(self):
        found = self.entry(movement("charge", "100.00"), movement("fee", "-2.50"))
        self.assertEqual(found[FEES, const.FEE], D("2.50"))

    def test_a_payout_that_came_back_is_open_on_the_clearing_account(self):
        found = self.entry(movement("payout_reversal", "96.80"))
        self.assertEqual(found, {(TRANSIT, const.BANK): D("96.80"), (CLEARING, const.PAYOUT_REVERSAL): D("-96.80")})

    def test_a_payout_that_takes_money_from_the_bank(self):
        found = self.entry(movement("refund", "-30.00"))
        self.assertEqual(found, {(TRANSIT, const.BANK): D("-30.00"), (SUSPENSE, const.REFUND): D("30.00")})

    def test_converted_balances_add_up_to_zero(self):
        lines = (
            EntryLine(TRANSIT, const.BANK, D("145.05"), 1),
            EntryLine(CLEARING, const.CHARGE, D("-150.00"), 2),
            EntryLine(CLEARING, const.FEE, D("4.95"), 2),
        )
        for rate in (D("1.1111111"), D("0.333333"), D("149.77"), D(1)):
            balances = payout_entry.convert(lines, rate, 2)
            self.assertEqual(sum(balances), 0)
            for line, balance in zip(lines[1:], balances[1:]):
                self.assertLessEqual(abs(balance - line.amount * rate), D("0.005"))
            self.assertLessEqual(abs(balances[0] - lines[0].amount * rate), D("0.01"))

    def test_only_a_paid_and_explained_payout_is_complete(self):
        payout = {"status": "paid", "automatic": True, "reconciliation_status": "completed"}
        self.assertTrue(payout_entry.is_complete(payout))
        for change in ({"status": "in_transit"}, {"automatic": False}, {"reconciliation_status": "in_progress"}):
            self.assertFalse(payout_entry.is_complete({**payout, **change}))
