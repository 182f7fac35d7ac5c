from decimal import Decimal

from odoo.addons.billing_sync_stripe.tests.common import StripeCase


class TestComparisonStripe(StripeCase):
    """Charged orders over real HTTP: what Odoo booked, and what Stripe really did."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go_live("customers", "charges", "payments", "payouts")

    def setUp(self):
        super().setUp()
        self.invoice = self.sell(100.0)
        self.sale = self.invoice.line_ids.sale_line_ids.order_id
        self.run_lane()
        self.deliver(*self.events("charge.succeeded"))
        self.run_lane()
        self.assertEqual(self.invoice.payment_state, "paid")
        self.charge = self.invoice.matched_payment_ids.memo

    def pay_out(self):
        """Have Stripe pay out, and bring that to Odoo."""
        self.admin.post("/stripe/payouts/run", {})
        self.deliver(*self.events("payout.created", "payout.paid", "payout.reconciliation_completed"))
        self.run_lane()

    def compare(self):
        """Return a new comparison of the order."""
        return self.env["q2c.comparison"].browse(self.sale.action_q2c_compare()["res_id"])

    def row(self, comparison, fact):
        """Return (Odoo, billing, verdict) of a fact."""
        line = comparison.line_ids.filtered(lambda one: one.fact == fact)
        return tuple(line[name] or "" for name in ("erp_value", "billing_value", "verdict"))

    def differing(self, comparison):
        """Return the facts that differ."""
        return comparison.line_ids.filtered(lambda line: line.verdict == "different").mapped("fact")

    def test_a_charged_order_is_equal_fee_and_payout_too(self):
        self.pay_out()
        comparison = self.compare()
        self.assertEqual((comparison.verdict, self.differing(comparison)), ("equal", []))
        self.assertEqual((comparison.billing_name, comparison.billing_reference), ("Test stripe", self.charge))
        payout = self.invoice.matched_payment_ids.stripe_payout_id.name
        number = self.invoice.name
        for fact, expected in {
            "customer": ("Aurora Foods", "Aurora Foods"),
            "currency": ("USD", "USD"),
            "charged_invoices": (number, number),
            "amount_charged": ("100.00 USD", "100.00 USD"),
            "amount_refunded": ("0.00 USD", "0.00 USD"),
            "fee": ("3.20 USD", "3.20 USD"),
            "payouts": (payout, payout),
            "payout_status": ("paid", "paid"),
        }.items():
            self.assertEqual(self.row(comparison, fact), (*expected, "equal"), fact)

    def test_before_the_payout_nothing_is_said_of_it(self):
        comparison = self.compare()
        self.assertEqual(comparison.verdict, "equal")
        self.assertFalse({"payouts", "payout_status"} & {*comparison.line_ids.mapped("fact")})

    def test_an_order_without_a_charge_is_not_known_to_stripe(self):
        self.sale = self.sell(partner=self.customer(), total=None).line_ids.sale_line_ids.order_id
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.systems), ("incomplete", "Odoo"))
        self.assertNotIn("amount_charged", comparison.line_ids.mapped("fact"))

    def test_a_second_charge_of_the_invoice_comes_to_light(self):
        reference = self.env["sync.handler.stripe_charge"]._reference(self.invoice)
        customer = self.bound("customer", self.invoice.commercial_partner_id).external_id
        self.admin.post(
            "/stripe/charges",
            {"amount": 10000, "currency": "usd", "customer": customer,
             "metadata": {"odoo_ref": reference, "odoo_invoice": self.invoice.name}},
        )
        comparison = self.compare()
        self.assertEqual(comparison.verdict, "different")
        self.assertEqual(self.row(comparison, "amount_charged"), ("100.00 USD", "200.00 USD", "different"))
        self.assertEqual(self.differing(comparison), ["amount_charged", "fee"])

    def test_a_refund_at_stripe_that_odoo_does_not_know(self):
        self.admin.post(f"/stripe/charges/{self.charge}/refund", {"amount": 2050})
        comparison = self.compare()
        self.assertEqual(self.row(comparison, "amount_refunded"), ("0.00 USD", "20.50 USD", "different"))
        self.assertEqual(self.differing(comparison), ["amount_refunded"])

    def test_a_fee_that_was_booked_away(self):
        lines = self.env["account.move.line"].search([("account_id", "=", self.connection.stripe_fee_account_id.id)])
        lines.move_id.button_draft()
        comparison = self.compare()
        self.assertEqual(self.row(comparison, "fee"), ("0.00", "3.20 USD", "different"))

    def test_a_payment_that_somebody_cancelled(self):
        payment = self.invoice.matched_payment_ids
        payment.move_id.line_ids.remove_move_reconcile()
        payment.action_draft()
        payment.action_cancel()
        comparison = self.compare()
        self.assertEqual(comparison.verdict, "different")
        self.assertEqual(self.row(comparison, "amount_charged")[2], "different")

    def test_another_name_at_stripe(self):
        customer = self.bound("customer", self.invoice.commercial_partner_id).external_id
        self.stripe.post(f"/v1/customers/{customer}", {"name": "Borealis Foods"}, idempotency_key="rename")
        self.assertEqual(self.row(self.compare(), "customer"), ("Aurora Foods", "Borealis Foods", "different"))

    def test_stripe_is_down(self):
        self.fault("status", status=503, times=100)
        comparison = self.compare()
        self.assertEqual((comparison.verdict, comparison.unread_count), ("incomplete", 1))
        self.assertIn("could not be read", self.row(comparison, "answer")[1])
        self.admin.delete("/faults")
        self.assertEqual(self.compare().verdict, "equal")

    def test_amounts_are_exact_decimals(self):
        told = self.connector._deal_facts(self.connection, self.sale)
        self.assertEqual((told.amount_charged, told.fee), (Decimal("100.00"), Decimal("3.20")))
        self.assertIsInstance(told.amount_charged, Decimal)
