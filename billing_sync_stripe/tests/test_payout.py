import uuid
from unittest.mock import patch

from odoo.exceptions import UserError

from .common import StripeCase


class TestStripePayout(StripeCase):
    """Payouts with their contents: booked once, exactly, or not at all."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go_live("customers", "charges", "payments", "payouts")
        cls.transit = cls.connection.stripe_payout_account_id
        cls.fees = cls.connection.stripe_fee_account_id
        cls.suspense = cls.connection.stripe_suspense_account_id

    def setUp(self):
        super().setUp()
        # What earlier tests left in the Stripe balance goes first, unseen.
        self.admin.post("/stripe/payouts/run", {})
        self.payouts_flow.poll_cursor = self.payments_flow.poll_cursor = False
        self.seen = {event["id"] for event in self.stripe.iterate("/v1/events", freeze=False)}

    def sync(self):
        """Deliver every new event about charges and payouts, in order, and run what they lead to."""
        found = [*self.events("charge.succeeded", "payout.created", "payout.updated", "payout.paid",
                              "payout.reconciliation_completed", "payout.failed")]
        fresh = [event for event in found if event["id"] not in self.seen]
        self.seen |= {event["id"] for event in fresh}
        self.deliver(*fresh)
        self.run_lane()

    def paid(self, amount=100.0, **sale):
        """Return an invoice that was charged and booked."""
        invoice = self.sell(amount, **sale)
        self.run_lane()
        self.sync()
        self.assertEqual(invoice.payment_state, "paid")
        return invoice

    def pay_out(self, **options):
        """Run the payout clock, bring what happened to Odoo; returns the records."""
        made = self.admin.post("/stripe/payouts/run", options)["payouts"]
        self.sync()
        return self.env["stripe.payout"].search([("name", "in", [one["id"] for one in made])])

    def assertEntry(self, move, expected):
        """The entry is posted and has these balances by account."""
        self.assertEqual(move.state, "posted")
        found = {}
        for line in move.line_ids:
            found[line.account_id] = round(found.get(line.account_id, 0.0) + line.balance, 2)
        self.assertEqual(found, expected)

    # === The plain case ===#

    def test_a_payout_is_booked_and_clears_its_payments(self):
        first, second = self.paid(100.0), self.paid(50.0)
        payout = self.pay_out(currency="usd")
        # 100.00 − 3.20 + 50.00 − 1.75
        self.assertEqual((payout.amount, payout.gross, payout.fee), (145.05, 150.0, 4.95))
        self.assertEqual((payout.status, payout.booking), ("paid", "booked"))
        self.assertEntry(payout.move_id, {self.transit: 145.05, self.clearing: -145.05})
        self.assertEqual(self.balance(self.clearing), 0.0)
        payments = payout.line_ids.payment_id
        self.assertEqual(payments.reconciled_invoice_ids, first | second)
        self.assertEqual(set(payments.mapped("state")), {"paid"})
        self.assertTrue(all(payments.mapped("is_matched")))
        self.assertEqual(payments.mapped("stripe_payout_id"), payout)
        self.assertEqual(payout.unbooked_count, 0)
        self.assertTrue(payout.trace)

    def test_the_record_follows_the_payout_and_is_booked_once(self):
        self.paid()
        payout = self.pay_out(currency="usd", until="created")
        self.assertEqual((payout.status, payout.booking, payout.line_count), ("pending", "waiting", 0))
        for until in ("in_transit", "reconciled"):
            self.admin.post(f"/stripe/payouts/{payout.name}/advance", {"until": until})
            self.sync()
            self.assertFalse(payout.move_id)
        self.admin.post(f"/stripe/payouts/{payout.name}/advance", {"until": "paid"})
        self.sync()
        entry = payout.move_id
        self.assertTrue(entry)
        self.deliver(*self.events("payout.paid", about=payout.name))
        self.jobs(self.payouts_flow)[-1].action_retry()
        self.poll(self.payouts_flow)
        self.assertEqual(payout.move_id, entry)
        self.assertEqual(self.env["stripe.payout"].search_count([("name", "=", payout.name)]), 1)
        moves = self.env["account.move"].search([("ref", "ilike", payout.name)])
        self.assertEqual(moves, entry)

    def test_a_poll_alone_brings_it(self):
        self.paid()
        (made,) = self.admin.post("/stripe/payouts/run", {"currency": "usd"})["payouts"]
        self.poll(self.payouts_flow)
        payout = self.env["stripe.payout"].search([("name", "=", made["id"])])
        self.assertEqual(payout.booking, "booked")

    # === Exactly or not at all ===#

    def test_a_payout_that_does_not_add_up_is_blocked_with_both_sums(self):
        self.paid(100.0)
        self.paid(50.0)
        contents = type(self.connector)._contents
        (made,) = self.admin.post("/stripe/payouts/run", {"currency": "usd"})["payouts"]
        with patch.object(
            type(self.connector),
            "_contents",
            lambda connector, client, payout: [
                one for one in contents(connector, client, payout) if one["amount"] != 5000
            ],
        ):
            self.sync()
        job = self.jobs(self.payouts_flow, kind="record")[-1]
        self.assertEqual((job.state, job.error_code), ("failed", "amount_mismatch"))
        self.assertIn("145.05", job.error_message)
        self.assertIn("96.80", job.error_message)
        self.assertFalse(self.env["stripe.payout"].search([("name", "=", made["id"])]))
        self.assertFalse(self.env["stripe.payout.line"].search([("connection_id", "=", self.connection.id)]))
        self.assertEqual(self.balance(self.transit), 0.0)
        job.action_retry()
        self.run_lane()
        payout = self.env["stripe.payout"].search([("name", "=", made["id"])])
        self.assertEqual(payout.booking, "booked")

    def test_missing_accounts_are_all_named_and_nothing_is_written(self):
        self.paid()
        self.connection.write({"stripe_payout_account_id": False, "stripe_suspense_account_id": False})
        payout = self.pay_out(currency="usd")
        self.assertFalse(payout)
        job = self.jobs(self.payouts_flow, kind="record")[-1]
        self.assertEqual(job.error_code, "not_ready")
        self.assertIn("Payouts in Transit", job.error_message)
        self.assertIn("Suspense", job.error_message)

    def test_a_dry_run_writes_nothing(self):
        self.paid()
        self.payouts_flow.action_dry_run()
        self.assertFalse(self.pay_out(currency="usd"))
        planned = self.jobs(self.payouts_flow, kind="record").change_ids
        self.assertEqual(set(planned.mapped("verdict")), {"planned"})

    # === What else a payout is made of ===#

    def test_fees_refunds_and_disputes_go_where_they_belong(self):
        self.paid(100.0)
        disputed = self.paid(80.0)
        charge = self.bound("charge", disputed.reconciled_payment_ids).external_id
        refunded = self.paid(60.0)
        other = self.bound("charge", refunded.reconciled_payment_ids).external_id
        self.admin.post(f"/stripe/charges/{other}/refund", {"amount": 1000})
        self.admin.post(f"/stripe/charges/{charge}/dispute", {})
        self.admin.post("/stripe/fees", {"amount": 250, "currency": "usd"})
        fees = self.balance(self.fees)
        payout = self.pay_out(currency="usd")
        self.assertEqual(payout.booking, "booked")
        # refund 10.00 and dispute 80.00 wait for a person; dispute fee 15.00 and fee 2.50 are known
        self.assertEqual(self.balance(self.suspense), 90.0)
        self.assertEqual(round(self.balance(self.fees) - fees, 2), 17.50)
        self.assertEqual(self.balance(self.clearing), 0.0)
        self.assertEqual(self.balance(self.transit), payout.amount)
        self.assertEqual({"charge", "refund", "dispute", "fee"}, set(payout.line_ids.mapped("category")))
        self.assertEqual(round(payout.gross - payout.fee, 2), payout.amount)

    def test_a_charge_booked_after_its_payout_is_attached(self):
        self.payments_flow.paused = True
        invoice = self.sell(100.0)
        self.run_lane()
        payout = self.pay_out(currency="usd")
        self.assertEqual((payout.unbooked_count, payout.booking), (1, "booked"))
        self.assertEqual(self.balance(self.clearing), -96.80)
        self.payments_flow.paused = False
        self.run_lane()
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(payout.unbooked_count, 0)
        self.assertEqual(payout.line_ids.payment_id, invoice.reconciled_payment_ids)
        self.assertEqual(self.balance(self.clearing), 0.0)
        self.assertTrue(payout.line_ids.payment_id.is_matched)

    def test_a_payout_that_comes_back_is_reversed_and_the_next_one_clears(self):
        self.paid(100.0)
        payout = self.pay_out(currency="usd")
        entry = payout.move_id
        self.admin.post(f"/stripe/payouts/{payout.name}/fail", {})
        self.sync()
        self.assertEqual((payout.status, payout.booking, payout.move_id), ("failed", "reversed", entry))
        self.assertEqual(entry.state, "posted")
        self.assertEqual(self.balance(self.transit), 0.0)
        self.assertEqual(self.balance(self.clearing), 96.80)
        again = self.pay_out(currency="usd")
        self.assertEqual((again.amount, again.booking), (96.80, "booked"))
        self.assertEqual(self.balance(self.transit), 96.80)
        self.assertEqual(self.balance(self.clearing), 0.0)
        self.assertTrue(all(payout.reversal_move_id.line_ids.filtered(
            lambda line: line.account_id == self.clearing).mapped("reconciled")))

    def test_a_payout_that_failed_before_it_was_booked_books_nothing(self):
        self.paid(100.0)
        payout = self.pay_out(currency="usd", until="in_transit")
        self.admin.post(f"/stripe/payouts/{payout.name}/fail", {})
        self.sync()
        self.assertEqual((payout.status, payout.booking), ("failed", "nothing"))
        self.assertFalse(payout.move_id)
        self.assertEqual(self.balance(self.clearing), 96.80)

    def test_a_payout_made_by_hand_is_shown_and_left_to_a_person(self):
        self.paid(100.0)
        # Money becomes available with the clock of another currency's payout.
        self.admin.post("/stripe/charges", {"amount": 9000, "currency": "usd", "card": "pm_card_bypassPending"})
        made = self.stripe.post(
            "/v1/payouts", {"amount": 2000, "currency": "usd"}, idempotency_key=uuid.uuid4().hex
        )
        self.admin.post(f"/stripe/payouts/{made['id']}/advance", {})
        self.sync()
        payout = self.env["stripe.payout"].search([("name", "=", made["id"])])
        self.assertEqual((payout.status, payout.booking, payout.is_automatic), ("paid", "by_hand", False))
        self.assertFalse(payout.move_id)

    def test_words_that_stripe_adds_later_do_not_break_it(self):
        self.paid()
        read = type(self.connector)._read_one

        def newer(connector, client, name, external_id):
            document = read(connector, client, name, external_id)
            return type(document)(external_id, {**document.data, "status": "on_the_moon"})

        with patch.object(type(self.connector), "_read_one", newer):
            payout = self.pay_out(currency="usd")
        self.assertEqual((payout.status, payout.booking), ("other", "waiting"))

    # === Currencies ===#

    def test_euros_are_paid_out_as_euros_and_clear_in_both_currencies(self):
        euro = self.activate("EUR", 0.9)
        self.paid(100.0, currency=euro)
        self.paid(33.33, currency=euro)
        self.env["res.currency.rate"].create(
            {
                "currency_id": euro.id,
                "company_id": self.company.id,
                "name": self.env.cr.now().date(),
                "rate": 0.87,
            }
        )
        payout = self.pay_out(currency="eur")
        self.assertEqual((payout.currency_id, payout.booking), (euro, "booked"))
        self.assertEqual(self.balance(self.transit, euro), payout.amount)
        self.assertEqual(self.balance(self.clearing, euro), 0.0)
        self.assertEqual(self.balance(self.clearing), 0.0)

    def test_pounds_turned_into_dollars_are_cleared_by_a_payout_of_dollars(self):
        self.paid(100.0, currency=self.activate("GBP", 0.8))
        payout = self.pay_out(currency="usd")
        self.assertEqual((payout.amount, payout.booking), (123.11, "booked"))
        self.assertEqual(self.balance(self.clearing), 0.0)
        self.assertTrue(payout.line_ids.payment_id.is_matched)

    # === The trace ===#

    def test_the_story_of_a_deal_ends_in_its_payout(self):
        invoice = self.paid()
        payout = self.pay_out(currency="usd")
        story = self.jobs(self.charges_flow, res_id=invoice.id).correlation_id
        trace = self.env["sync.trace"].get_trace(story)
        names = [(document["model"], document["name"]) for document in trace["documents"]]
        self.assertIn(("stripe.payout", payout.name), names)
        self.assertIn(("account.payment", invoice.reconciled_payment_ids.name), names)
        found = self.env["sync.trace"].get_trace(payout.name)
        self.assertIn(payout.name, [document["name"] for document in found["documents"]])
        self.assertEqual(payout._sync_correlations()[payout.id], self.bound("payout", payout).correlation_id)

    def test_every_id_of_stripes_leads_to_the_story(self):
        invoice = self.paid()
        payout = self.pay_out(currency="usd")
        story = self.jobs(self.charges_flow, res_id=invoice.id).correlation_id
        intent = self.bound("payment_intent", invoice).external_id
        [line] = payout.line_ids
        customer = self.bound("customer", invoice.commercial_partner_id).external_id
        for query in (intent, line.source_id, line.name, customer):
            with self.subTest(query):
                found = self.env["sync.trace"]._related(self.env["sync.trace"]._find_correlations(query))
                self.assertIn(story, found)

    def test_a_connection_whose_payouts_are_booked_stays(self):
        self.paid()
        self.pay_out(currency="usd")
        with self.assertRaisesRegex(UserError, "Archive"):
            self.connection.unlink()

    # === Access ===#

    def test_who_may_see_payouts(self):
        self.paid()
        payout = self.pay_out(currency="usd")
        clerk = self.env["res.users"].create(
            {
                "name": "Clerk",
                "login": "clerk",
                "group_ids": [(6, 0, [self.env.ref("crm_sync_base.group_sync_user").id])],
                "company_ids": [(6, 0, self.company.ids)],
                "company_id": self.company.id,
            }
        )
        self.assertEqual(payout.with_user(clerk).read(["amount", "booking"])[0]["booking"], "booked")
        self.assertFalse(payout.with_user(clerk).has_access("write"))
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        clerk.write({"company_ids": [(6, 0, elsewhere.ids)], "company_id": elsewhere.id})
        found = self.env["stripe.payout"].with_user(clerk).with_context(allowed_company_ids=elsewhere.ids)
        self.assertFalse(found.search([("name", "=", payout.name)]))
