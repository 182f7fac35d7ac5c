from odoo.tests import tagged

from .common import DealCase


@tagged("post_install", "-at_install")
class TestUndoOfDeals(DealCase):
    """Undoing a run that brought deals: quotations, confirmed and invoiced orders."""

    def load(self):
        """Bring the deal by a first load; returns the run."""
        self.deal()
        run = self.env["sync.run"]._start_pass(self.flow, dry_run=False)
        return self.finish(run)

    def finish(self, run):
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        return run

    def undo(self, run):
        return self.finish(run._start_undo())

    def line(self, run):
        return run.line_ids.filtered(lambda line: line.model == "sale.order")

    def test_a_quotation_is_cancelled_and_its_customer_archived(self):
        run = self.load()
        order = self.order()
        customer = order.partner_id
        undo = self.undo(run)
        self.assertEqual((order.state, customer.active, undo.withdraw_count), ("cancel", False, 2))
        again = self.undo(undo)
        self.assertEqual((order.state, customer.active, again.restore_count), ("draft", True, 2))

    def test_a_confirmed_order_goes_back_through_its_steps(self):
        self.add_steps("confirm")
        run = self.load()
        order = self.order()
        self.assertEqual(order.state, "sale")
        undo = self.undo(run)
        self.assertEqual(self.line(undo).verdict, "proposed")
        self.assertIn("steps", self.line(undo).reason)
        self.run_lane()
        self.assertEqual(order.state, "cancel")

    def test_a_posted_invoice_is_not_touched_and_a_credit_note_is_prepared(self):
        self.add_steps("confirm", "invoice")
        run = self.load()
        order = self.order()
        invoice = order.invoice_ids
        self.assertEqual(invoice.state, "posted")
        self.undo(run)
        self.run_lane()
        self.assertEqual((invoice.state, order.state), ("posted", "sale"))
        credit = invoice.reversal_move_ids
        self.assertEqual((credit.state, credit.amount_total), ("draft", invoice.amount_total))
        self.assertIn("Undo of a run: check the reversal", order.activity_ids.mapped("summary"))

    def test_an_order_that_was_confirmed_by_hand_is_left_as_it_is_in_its_fields(self):
        run = self.load()
        order = self.order()
        order.action_confirm()
        self.assertIn(order.name, order._sync_undo_refusal({"client_order_ref": "x"}))
        undo = self.undo(run)
        self.assertIn(self.line(undo).verdict, ("withdraw", "left"))

    def test_of_a_posted_entry_a_reversal_is_prepared_once(self):
        self.add_steps("confirm", "invoice")
        self.load()
        invoice = self.order().invoice_ids
        first, second = invoice._sync_set_aside(), invoice._sync_set_aside()
        self.assertFalse(first.changes or second.changes)
        self.assertEqual((invoice.state, len(invoice.reversal_move_ids)), ("posted", 1))
        self.assertIn(invoice.name, first.note)
        self.assertIn(invoice.name, invoice._sync_undo_refusal({"ref": "x"}))

    def test_a_draft_invoice_is_cancelled_and_brought_back(self):
        invoice = self.init_invoice("out_invoice", amounts=[100.0], post=False)
        aside = invoice._sync_set_aside()
        self.assertEqual((dict(aside.changes), invoice._sync_is_set_aside()), ({"state": ("draft", "cancel")}, True))
        self.assertEqual(invoice._sync_bring_back({})["state"], ("cancel", "draft"))

    def test_a_booked_payment_is_not_touched(self):
        self.add_steps("confirm", "invoice")
        self.load()
        payment = self.pay(self.order().invoice_ids)
        state = payment.state
        aside = payment._sync_set_aside()
        self.assertEqual((payment.state, dict(aside.changes)), (state, {}))
        self.assertTrue(aside.note)
        self.assertIn("booked", payment._sync_undo_refusal({"memo": "x"}))
