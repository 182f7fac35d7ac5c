from unittest.mock import patch

from odoo.addons.crm_sync_base.lib.errors import Transient

from ..lib import const
from .common import StripeCase


class TestStripePayment(StripeCase):
    """Succeeded charges become one reconciled payment and one fee entry."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go_live("customers", "charges", "payments")
        cls.receivable = cls.company_data["default_account_receivable"]
        cls.fees = cls.connection.stripe_fee_account_id

    def charged(self, amount=100.0, **sale):
        """Return an invoice that was charged, and the event of its charge; nothing is booked yet."""
        invoice = self.sell(amount, **sale)
        self.run_lane()
        (intent,) = self.intents(invoice)
        (event,) = self.events("charge.succeeded", about=intent["latest_charge"])
        return invoice, event

    def payments(self, invoice):
        return self.env["account.payment"].search([("invoice_ids", "in", invoice.ids)])

    def assertBooked(self, invoice, amount):
        """One posted payment pays the invoice through the clearing account."""
        payment = self.payments(invoice)
        self.assertEqual(len(payment), 1)
        self.assertEqual(payment.move_id.state, "posted")
        self.assertEqual((payment.amount, payment.currency_id), (amount, invoice.currency_id))
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(payment.outstanding_account_id, self.clearing)
        return payment

    def record_job(self, charge):
        return self.jobs(self.payments_flow, kind="record", external_id=charge)[-1]

    # === The plain case ===#

    def test_a_webhook_books_payment_and_fee(self):
        invoice, event = self.charged(100.0)
        (receipt,) = self.deliver(event)
        self.assertTrue(receipt.accepted)
        self.run_lane()
        payment = self.assertBooked(invoice, 100.0)
        charge = event["data"]["object"]["id"]
        self.assertEqual((payment.memo, payment.journal_id), (charge, self.connection.stripe_journal_id))
        self.assertEqual(payment.partner_id, invoice.commercial_partner_id)
        # 2.9 % and 0.30 of 100.00
        self.assertEqual(self.balance(self.fees), 3.20)
        self.assertEqual(self.balance(self.clearing), 96.80)
        self.assertEqual(self.bound("charge", external_id=charge)._record(), payment)
        transaction = event["data"]["object"]["balance_transaction"]
        fee = self.bound("balance_transaction", external_id=transaction)._record()
        self.assertEqual((fee._name, fee.state, fee.amount_total), ("account.move", "posted", 3.20))
        self.assertTrue(self.record_job(charge).change_ids)

    def test_invoice_charge_and_payment_are_one_story(self):
        invoice, event = self.charged()
        self.deliver(event)
        self.run_lane()
        story = self.jobs(self.charges_flow, res_id=invoice.id).correlation_id
        charge = event["data"]["object"]["id"]
        self.assertEqual(self.record_job(charge).correlation_id, story)
        self.assertEqual(self.bound("charge", external_id=charge).correlation_id, story)
        stored = self.env["sync.event"].search([("source_id", "=", event["id"])])
        self.assertEqual(stored.correlation_id, story)
        trace = self.env["sync.trace"].get_trace(charge)
        self.assertIn("account.payment", [document["model"] for document in trace["documents"]])
        self.assertEqual(trace["lines"], self.env["sync.trace"].get_trace(story)["lines"])

    def test_the_order_says_that_it_is_paid(self):
        invoice, event = self.charged()
        self.deliver(event)
        self.run_lane()
        order = invoice.line_ids.sale_line_ids.order_id
        self.assertEqual((order.q2c_payment_status, order.q2c_amount_paid), ("paid", 100.0))

    def test_the_day_is_that_of_the_company(self):
        self.company.partner_id.tz = "America/New_York"
        invoice, event = self.charged()
        read = type(self.connector)._read_one

        def earlier(connector, client, name, external_id):
            document = read(connector, client, name, external_id)
            # 02:30 UTC of the new year
            return type(document)(document.external_id, {**document.data, "created": 1_767_234_600})

        self.deliver(event)
        with patch.object(type(self.connector), "_read_one", earlier):
            self.run_lane()
        self.assertEqual(str(self.payments(invoice).date), "2025-12-31")

    # === Exactly once ===#

    def test_a_webhook_ten_times_and_polls_make_one_payment(self):
        invoice, event = self.charged()
        for _again in range(5):
            self.deliver(event)
            self.run_lane()
        self.deliver(event, event, event, event, event)
        self.poll(self.payments_flow)
        self.poll(self.payments_flow)
        self.assertBooked(invoice, 100.0)
        stored = self.env["sync.event"].search([("source_id", "=", event["id"])])
        self.assertEqual(stored.delivery_count, 10)
        self.assertEqual(self.balance(self.fees), 3.20)

    def test_a_lost_webhook_is_found_by_the_poll(self):
        invoice, event = self.charged()
        self.poll(self.payments_flow)
        self.assertBooked(invoice, 100.0)
        stored = self.env["sync.event"].search([("source_id", "=", event["id"])])
        self.assertEqual(stored.origin, "poll")
        self.deliver(event)
        self.run_lane()
        stored.invalidate_recordset()
        self.assertEqual((len(stored), stored.delivery_count), (1, 2))
        self.assertBooked(invoice, 100.0)

    def test_webhook_and_poll_before_anything_ran_are_one_job(self):
        invoice, event = self.charged()
        self.deliver(event)
        self.poll(self.payments_flow)
        self.assertEqual(len(self.jobs(self.payments_flow, external_id=event["data"]["object"]["id"])), 1)
        self.assertBooked(invoice, 100.0)

    def test_a_later_event_of_the_charge_changes_nothing(self):
        invoice, event = self.charged()
        self.deliver(event)
        self.run_lane()
        self.deliver({**event, "id": "evt_later", "type": "charge.updated"})
        self.run_lane()
        self.assertBooked(invoice, 100.0)
        self.assertEqual(self.record_job(event["data"]["object"]["id"]).summary, "Unchanged")

    def test_a_payment_whose_charge_was_not_bound_is_found_by_its_reference(self):
        """The webhook may be faster than our own answer."""
        invoice, event = self.charged()
        self.bound("payment_intent", invoice).unlink()
        self.deliver(event)
        self.run_lane()
        self.assertBooked(invoice, 100.0)

    # === What cannot be booked ===#

    def pay_by_bank(self, invoice, amount):
        return self._register_payment(
            invoice,
            payment_date="2026-03-01",
            journal_id=self.company_data["default_journal_bank"].id,
            amount=amount,
        )

    def assertNothingBooked(self, job, code, *texts):
        self.assertEqual((job.state, job.error_code), ("failed", code))
        for text in texts:
            self.assertIn(text, job.error_message + (job.error_hint or ""))
        self.assertFalse(self.bound("charge"))
        self.assertFalse(self.bound("balance_transaction"))
        self.assertEqual(self.balance(self.clearing), 0.0)

    def test_an_invoice_that_is_paid_already_is_a_conflict(self):
        invoice, event = self.charged()
        self.pay_by_bank(invoice, 100.0)
        self.deliver(event)
        self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertNothingBooked(job, "conflict", invoice.name, "100.00 USD", "Refund")
        self.assertEqual(len(self.payments(invoice)), 1)

    def test_more_than_is_open_is_a_conflict_and_a_retry_books_it_once_it_fits(self):
        invoice, event = self.charged()
        by_bank = self.pay_by_bank(invoice, 30.0)
        self.deliver(event)
        self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertNothingBooked(job, "conflict", "only 70.00 is open")
        by_bank.action_draft()
        by_bank.unlink()
        job.action_retry()
        self.run_lane()
        self.assertBooked(invoice, 100.0)

    def test_a_charge_from_elsewhere_waits_for_a_person(self):
        charge = self.admin.post("/stripe/charges", {"amount": 5000, "currency": "usd"})
        (event,) = self.events("charge.succeeded", about=charge["id"])
        self.deliver(event)
        self.run_lane()
        job = self.record_job(charge["id"])
        self.assertNothingBooked(job, "not_ready", "50.00 USD", "no invoice", const.REFERENCE)

    def test_a_charge_that_names_an_invoice_of_another_database_is_not_booked(self):
        invoice = self.sell()
        self.env["sync.job"].search([("res_id", "=", invoice.id)]).unlink()
        charge = self.admin.post(
            "/stripe/charges",
            {
                "amount": 10000,
                "currency": "usd",
                "metadata": {const.REFERENCE: f"another-/account.move/{invoice.id}"},
            },
        )
        (event,) = self.events("charge.succeeded", about=charge["id"])
        self.deliver(event)
        self.run_lane()
        self.assertEqual(self.record_job(charge["id"]).error_code, "not_ready")

    def test_part_of_an_invoice_can_be_paid(self):
        invoice = self.sell(100.0)
        handler = self.env["sync.handler.stripe_charge"]
        charge = self.admin.post(
            "/stripe/charges",
            {"amount": 4000, "currency": "usd", "metadata": {const.REFERENCE: handler._reference(invoice)}},
        )
        (event,) = self.events("charge.succeeded", about=charge["id"])
        self.charges_flow.action_switch_off()
        self.deliver(event)
        self.run_lane()
        self.assertEqual((invoice.payment_state, invoice.amount_residual), ("partial", 60.0))

    def test_a_declined_charge_leads_to_nothing(self):
        self.cards("declined")
        invoice = self.sell()
        self.run_lane()
        (intent,) = self.intents(invoice)
        (event,) = self.events("charge.failed", about=intent["latest_charge"])
        self.deliver(event)
        self.assertFalse(self.env["sync.event"].search([("source_id", "=", event["id"])]).job_id)
        self.deliver({**event, "id": "evt_odd", "type": "charge.updated"})
        self.run_lane()
        job = self.record_job(intent["latest_charge"])
        self.assertEqual(job.state, "done")
        self.assertIn("nothing was collected", job.summary)
        self.assertFalse(self.bound("charge"))

    def test_a_charge_without_balance_transaction_is_tried_again(self):
        invoice, event = self.charged()
        read = type(self.connector)._read_one

        def unsettled(connector, client, name, external_id):
            document = read(connector, client, name, external_id)
            return type(document)(external_id, {**document.data, "balance_transaction": None})

        self.deliver(event)
        with patch.object(type(self.connector), "_read_one", unsettled):
            self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertEqual((job.state, job.error_code), ("pending", Transient.code))
        self.run_due()
        self.assertBooked(invoice, 100.0)

    def test_missing_settings_are_all_named_and_a_retry_books_it(self):
        invoice, event = self.charged()
        journal = self.connection.stripe_journal_id
        self.connection.write({"stripe_journal_id": False, "stripe_fee_account_id": False})
        self.deliver(event)
        self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertNothingBooked(job, "not_ready", "Stripe Journal", "Clearing Account", "Fees", "Create")
        self.connection.write({"stripe_journal_id": journal.id, "stripe_fee_account_id": self.fees.id})
        job.action_retry()
        self.run_lane()
        self.assertBooked(invoice, 100.0)

    def test_one_bad_charge_does_not_stop_the_others(self):
        outside = self.admin.post("/stripe/charges", {"amount": 5000, "currency": "usd"})
        (bad,) = self.events("charge.succeeded", about=outside["id"])
        first, event = self.charged()
        second, later = self.charged(20.0)
        self.deliver(bad, event, later)
        self.run_lane()
        self.assertBooked(first, 100.0)
        self.assertBooked(second, 20.0)
        self.assertEqual(self.record_job(outside["id"]).state, "failed")

    def test_refunds_and_disputes_are_stored_and_change_no_books(self):
        invoice, event = self.charged()
        charge = event["data"]["object"]["id"]
        self.deliver(event)
        self.run_lane()
        self.admin.post(f"/stripe/charges/{charge}/refund", {"amount": 1000})
        found = [*self.events("refund.created"), *self.events("charge.refunded", about=charge)]
        receipts = self.deliver(*found)
        self.run_lane()
        self.assertTrue(all(receipt.accepted for receipt in receipts))
        stored = self.env["sync.event"].search([("source_id", "in", [one["id"] for one in found])])
        self.assertEqual(len(stored), len(found))
        self.assertBooked(invoice, 100.0)

    def test_a_dry_run_books_nothing_and_says_what_it_would(self):
        self.payments_flow.action_dry_run()
        invoice, event = self.charged()
        self.deliver(event)
        self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertIn("100.00 USD", job.summary)
        self.assertEqual(job.change_ids.verdict, "planned")
        self.assertFalse(self.payments(invoice))

    # === Currencies ===#

    def test_euros_that_stripe_keeps_as_euros(self):
        euro = self.activate("EUR", 0.9)
        invoice, event = self.charged(100.0, currency=euro)
        self.deliver(event)
        self.run_lane()
        self.assertBooked(invoice, 100.0)
        self.assertEqual(self.balance(self.clearing, euro), 96.80)
        self.assertEqual(self.balance(self.receivable), 0.0)

    def test_pounds_that_stripe_turned_into_dollars(self):
        """100 GBP at Odoo's 0.8 are 125.00 USD, Stripe paid 127.10 for them."""
        pound = self.activate("GBP", 0.8)
        invoice, event = self.charged(100.0, currency=pound)
        self.deliver(event)
        self.run_lane()
        self.assertBooked(invoice, 100.0)
        # 2.9 % of 127.10 and 0.30
        self.assertEqual(self.balance(self.fees), 3.99)
        self.assertEqual(self.balance(self.clearing, self.company.currency_id), 123.11)
        self.assertEqual(self.balance(self.clearing), 123.11)
        self.assertEqual(self.balance(self.receivable), 0.0)

    def test_dollars_that_stripe_keeps_as_euros(self):
        before = self.admin.get("/stripe/config")
        self.addCleanup(self.admin.post, "/stripe/config", before)
        self.admin.post(
            "/stripe/config",
            {"settlement_currencies": ["eur"], "exchange_rates": {"eur": "1", "usd": "0.92"}},
        )
        euro = self.activate("EUR", 0.9)
        invoice, event = self.charged(100.0)
        self.deliver(event)
        self.run_lane()
        self.assertBooked(invoice, 100.0)
        # 92.00 EUR less 2.9 % and 0.30
        self.assertEqual(self.balance(self.clearing, euro), 89.03)
        self.assertEqual(self.balance(self.receivable), 0.0)

    def test_a_currency_that_is_switched_off_is_said_so(self):
        pound = self.activate("GBP", 0.8)
        _invoice, event = self.charged(100.0, currency=pound)
        pound.active = False
        self.deliver(event)
        self.run_lane()
        job = self.record_job(event["data"]["object"]["id"])
        self.assertEqual(job.error_code, "not_ready")
        self.assertIn("GBP", job.error_message)
