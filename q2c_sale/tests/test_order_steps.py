from odoo.exceptions import UserError

from .common import DealCase


class TestOrderSteps(DealCase):
    def steps(self, action):
        return self.jobs(kind="step").filtered(lambda job: job.step_id.action == action).sorted("id")

    def again(self, action):
        """Run a step a second time, as after a crash; returns the new job."""
        job = self.steps(action)[-1]
        job.step_id._enqueue_for(self.order(), {self.order().id: job})
        self.run_lane()
        return self.steps(action)[-1]

    def test_a_deal_is_confirmed_and_invoiced_by_itself(self):
        self.add_steps("confirm", "invoice")
        self.deal()
        self.sync()
        order = self.order()
        self.assertEqual(order.state, "sale")
        invoice = order.invoice_ids
        self.assertRecordValues(
            invoice,
            [
                {
                    "state": "posted",
                    "currency_id": self.eur.id,
                    "amount_untaxed": 2974.48,
                    "amount_tax": 371.17,
                    "amount_total": 3345.65,
                }
            ],
        )
        confirm, invoicing = self.steps("confirm"), self.steps("invoice")
        self.assertEqual(confirm.summary, f"{order.name} confirmed")
        self.assertIn(f"{invoice.name} posted", invoicing.summary)
        self.assertEqual(
            {confirm.correlation_id, invoicing.correlation_id}, {self.jobs(kind="record").correlation_id}
        )

    def test_steps_are_idempotent(self):
        self.add_steps("confirm", "invoice")
        self.deal()
        self.sync()
        order = self.order()
        self.assertIn("was confirmed already", self.again("confirm").summary)
        self.assertIn(f"was invoiced already: {order.invoice_ids.name}", self.again("invoice").summary)
        self.assertEqual(len(order.invoice_ids), 1)
        # A paid invoice is still an invoice.
        self.pay(order.invoice_ids)
        self.assertIn("was invoiced already", self.again("invoice").summary)

    def test_an_order_whose_totals_changed_is_not_confirmed(self):
        self.add_steps("confirm")
        self.deal()
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.order().order_line[0].price_unit = 1300
        self.run_lane()
        job = self.steps("confirm")
        self.assertEqual((job.state, job.error_code), ("failed", "amount_mismatch"))
        self.assertIn("3345.65 at the source", job.error_message)
        self.assertEqual(self.order().state, "draft")

    def test_a_cancelled_order_is_not_confirmed(self):
        self.add_steps("confirm")
        self.deal()
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.order()._action_cancel()
        self.run_lane()
        self.assertEqual(self.steps("confirm").error_code, "not_ready")
        self.assertEqual(self.order().state, "cancel")

    def test_delivered_quantities_are_waited_for(self):
        self.products["SUP"].invoice_policy = "delivery"
        lines = [dict(self.lines()[2], Qty=2)]
        self.add_steps("confirm", "invoice")
        self.deal(Lines=lines, Untaxed=1000, TaxAmount=0, Total=1000)
        self.sync()
        job = self.steps("invoice")
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        self.assertIn("nothing can be invoiced yet", job.error_message)
        self.assertIn("[SUP] Product SUP is invoiced on delivered quantities: 0 of 2", job.exception_id.message)
        self.order().order_line.qty_delivered = 2
        job.exception_id.action_retry()
        self.run_lane()
        self.assertEqual(self.order().invoice_ids.amount_total, 1000)
        self.assertEqual(job.exception_id.state, "resolved")

    def test_what_can_be_invoiced_is_and_the_rest_follows(self):
        self.products["SUP"].invoice_policy = "delivery"
        self.add_steps("confirm", "invoice")
        self.deal()
        self.sync()
        job = self.steps("invoice")
        self.assertEqual(job.state, "done", job.error_message)
        self.assertIn("the rest of the order follows", job.summary)
        self.assertEqual(self.order().invoice_ids.amount_total, 2845.65)
        self.order().order_line[2].qty_delivered = 1
        self.again("invoice")
        self.assertEqual(sum(self.order().invoice_ids.mapped("amount_total")), 3345.65)

    def test_a_draft_that_somebody_started_is_left_to_him(self):
        self.add_steps("confirm", "invoice")
        self.deal()
        self.notify("Deal", "d1")
        self.lane._run_once()
        self.lane._run_once()
        self.order()._create_invoices()
        self.run_lane()
        job = self.steps("invoice")
        self.assertEqual(job.error_code, "not_ready")
        self.assertIn("draft invoices", job.error_message)

    def test_invoices_that_do_not_make_up_the_order_are_undone(self):
        self.add_steps("confirm")
        self.deal()
        self.sync()
        order = self.order()
        # The tax rises between two instalments: they cannot make up the order any more.
        first = order._create_invoices()
        first.invoice_line_ids[1:].unlink()
        first.action_post()
        self.tax.amount = 16
        self.assertEqual(order.amount_total, 3345.65, "the order stands as it was agreed")
        self.add_steps("invoice")
        self.flow.step_ids[-1]._enqueue_for(order, {order.id: self.jobs(kind="record")[:1]})
        self.run_lane()
        job = self.steps("invoice")
        self.assertEqual((job.state, job.error_code), ("failed", "amount_mismatch"), job.summary)
        self.assertIn("its invoices come to 3347.65, the order to 3345.65 (EUR)", job.error_message)
        self.assertEqual(order.invoice_ids, first)

    def test_an_unconfirmed_order_is_not_invoiced(self):
        self.add_steps("invoice")
        self.deal()
        self.sync()
        self.assertEqual(self.steps("invoice").error_code, "not_ready")
        self.assertFalse(self.order().invoice_ids)

    def test_returns_inside_the_order_are_on_the_invoice(self):
        lines = self.lines()
        lines[2]["Qty"] = -1
        self.add_steps("confirm", "invoice")
        self.deal(Lines=lines, Untaxed=1974.48, TaxAmount=371.17, Total=2345.65)
        self.sync()
        self.assertEqual(self.steps("invoice").state, "done", self.steps("invoice").error_message)
        self.assertEqual(self.order().invoice_ids.amount_total, 2345.65)

    def test_the_steps_are_for_orders(self):
        self.add_steps("confirm")
        with self.assertRaises(UserError):
            self.flow.step_ids._run(self.partner_a, self.env["sync.job"])
