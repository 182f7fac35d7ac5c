from datetime import date
from decimal import Decimal

from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, DataInvalid, NotReady, Transient
from odoo.tests import BaseCase

from ..lib import const, payout_plan
from ..lib.payout_plan import plan_payout
from .documents import own, payout, transaction


def full():
    """A payout with one of everything; the amounts are those of a real evening."""
    return [
        transaction("txn_1", 10000, 320),
        transaction("txn_2", 20050, 611),
        transaction("txn_3", -2500, category="refund"),
        transaction("txn_4", -123, category="fee", source=None, type="stripe_fee"),
        transaction("txn_5", -20050, 1500, category="dispute", type="adjustment"),
        transaction("txn_6", 941, category="payout_reversal"),
        transaction("txn_7", 300, category="refund_failure"),
    ]


class TestPayoutPlan(BaseCase):
    def test_everything_in_its_place(self):
        plan = plan_payout(payout(6187), [own(6187), *full()])
        self.assertEqual(
            [(line.bucket, line.amount) for line in plan.lines],
            [
                (const.BANK, Decimal("61.87")),
                (const.CHARGE, Decimal("-300.50")),
                (const.REFUND, Decimal("22.00")),
                (const.DISPUTE, Decimal("200.50")),
                (const.FEE, Decimal("25.54")),
                (const.PAYOUT_REVERSAL, Decimal("-9.41")),
            ],
        )
        self.assertEqual(sum(line.amount for line in plan.lines), 0)
        self.assertEqual((plan.fee, plan.currency, plan.trace), (Decimal("25.54"), "USD", "TRACE1"))
        self.assertEqual(plan.arrival_date, date(2026, 9, 23))
        self.assertEqual(plan.unknown, ())
        fees = next(line for line in plan.lines if line.bucket == const.FEE)
        self.assertEqual(fees.movement_ids, ("txn_1", "txn_2", "txn_4", "txn_5"))

    def test_order_and_its_own_transaction_do_not_matter(self):
        expected = plan_payout(payout(6187), [own(6187), *full()])
        self.assertEqual(plan_payout(payout(6187), reversed([own(6187), *full()])), expected)
        self.assertEqual(plan_payout(payout(6187), full()), expected)

    def test_expanded_sources_are_kept(self):
        moved = transaction("txn_1", 1000, source={"id": "ch_1", "object": "charge"})
        movement = plan_payout(payout(1000), [moved]).movements[0]
        self.assertEqual((movement.source_id, movement.source_type), ("ch_1", "charge"))

    def test_a_debit(self):
        plan = plan_payout(payout(-1000), [own(-1000), transaction("txn_1", -1000, category="refund")])
        self.assertEqual([line.amount for line in plan.lines], [Decimal(-10), Decimal(10)])

    def test_unknown_categories_go_to_suspense_and_are_named(self):
        plan = plan_payout(payout(700), [transaction("a", 1000), transaction("b", -300, category="brand_new")])
        self.assertEqual(plan.unknown, ("brand_new",))
        self.assertEqual(plan.total(const.SUSPENSE), Decimal("3.00"))
        self.assertEqual(sum(line.amount for line in plan.lines), 0)

    def test_a_manual_payout_inside(self):
        inside = [transaction("a", 1000), transaction("b", -400, category="payout", source="po_manual")]
        plan = plan_payout(payout(600), [own(600), *inside])
        self.assertEqual(plan.total(const.OTHER_PAYOUT), Decimal("4.00"))

    def test_one_unit_too_much_is_refused(self):
        for amount in (6186, 6188):
            with self.subTest(amount=amount), self.assertRaises(payout_plan.PayoutNetMismatch) as caught:
                plan_payout(payout(amount), full())
            self.assertIn("61.87", str(caught.exception))
            self.assertIn(str(Decimal(amount) / 100), str(caught.exception))

    def test_a_missing_page_is_refused(self):
        with self.assertRaises(payout_plan.PayoutNetMismatch):
            plan_payout(payout(6187), full()[:-1])

    def test_its_own_transaction_must_agree(self):
        with self.assertRaises(payout_plan.PayoutNetMismatch):
            plan_payout(payout(6187), [own(6180), *full()])

    def test_a_repeated_page_is_refused(self):
        twice = transaction("a", 500)
        with self.assertRaises(payout_plan.PayoutDuplicateTransaction):
            plan_payout(payout(1000), [twice, twice])

    def test_other_currencies_are_refused(self):
        with self.assertRaises(payout_plan.PayoutCurrencyMismatch):
            plan_payout(payout(1000), [transaction("a", 1000, currency="eur")])

    def test_not_now(self):
        for changes, error, kind in (
            ({"status": "failed"}, payout_plan.PayoutNotPaid, NotReady),
            ({"status": "canceled"}, payout_plan.PayoutNotPaid, NotReady),
            ({"automatic": False, "reconciliation_status": "not_applicable"},
             payout_plan.PayoutNotReconcilable, NotReady),
            ({"reconciliation_status": "in_progress"}, payout_plan.PayoutStillReconciling, Transient),
        ):
            with self.subTest(changes=changes), self.assertRaises(error) as caught:
                plan_payout(payout(6187, **changes), full())
            self.assertIsInstance(caught.exception, kind)

    def test_errors_carry_their_policies(self):
        self.assertTrue(issubclass(payout_plan.PayoutNetMismatch, AmountMismatch))
        self.assertTrue(issubclass(payout_plan.PayoutCurrencyMismatch, DataInvalid))

    def test_a_payout_that_is_on_its_way_is_planned(self):
        plan = plan_payout(payout(6187, status="in_transit", trace_id=None), full())
        self.assertEqual((plan.trace, plan.amount), ("", Decimal("61.87")))
