import logging
from datetime import timedelta

from odoo import fields
from odoo.addons.crm_sync_base.lib.errors import Conflict
from odoo.addons.crm_sync_base.models.base import OUTBOX
from odoo.exceptions import UserError

from ..lib import const
from .common import StripeCase

INTENTS = r"/v1/payment_intents$"


class TestStripeCharge(StripeCase):
    """Invoices of won deals are charged, each exactly once, whatever happens."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go_live("customers", "charges")

    def charge_jobs(self, invoice):
        return self.jobs(self.charges_flow, res_id=invoice.id)

    def assertCharged(self, invoice, amount):
        """Stripe collected the invoice once, and it is bound to that payment intent."""
        succeeded = [one for one in self.intents(invoice) if one["status"] == "succeeded"]
        self.assertEqual([one["amount"] for one in succeeded], [amount])
        self.assertEqual(self.bound("payment_intent", invoice).external_id, succeeded[0]["id"])
        return succeeded[0]

    # === The plain case ===#

    def test_an_invoice_is_charged_after_its_customer_was_created(self):
        invoice = self.sell(1234.56)
        self.run_lane()
        intent = self.assertCharged(invoice, 123456)
        customer = self.bound("customer", invoice.commercial_partner_id).external_id
        self.assertEqual((intent["customer"], intent["currency"]), (customer, "usd"))
        job = self.charge_jobs(invoice)
        self.assertEqual(job.state, "done")
        self.assertIn("1234.56 USD", job.summary)
        self.assertEqual(intent["metadata"]["q2c_correlation"], job.correlation_id)
        self.assertEqual(self.bound("payment_intent", invoice).correlation_id, job.correlation_id)
        self.assertTrue(job.change_ids)
        told = self.admin.get("/calls?vendor=stripe&method=POST&path_regex=payment_intents&limit=1")["calls"][-1]
        self.assertEqual(told["correlation"], job.correlation_id)
        self.assertEqual(self.env["sync.handler.outbound"]._job_of_key(told["idempotency_key"]), job)

    def test_the_customer_has_name_and_address_and_no_empty_words(self):
        partner = self.customer(street="1 Main St", city="Boston", zip="02101")
        self.sell(partner=partner)
        self.run_lane()
        customer = self.stripe.get(f"/v1/customers/{self.bound('customer', partner).external_id}")
        self.assertEqual((customer["name"], customer["email"]), ("Aurora Foods", "aurora@aurora.example"))
        self.assertEqual(customer["address"]["country"], "US")
        self.assertIsNone(customer["address"]["state"])
        self.assertIsNone(customer["phone"])
        self.assertEqual(customer["metadata"]["odoo_ref"], str(partner.id))

    def test_a_known_customer_is_updated_and_what_was_emptied_is_unset(self):
        partner = self.customer(phone="+1 555 0100")
        self.sell(partner=partner)
        self.run_lane()
        partner.write({"name": "Aurora Foods Inc", "phone": False})
        self.env.flush_all()
        self.run_lane()
        customer = self.stripe.get(f"/v1/customers/{self.bound('customer', partner).external_id}")
        self.assertEqual(customer["name"], "Aurora Foods Inc")
        self.assertFalse(customer["phone"])

    def test_the_invoice_of_a_contact_is_charged_to_the_company(self):
        company = self.customer()
        contact = self.env["res.partner"].create({"name": "Ann", "parent_id": company.id})
        invoice = self.sell(partner=contact)
        self.run_lane()
        self.assertCharged(invoice, 10000)
        self.assertTrue(self.bound("customer", company))
        self.assertFalse(self.bound("customer", contact))

    def test_an_invoice_that_is_no_deals_is_left_alone(self):
        invoice = self.sell(total=False)
        self.run_lane()
        self.assertFalse(self.charge_jobs(invoice))
        self.assertFalse(self.intents(invoice))

    def test_only_what_is_open_is_charged(self):
        invoice = self.sell(100.0)
        self._register_payment(
            invoice,
            payment_date="2026-03-01",
            journal_id=self.company_data["default_journal_bank"].id,
            amount=30.0,
        )
        self.run_lane()
        self.assertCharged(invoice, 7000)

    def test_an_invoice_paid_meanwhile_is_not_charged(self):
        invoice = self.sell(100.0)
        self.env.flush_all()
        self.env.cr.precommit.run()
        self._register_payment(
            invoice, payment_date="2026-03-01", journal_id=self.company_data["default_journal_bank"].id
        )
        self.run_lane()
        self.assertEqual(self.charge_jobs(invoice).state, "done")
        self.assertFalse(self.intents(invoice))

    def test_yen_have_no_cents(self):
        invoice = self.sell(5000, self.activate("JPY", 150.0))
        self.run_lane()
        self.assertEqual(self.assertCharged(invoice, 5000)["currency"], "jpy")

    def test_an_amount_that_stripe_cannot_express_is_blocked(self):
        dinar = self.activate("KWD", 0.3)
        dinar.rounding = 0.001
        invoice = self.sell(10.005, dinar)
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual((job.state, job.error_code), ("failed", "data_invalid"))
        self.assertIn("10.005", job.error_message)
        self.assertFalse(self.intents(invoice))

    # === Exactly once ===#

    def test_a_lost_answer_does_not_charge_twice(self):
        invoice = self.sell()
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual(job.state, "pending")
        self.assertTrue(job.intent)
        self.assertFalse(self.bound("payment_intent", invoice))
        self.run_due()
        self.assertEqual(job.state, "done")
        self.assertCharged(invoice, 10000)

    def test_half_an_answer_does_not_charge_twice(self):
        invoice = self.sell()
        self.fault("truncate", method="POST", path_regex=INTENTS)
        self.run_due()
        self.assertCharged(invoice, 10000)

    def test_a_person_who_retries_after_lost_answers_does_not_charge_twice(self):
        self.charges_flow.max_attempts = 1
        invoice = self.sell()
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_lane()
        failed = self.charge_jobs(invoice)
        self.assertEqual(failed.state, "failed")
        key = failed.intent["key"]
        failed.action_retry()
        job = self.charge_jobs(invoice) - failed
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_lane()
        self.assertEqual(job.intent["key"], key, "the very same call is repeated")
        job.action_retry()
        self.run_lane()
        self.assertCharged(invoice, 10000)
        self.assertEqual(len(self.intents(invoice)), 1)

    def test_a_replaced_job_hands_its_unfinished_charge_on(self):
        invoice = self.sell()
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_lane()
        job = self.charge_jobs(invoice)
        job.write({"state": "cancelled"})
        self.env["sync.job"]._enqueue([job._replay_spec()])
        self.run_lane()
        self.assertCharged(invoice, 10000)
        self.assertEqual(len(self.intents(invoice)), 1)

    def test_an_invoice_that_was_charged_is_never_charged_again(self):
        invoice = self.sell()
        self.run_lane()
        done = self.charge_jobs(invoice)
        for _again in range(3):
            self.env["sync.job"]._enqueue([done._replay_spec()])
            self.run_lane()
        self.bound("payment_intent", invoice).unlink()
        self.env["sync.job"]._enqueue([done._replay_spec()])
        self.run_lane()
        self.assertCharged(invoice, 10000)
        self.assertEqual(len(self.intents(invoice)), 1)
        self.assertIn("already", self.charge_jobs(invoice)[-1].summary)

    def test_an_old_intent_that_took_effect_is_found_and_not_repeated(self):
        """Stripe forgets keys after a day: the same call would charge a second time."""
        invoice = self.sell()
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_lane()
        job = self.charge_jobs(invoice)
        job.intent_at = fields.Datetime.now() - timedelta(hours=30)
        before = self.calls("POST", INTENTS)
        self.run_due()
        self.assertEqual(self.calls("POST", INTENTS), before)
        self.assertEqual(job.state, "done")
        self.assertCharged(invoice, 10000)

    def test_an_old_intent_that_never_arrived_is_made_anew(self):
        invoice = self.sell()
        self.fault("drop_before", method="POST", path_regex=INTENTS)
        self.run_lane()
        job = self.charge_jobs(invoice)
        key = job.intent["key"]
        job.write({
            "intent_at": fields.Datetime.now() - timedelta(hours=30),
            "eta": fields.Datetime.now() + timedelta(hours=1),  # or its random wait may be over twice
        })
        self.fault("drop_after", method="POST", path_regex=INTENTS)
        self.run_due()
        self.assertNotEqual(job.intent["key"], key)
        self.run_due()
        self.assertEqual(job.state, "done")
        self.assertCharged(invoice, 10000)
        self.assertEqual(len(self.intents(invoice)), 1)

    def test_an_unclear_payment_at_stripe_keeps_a_second_one_away(self):
        invoice = self.sell()
        self.env["sync.flow.template"]._flow(self.connection, "customers")
        self.charges_flow.paused = True
        self.run_lane()
        handler = self.env["sync.handler.stripe_charge"]
        partner = invoice.commercial_partner_id
        self.env["sync.job"]._enqueue(
            [
                {
                    "flow": self.customers_flow,
                    "kind": "push",
                    "idempotency_key": "test",
                    "lane_key": "test",
                    "model": "res.partner",
                    "res_id": partner.id,
                    "payload": {"needed": True},
                    "name": "test",
                }
            ]
        )
        self.run_lane()
        customer = self.bound("customer", partner).external_id
        method = self.connector._method_of(self.connection, customer)
        self.stripe.post(
            "/v1/payment_intents",
            {
                "amount": 10000,
                "currency": "usd",
                "customer": customer,
                "payment_method": method,
                "metadata": {const.REFERENCE: handler._reference(invoice)},
            },
            idempotency_key="somebody-else",
        )
        self.charges_flow.paused = False
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual((job.state, job.error_code), ("failed", Conflict.code))
        self.assertIn("requires_confirmation", job.error_message)

    # === Refusals ===#

    def test_a_declined_card_waits_for_a_person_and_a_retry_charges_once(self):
        self.cards("declined")
        invoice = self.sell()
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual((job.state, job.error_code), ("failed", "payment_declined"))
        self.assertIn(invoice.name, job.error_message)
        self.assertIn("the bank gave no reason", job.error_message)
        self.assertTrue(job.error_hint)
        self.assertEqual(job.exception_id.state, "new")
        self.assertFalse(self.bound("payment_intent", invoice))
        customer = self.bound("customer", invoice.commercial_partner_id).external_id
        self.admin.post(f"/stripe/customers/{customer}/card", {"card": "pm_card_visa"})
        job.action_retry()
        self.run_lane()
        self.assertCharged(invoice, 10000)
        self.assertEqual([one["status"] for one in self.intents(invoice)], ["succeeded", "requires_payment_method"])
        self.assertEqual(job.exception_id.state, "resolved")

    def test_a_bank_that_wants_the_customer_is_said_in_plain_words(self):
        self.cards("none")
        partner = self.customer()
        invoice = self.sell(partner=partner)
        self.run_lane()
        customer = self.bound("customer", partner).external_id
        self.admin.post(f"/stripe/customers/{customer}/card", {"card": "pm_card_authenticationRequired"})
        self.charge_jobs(invoice).action_retry()
        self.run_lane()
        job = self.charge_jobs(invoice)[-1]
        self.assertEqual(job.error_code, "payment_declined")
        self.assertIn("confirm the payment", job.error_message)
        self.assertIn("payment link", job.error_hint)

    def test_without_a_means_of_payment_a_person_is_asked(self):
        self.cards("none")
        invoice = self.sell()
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        self.assertIn("means of payment", job.error_message)
        self.assertIn("payment link", job.error_hint)
        self.assertFalse(self.intents(invoice))

    def test_a_customer_who_was_deleted_at_stripe_is_said_so(self):
        partner = self.customer()
        self.sell(partner=partner)
        self.run_lane()
        self.stripe.delete(f"/v1/customers/{self.bound('customer', partner).external_id}")
        second = self.sell(partner=partner)
        self.run_lane()
        job = self.charge_jobs(second)
        self.assertEqual((job.state, job.error_code), ("failed", "remote_gone"))

    def test_without_the_customers_flow_it_is_said_which_flow(self):
        self.customers_flow.action_switch_off()
        invoice = self.sell()
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        self.assertIn(self.customers_flow.name, job.error_hint)

    def test_one_bad_invoice_does_not_stop_the_others(self):
        self.cards("none")
        bad = self.sell()
        self.run_lane()
        self.cards("visa")
        good = self.sell()
        self.charge_jobs(bad).action_retry()
        self.run_lane()
        self.assertCharged(good, 10000)
        self.assertEqual(self.charge_jobs(bad)[-1].error_code, "not_ready")

    def test_a_dry_run_charges_nobody(self):
        self.charges_flow.action_dry_run()
        invoice = self.sell(50.0)
        self.run_lane()
        job = self.charge_jobs(invoice)
        self.assertEqual(job.state, "done")
        self.assertIn("50.00 USD", job.summary)
        self.assertFalse(self.intents(invoice))
        self.assertFalse(self.bound("customer", invoice.commercial_partner_id))

    def test_keys_never_reach_a_log_or_a_job(self):
        secret = self.credentials()["secret_key"]
        invoice = self.sell()
        with self.assertLogs(level=logging.DEBUG) as logs:
            for kind in ("drop_before", "truncate", "status"):
                self.fault(kind, status=500, method="POST")
                self.run_due()
            logging.getLogger("test").info("at least one line")
        jobs = self.jobs()
        text = "\n".join(logs.output)
        for job in jobs:
            text += f"{job.error_message}{job.error_hint}{job.error_trace}{job.intent}{job.summary}"
        self.assertTrue(self.charge_jobs(invoice))
        self.assertNotIn(secret, text)
        self.assertNotIn(self.connection._credentials()["webhook_secret"], text)

    # === Runs ===#

    def test_a_dry_run_foresees_charges_and_a_first_load_makes_each_once(self):
        invoice = self.sell(1234.56)
        self.env.flush_all()
        self.env.cr.precommit.data.pop(OUTBOX, None)  # as if the flow had been off
        Run = self.env["sync.run"]

        def ended(run):
            self.run_due()
            Run._cron_replay()
            run.invalidate_recordset()
            return run, run.line_ids.filtered(lambda line: line.res_id == invoice.id)

        options = {"odoo_scope": f"[('id', '=', {invoice.id})]"}
        plan, line = ended(Run._start_pass(self.charges_flow, dry_run=True, **options))
        self.assertEqual((plan.state, line.verdict), ("done", "create"))
        self.assertIn("Would charge 1234.56 USD", line.reason)
        self.assertFalse(self.intents(invoice))
        with self.assertRaisesRegex(UserError, "decided when it is made"):
            plan.action_approve()
        run, line = ended(Run._start_pass(self.charges_flow, dry_run=False, **options))
        self.assertEqual((run.state, line.verdict), ("done", "create"))
        self.assertCharged(invoice, 123456)
        _run, line = ended(Run._start_pass(self.charges_flow, dry_run=False, **options))
        self.assertIn(line.verdict, ("unchanged", "skipped", False))
        self.assertEqual(len(self.intents(invoice)), 1)
