"""What every CRM connector's won deals must do; mixed into a `ConnectorCase`.

It needs the sales side of the suite (`q2c_sale`), which the connectors depend on.
"""

from decimal import Decimal

from odoo import Command
from odoo.addons.q2c_sale.lib import facts

from ..models.base import OUTBOX

PRODUCTS = (("Q2C-PLAT", "Platform licence"), ("Q2C-ONB", "Onboarding"), ("Q2C-SUP", "Support"))


class DealSetup:
    """What won deals need: products, tax, currency, flows that are live."""

    deal_object = ""
    currency = ""
    tax_name = "Sales Tax 15%"

    # === What each connector tells ===#

    def make_deal(self, **spec):
        """Create and win a deal at the provider; return its id."""
        raise NotImplementedError

    def same_customer(self, deal_id):
        """Return what `make_deal` needs for a further deal of a deal's customer."""
        raise NotImplementedError

    def remote_status(self, deal_id):
        """Return what the remote deal says of order and payment."""
        raise NotImplementedError

    def source_totals(self, deal_id):
        """Return net, tax and total of the deal's quote, as `Decimal`."""
        raise NotImplementedError

    def make_deal_of_one_customer(self):
        """Create and win a deal whose customer has a name and postcode like no other; return its id."""
        return self.make_deal()

    # === Set-up ===#

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._make_catalogue()
        cls.flows = cls.env["sync.flow.template"]._install(cls.connection)
        tax_map = cls.env["sync.value.map"].search(
            [("connection_id", "=", cls.connection.id), ("name", "=", "Taxes")]
        )
        tax_map.line_ids = [
            Command.create({"remote_value": cls.tax_name, "record_ref": f"account.tax,{cls.tax.id}"})
        ]
        cls.flows.poll = False  # tests look for changes when they say so
        cls.flows.action_go_live()

    @classmethod
    def _make_catalogue(cls):
        """Make products, tax, currency and pricelist as the deals need them."""
        for code, name in PRODUCTS:
            if not cls.env["product.product"].search_count([("default_code", "=", code)]):
                cls.env["product.product"].create(
                    {"name": name, "default_code": code, "type": "service", "invoice_policy": "order"}
                )
        cls.tax = cls.env["account.tax"].create(
            {"name": f"Test {cls.tax_name}", "amount": 15.0, "amount_type": "percent", "type_tax_use": "sale"}
        )
        currency = cls.env.ref(f"base.{cls.currency}")
        currency.active = True
        cls.env["product.pricelist"].create(
            {"name": f"Test {cls.currency}", "currency_id": currency.id, "company_id": cls.env.company.id}
        )

    def deliver(self, *deal_ids):
        """Process deals as a notification would; return the order of the first."""
        self.env["sync.job"]._enqueue_documents(self.connection, self.deal_object, deal_ids)
        self.run_lane()
        return self.order_of(deal_ids[0])

    def order_of(self, deal_id):
        """Return the sales order of a deal, empty when there is none."""
        connector = self.connection._connector()
        external_id = connector._object(self.deal_object).normalize_id(deal_id)
        binding = self.env["sync.binding"].search(
            [
                ("connection_id", "=", self.connection.id),
                ("external_id", "=", external_id),
                ("model", "=", "sale.order"),
            ]
        )
        return binding._record() if binding else self.env["sale.order"]

    def deal_job(self, deal_id, **criteria):
        """Return the latest inbound job of a deal."""
        connector = self.connection._connector()
        external_id = connector._object(self.deal_object).normalize_id(deal_id)
        return self.env["sync.job"].search(
            [
                ("connection_id", "=", self.connection.id),
                ("external_id", "=", external_id),
                ("kind", "=", "record"),
            ],
            limit=1,
        )


