from decimal import Decimal

from odoo.tests import BaseCase

from ..lib.settlement import (
    INVOICE_STATUS,
    ORDER_STATUS,
    PAYMENT_STATUS,
    Invoice,
    invoice_status,
    invoiced,
    order_status,
    paid,
    payment_status,
    share,
)

D = Decimal


def invoice(total, open_=None, state="not_paid", posted=True):
    """Return an invoice, or a credit note when the total is negative."""
    total = D(total)
    return Invoice(posted, total < 0, total, total if open_ is None else D(open_), state)


class TestLibSettlement(BaseCase):
    def test_order_status(self):
        for state, expected in (("draft", "quotation"), ("sent", "sent"), ("cancel", "cancelled")):
            self.assertEqual(order_status(state, [(D(1), D(1))]), expected)
        self.assertEqual(order_status("sale", []), "confirmed")
        self.assertEqual(order_status("sale", [(D(2), D(0)), (D(1), D(0))]), "confirmed")
        self.assertEqual(order_status("sale", [(D(2), D(1)), (D(1), D(0))]), "partly_delivered")
        self.assertEqual(order_status("sale", [(D(2), D(2)), (D(1), D(0))]), "partly_delivered")
        self.assertEqual(order_status("sale", [(D(2), D(3)), (D(1), D(1))]), "delivered")

    def test_invoice_status(self):
        cases = {
            "none": [],
            "draft": [invoice(100, posted=False)],
            "posted": [invoice(100), invoice(50, posted=False)],
            "partly_paid": [invoice(100, 60, "partial")],
            "paid": [invoice(100, 0, "paid"), invoice(20, 0, "in_payment")],
            "reversed": [invoice(100, 0, "reversed"), invoice(-100, 0, "paid")],
        }
        for expected, invoices in cases.items():
            self.assertEqual(invoice_status(invoices), expected)
        self.assertEqual(set(cases), set(INVOICE_STATUS))
        self.assertEqual(invoice_status([invoice(100, 0, "paid"), invoice(100)]), "partly_paid")
        self.assertEqual(
            invoice_status([invoice(100, 0, "reversed"), invoice(-100, 0, "paid"), invoice(100, 0, "paid")]), "paid"
        )
        self.assertEqual(invoice_status([invoice(0, 0, "paid")]), "paid", "a free order is not reversed")

    def test_payment_status_measures_the_whole_order(self):
        cases = [
            ("nothing_due", False, [invoice(100, posted=False)]),
            ("not_paid", True, [invoice(100)]),
            ("partly_paid", True, [invoice(100, 40, "partial")]),
            ("paid", True, [invoice(100, 0, "paid")]),
            ("reversed", False, [invoice(100, 0, "paid"), invoice(-100, 0, "paid")]),
            ("partly_paid", False, [invoice(40, 0, "paid")]),
            ("paid", True, [invoice(40, 0, "paid")]),
            ("not_paid", False, [invoice(40), invoice(60)]),
        ]
        for expected, fully, invoices in cases:
            self.assertEqual(payment_status(D(100), fully, invoices), expected)
        self.assertEqual({expected for expected, _fully, _rows in cases}, set(PAYMENT_STATUS))

    def test_amounts(self):
        rows = [invoice(100, 0, "paid"), invoice(-30, -30), invoice(50, posted=False)]
        self.assertEqual((invoiced(rows), paid(rows)), (D(70), D(100)))
        rows[1] = invoice(-30, 0, "paid")
        self.assertEqual(paid(rows), D(70), "what was paid back is not paid any more")
        self.assertEqual((invoiced([]), paid([])), (D(0), D(0)))

    def test_share(self):
        self.assertEqual(share(D("100.00"), D(1), D(3), D("0.01")), D("33.33"))
        self.assertEqual(share(D("100.01"), D(3), D(3), D("0.01")), D("100.01"), "a whole is not rounded")
        self.assertEqual(share(D(5), D(0), D(0), D("0.01")), D(5))

    def test_words_are_stable(self):
        # The CRM's value maps hold these keys.
        self.assertIn("partly_delivered", ORDER_STATUS)
