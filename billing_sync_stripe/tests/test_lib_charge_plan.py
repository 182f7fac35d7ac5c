from datetime import date, datetime
from decimal import Decimal

from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, NotReady, Transient
from odoo.tests import BaseCase

from ..lib import charge_plan
from ..lib.balance import BrokenTransaction, TransactionNetMismatch
from ..lib.charge_plan import plan_charge
from .documents import charge, transaction


class TestChargePlan(BaseCase):
    def test_a_payment(self):
        plan = plan_charge(charge(123456, balance_transaction=transaction("txn_1", 123456, 3610, source="ch_1")))
        self.assertEqual((plan.amount, plan.fee, plan.net, plan.currency),
                         (Decimal("1234.56"), Decimal("36.10"), Decimal("1198.46"), "USD"))
        self.assertEqual((plan.charge_id, plan.payment_intent_id, plan.customer_id, plan.balance_transaction_id),
                         ("ch_1", "pi_1", "cus_1", "txn_1"))
        self.assertEqual(plan.paid_at, datetime(2026, 9, 21, 14, 13, 20))
        self.assertEqual(plan.available_on, date(2026, 9, 23))
        self.assertFalse(plan.is_converted)
        self.assertIsNone(plan.exchange_rate)

    def test_the_transaction_may_come_apart_and_members_expanded(self):
        document = charge(1000, balance_transaction="txn_1", customer={"id": "cus_9"}, payment_intent=None)
        plan = plan_charge(document, transaction("txn_1", 1000, source={"id": "ch_1", "object": "charge"}))
        self.assertEqual((plan.customer_id, plan.payment_intent_id, plan.net), ("cus_9", "", Decimal(10)))

    def test_converted_money(self):
        moved = transaction("txn_1", 1234, 66, source="ch_1", exchange_rate=1.234)
        plan = plan_charge(charge(1000, currency="eur", balance_transaction=moved))
        self.assertTrue(plan.is_converted)
        self.assertEqual((plan.amount, plan.currency), (Decimal("10.00"), "EUR"))
        self.assertEqual((plan.settled, plan.settled_currency, plan.net), (Decimal("12.34"), "USD", Decimal("11.68")))
        self.assertEqual(plan.exchange_rate, Decimal("1.234"))

    def test_converted_between_different_decimals(self):
        moved = transaction("txn_1", 6700, 224, source="ch_1", exchange_rate=Decimal("0.67"))
        plan = plan_charge(charge(10000, currency="jpy", balance_transaction=moved))
        self.assertEqual((plan.amount, plan.settled), (Decimal(10000), Decimal("67.00")))
        self.assertEqual(plan.exchange_rate, Decimal("0.0067"), "per unit of the currency, not of the API")

    def test_the_documents_amount(self):
        document = charge(1000)
        plan_charge(document, expected=Decimal("10.00"), expected_currency="USD")
        for amount, currency in (("9.99", "USD"), ("10.00", "EUR")):
            with self.subTest(amount=amount), self.assertRaises(AmountMismatch) as caught:
                plan_charge(document, expected=Decimal(amount), expected_currency=currency)
            self.assertIn(f"{amount} {currency}", str(caught.exception))
            self.assertIn("10.00 USD", str(caught.exception))

    def test_not_now(self):
        for changes, error in (
            ({"status": "failed", "paid": False}, charge_plan.ChargeNotPaid),
            ({"status": "pending", "paid": False}, charge_plan.ChargeNotPaid),
            ({"captured": False, "amount_captured": 0}, charge_plan.ChargeNotPaid),
            ({"balance_transaction": None}, charge_plan.ChargeNotSettled),
            ({"balance_transaction": "txn_1"}, charge_plan.ChargeNotSettled),
        ):
            with self.subTest(changes=changes), self.assertRaises(error):
                plan_charge(charge(1000, **changes))
        self.assertTrue(issubclass(charge_plan.ChargeNotSettled, Transient))
        self.assertTrue(issubclass(charge_plan.ChargeNotPaid, NotReady))

    def test_what_does_not_belong_together(self):
        for moved, error in (
            (transaction("txn_1", 1000, source="ch_2"), charge_plan.ChargeTransactionMismatch),
            (transaction("txn_2", 1000, source="ch_1"), charge_plan.ChargeTransactionMismatch),
            (transaction("txn_1", 1000, category="refund", source="ch_1"), charge_plan.ChargeTransactionMismatch),
            (transaction("txn_1", 999, source="ch_1"), charge_plan.ChargeAmountMismatch),
            (transaction("txn_1", 1084, source="ch_1", currency="eur"), charge_plan.ChargeAmountMismatch),
            (transaction("txn_1", 1084, source="ch_1", currency="eur", exchange_rate=2),
             charge_plan.ChargeAmountMismatch),
            (transaction("txn_1", 1000, 30, source="ch_1", net=971), TransactionNetMismatch),
            (transaction("txn_1", 1000, 30, source="ch_1", fee_details=[{"amount": 29}]), TransactionNetMismatch),
            (transaction("txn_1", 1000, source="ch_1", reporting_category=None), BrokenTransaction),
        ):
            with self.subTest(moved=moved), self.assertRaises(error):
                plan_charge(charge(1000, balance_transaction="txn_1"), moved)

    def test_partly_captured(self):
        moved = transaction("txn_1", 700, source="ch_1")
        plan = plan_charge(charge(1000, amount_captured=700, balance_transaction=moved))
        self.assertEqual(plan.amount, Decimal("7.00"))