class DealStory(DealSetup):
    """Won deals over real HTTP: equal totals, nothing twice, all or nothing."""

    allow_inherited_tests_method = True  # else Odoo's own test runner leaves these out

    #: defect → words that the exception must name
    known_defects = {}

    def test_a_won_deal_becomes_an_order_with_equal_totals(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        job = self.deal_job(deal_id)
        self.assertEqual(job.state, "done", job.error_message)
        net, tax, total = self.source_totals(deal_id)
        self.assertEqual(Decimal(f"{order.amount_untaxed:.2f}"), net)
        self.assertEqual(Decimal(f"{order.amount_tax:.2f}"), tax)
        self.assertEqual(Decimal(f"{order.amount_total:.2f}"), total)
        self.assertEqual(len(order.order_line), 3)
        self.assertEqual(order.currency_id.name, self.currency)
        self.assertTrue(order.partner_id.is_company)
        self.assertEqual(order.q2c_contact_id.parent_id, order.partner_id)

    def test_it_is_confirmed_and_invoiced_and_the_crm_is_told(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        self.assertEqual(order.state, "sale")
        invoice = order.invoice_ids
        self.assertEqual(invoice.state, "posted")
        self.assertEqual(invoice.amount_total, order.amount_total)
        status = {key.lower(): value for key, value in self.remote_status(deal_id).items()}
        values = [str(value) for value in status.values()]
        self.assertIn(order.name, values)
        self.assertIn(invoice.name, values)
        self.assertIn("is confirmed", order.q2c_progress)
        self.assertIn(order.q2c_progress, values, "in words, for whoever sold it")

    def test_ten_notifications_and_a_poll_are_one_order(self):
        deal_id = self.make_deal()
        for _repeat in range(10):
            self.deliver(deal_id)
        self.flows.filtered(lambda flow: flow.code == "deals")._enqueue_poll()
        self.run_lane()
        order = self.order_of(deal_id)
        found = self.env["sale.order"].search([("partner_id", "=", order.partner_id.id)])
        self.assertEqual(found, order)
        self.assertEqual(len(order.invoice_ids), 1)

    def test_two_deals_of_one_customer_are_one_customer(self):
        first_id = self.make_deal()
        second_id = self.make_deal(**self.same_customer(first_id))
        first = self.deliver(first_id, second_id)
        second = self.order_of(second_id)
        self.assertTrue(second)
        self.assertNotEqual(first, second)
        self.assertEqual(first.partner_id, second.partner_id)

    def test_a_deal_that_is_not_won_stays_there(self):
        deal_id = self.make_deal(win=False)
        self.deliver(deal_id)
        self.assertFalse(self.order_of(deal_id))
        self.assertEqual(self.deal_job(deal_id).state, "done")

    def test_a_defect_leaves_no_rows_and_is_named(self):
        for defect, words in self.known_defects.items():
            with self.subTest(defect):
                orders = self.env["sale.order"].search_count([])
                partners = self.env["res.partner"].search_count([])
                deal_id = self.make_deal(defects=[defect])
                self.deliver(deal_id)
                job = self.deal_job(deal_id)
                self.assertEqual(job.state, "failed")
                for word in words:
                    self.assertIn(word, job.error_message)
                self.assertEqual(self.env["sale.order"].search_count([]), orders)
                self.assertEqual(self.env["res.partner"].search_count([]), partners)

    def test_several_defects_are_named_at_once(self):
        names = [name for name in ("unmapped_product", "unknown_currency") if name in self.known_defects]
        deal_id = self.make_deal(defects=names)
        self.deliver(deal_id)
        message = self.deal_job(deal_id).error_message
        for name in names:
            for word in self.known_defects[name]:
                self.assertIn(word, message)

    def test_totals_that_do_not_add_up_block_the_deal(self):
        orders = self.env["sale.order"].search_count([])
        deal_id = self.make_deal(defects=["wrong_total"])
        self.deliver(deal_id)
        job = self.deal_job(deal_id)
        self.assertEqual(job.state, "failed")
        self.assertIn(str(self.source_totals(deal_id)[2]), job.error_message.replace(",", ""))
        self.assertEqual(self.env["sale.order"].search_count([]), orders)

    def test_a_defect_mended_at_the_source_goes_through_on_retry(self):
        deal_id = self.make_deal(defects=["unmapped_product"])
        self.deliver(deal_id)
        job = self.deal_job(deal_id)
        missing = self.env["sync.exception"].search([("id", "=", job.exception_id.id)])
        self.assertEqual(Decimal(job.amount), self.source_totals(deal_id)[2])
        self.assertEqual((missing.fix_kind, missing.fix_ids.model), ("dialog", "product.product"))
        code = next(word for word in job.error_message.replace("“", " ").replace("”", " ").split()
                    if "UNMAPPED-" in word)
        self.env["product.product"].create(
            {"name": code, "default_code": code, "type": "service", "invoice_policy": "order"}
        )
        missing.action_retry()
        self.run_lane()
        self.assertEqual(self.order_of(deal_id).state, "sale")
        self.assertEqual(missing.state, "resolved")

    # === Runs ===#

    def ended(self, run):
        """Let a run come to its end."""
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        return run

    def approved(self, plan):
        """Approve a dry run and let that come to its end."""
        return self.ended(self.env["sync.run"].browse(plan.action_approve()["res_id"]))

    def test_a_first_load_recognises_the_customers_that_are_here(self):
        company = self.deliver(self.make_deal_of_one_customer()).partner_id
        Binding, Run = self.env["sync.binding"], self.env["sync.run"]
        binding = Binding.search(
            [("connection_id", "=", self.connection.id), ("model", "=", "res.partner"), ("res_id", "=", company.id)]
        )
        external_id, remote_object = binding.external_id, binding.remote_object
        flow = self.flows.filtered(lambda one: one.remote_object == remote_object and one.direction == "inbound")
        self.assertEqual(flow.create_policy, "on_demand")
        binding.unlink()
        count = self.env["res.partner"].search_count([])
        plan = self.ended(Run._start_pass(flow, dry_run=True))
        line = plan.line_ids.filtered(lambda one: one.external_id == external_id)
        self.assertIn(line.verdict, ("bind", "update"), line.reason)
        self.assertEqual((line.res_id, plan.create_count), (company.id, 0))
        self.approved(plan)
        found = Binding._lookup(self.connection, remote_object, [external_id])
        self.assertEqual(found[external_id].res_id, company.id)
        self.assertEqual(self.env["res.partner"].search_count([]), count, "nothing is created that nobody needs")
        again = self.ended(Run._start_pass(flow, dry_run=False))
        self.assertFalse(again.create_count)
        self.assertEqual(again.line_ids.filtered(lambda one: one.external_id == external_id).verdict, "unchanged")

    def test_a_dry_run_of_the_status_says_what_the_crm_would_be_told(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        flow = self.flows.filtered(lambda one: one.model == "sale.order" and one.direction == "outbound")
        old, new = order.name, f"{order.name}-R"
        order.name = new
        self.env.flush_all()
        self.env.cr.precommit.data.pop(OUTBOX, None)  # as if the flow had been off
        plan = self.ended(self.env["sync.run"]._start_pass(flow, dry_run=True))
        line = plan.line_ids.filtered(lambda one: one.res_id == order.id)
        self.assertEqual((line.verdict, plan.create_count), ("update", 0), line.reason)
        said = [(one["before"], one["after"]) for one in line.diff]
        self.assertIn((old, new), said)
        self.assertTrue(all(old in before and new in after for before, after in said), said)
        self.assertNotIn(new, self.remote_status(deal_id).values())
        run = self.approved(plan)
        self.assertEqual((run.state, run.update_count), ("done", plan.update_count))
        self.assertIn(new, self.remote_status(deal_id).values())

    # === What the CRM says of the deal ===#

    def facts_of(self, order):
        """Return what the CRM says of an order, as `{fact: value}` without the unknown."""
        told = self.connector._deal_facts(self.connection, order)
        return {name: getattr(told, name) for name in facts.KINDS if getattr(told, name) is not None}

    def test_the_crm_says_of_the_deal_what_odoo_says(self):
        deal_id = self.make_deal()
        order = self.deliver(deal_id)
        told, own = self.facts_of(order), order._q2c_facts()
        self.assertEqual(told, {name: getattr(own, name) for name in told})
        self.assertGreaterEqual(
            set(told),
            {"in_force", "customer", "currency", "line_count", "untaxed", "tax", "total", "order_number",
             "order_status", "invoice_numbers", "invoice_status", "amount_paid", "payment_status"},
        )
        self.assertEqual((told["untaxed"], told["tax"], told["total"]), self.source_totals(deal_id))

    def test_what_the_crm_was_never_told_it_does_not_know(self):
        self.flows.filtered(lambda flow: flow.direction == "outbound").action_switch_off()
        told = self.facts_of(self.deliver(self.make_deal()))
        self.assertIn("total", told)
        self.assertFalse({*facts.TOLD.values()} & {*told})

    def test_the_crm_knows_nothing_of_other_orders(self):
        order = self.deliver(self.make_deal())
        self.assertIsNone(self.connector._deal_facts(self.connection, order.copy()))
