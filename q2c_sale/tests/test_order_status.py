from datetime import date
from decimal import Decimal

from odoo import fields

from .common import DealCase


class TestOrderStatus(DealCase):
    """What goes back to the CRM is stored, right, and leaves by itself."""

    def setUp(self):
        super().setUp()
        self.add_steps("confirm", "invoice")
        self.deal()
        self.sync()
        self.sold = self.order()
        self.invoice = self.sold.invoice_ids

    def assertStatus(self, **expected):
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertRecordValues(self.sold, [{f"q2c_{name}": value for name, value in expected.items()}])

    def credit(self, amount=None):
        """Post a credit note, of everything or of so many units of the first line."""
        wizard = (
            self.env["account.move.reversal"]
            .with_context(active_model="account.move", active_ids=self.invoice.ids)
            .create({"journal_id": self.invoice.journal_id.id, "date": "2026-03-09"})
        )
        note = self.env["account.move"].browse(wizard.refund_moves()["res_id"])
        if amount is not None:
            note.invoice_line_ids = [
                fields.Command.delete(line.id) for line in note.invoice_line_ids[1:]
            ]
            note.invoice_line_ids.write({"quantity": 1, "price_unit": amount, "discount": 0, "tax_ids": False})
        note.action_post()
        return note

    def test_where_it_stands_in_words(self):
        name, invoice = self.sold.name, self.invoice.name
        self.assertStatus(
            progress=f"Order {name} is confirmed. 3345.65 EUR are invoiced ({invoice}), nothing is paid yet."
        )
        self.pay(self.invoice, 1000.0, "2026-03-01")
        self.assertStatus(progress=f"Order {name} is confirmed. 1000.00 EUR of 3345.65 EUR are paid ({invoice}).")
        self.pay(self.invoice, date="2026-03-15")
        self.assertStatus(progress=f"Order {name} is confirmed. 3345.65 EUR are invoiced and paid ({invoice}).")
        self.credit()
        self.assertIn("were reversed", self.sold.q2c_progress)

    def test_where_a_quotation_stands(self):
        quotation = self.sold.copy()
        self.assertEqual(quotation.q2c_progress, f"Quotation {quotation.name} is being prepared.")
        quotation.action_confirm()
        self.assertEqual(quotation.q2c_progress, f"Order {quotation.name} is confirmed. Nothing is invoiced yet.")
        quotation._create_invoices()
        self.assertIn("invoice is being prepared", quotation.q2c_progress)
        quotation.invoice_ids.button_cancel()
        quotation._action_cancel()
        self.assertEqual(quotation.q2c_progress, f"Order {quotation.name} was cancelled.")

    def test_it_is_said_in_the_companys_language_and_fits_into_a_line(self):
        self.assertTrue(self.env["res.lang"]._activate_lang("fr_FR"))
        order = self.sold.with_context(lang="fr_FR")
        order.name = "S" * 300
        self.env.flush_all()
        self.assertTrue(self.sold.q2c_progress.startswith("Order SSS"), "whoever caused the change")
        self.assertEqual(len(self.sold.q2c_progress), 255)

    def test_posted_and_not_paid(self):
        self.assertStatus(
            order_status="confirmed",
            invoice_names=self.invoice.name,
            invoice_status="posted",
            payment_status="not_paid",
            amount_invoiced=3345.65,
            amount_paid=0.0,
            last_payment_date=False,
        )

    def test_partly_paid_then_paid(self):
        self.pay(self.invoice, 1000.0, "2026-03-01")
        self.assertStatus(
            invoice_status="partly_paid",
            payment_status="partly_paid",
            amount_paid=1000.0,
            last_payment_date=date(2026, 3, 1),
        )
        self.pay(self.invoice, date="2026-03-15")
        self.assertStatus(
            invoice_status="paid",
            payment_status="paid",
            amount_invoiced=3345.65,
            amount_paid=3345.65,
            last_payment_date=date(2026, 3, 15),
        )

    def test_a_payment_that_is_taken_back(self):
        self.pay(self.invoice)
        self.invoice.line_ids.remove_move_reconcile()
        self.assertStatus(invoice_status="posted", payment_status="not_paid", amount_paid=0.0, last_payment_date=False)

    def test_a_payment_without_an_entry(self):
        """A journal without an outstanding account: the bank statement books it later."""
        self.inbound_payment_method_line.payment_account_id = False
        self.pay(self.invoice, 1345.65, "2026-03-02")
        self.assertStatus(amount_paid=1345.65, payment_status="partly_paid", last_payment_date=date(2026, 3, 2))

    def test_paid_by_a_bank_statement_line(self):
        line = self.env["account.bank.statement.line"].create(
            {
                "payment_ref": "transfer",
                "journal_id": self.company_data["default_journal_bank"].id,
                "amount": 3717.39,  # company currency: 3,345.65 EUR at 0.9
                "foreign_currency_id": self.eur.id,
                "amount_currency": 3345.65,
                "date": "2026-03-20",
            }
        )
        _liquidity, suspense, _other = line.with_context(skip_account_move_synchronization=True)._seek_for_lines()
        receivable = self.invoice.line_ids.filtered(lambda one: one.account_type == "asset_receivable")
        suspense.account_id = receivable.account_id
        (suspense + receivable).reconcile()
        self.assertStatus(
            invoice_status="paid", payment_status="paid", amount_paid=3345.65, last_payment_date=date(2026, 3, 20)
        )

    def test_reversed(self):
        note = self.credit()
        self.assertStatus(
            invoice_status="reversed",
            payment_status="reversed",
            amount_invoiced=0.0,
            amount_paid=0.0,
            invoice_names=f"{self.invoice.name}, {note.name}",
        )

    def test_partly_credited_and_paid_back(self):
        self.pay(self.invoice)
        note = self.credit(100.0)
        self.assertStatus(amount_invoiced=3245.65, amount_paid=3345.65, payment_status="paid")
        self.pay(note, date="2026-03-21")
        self.assertStatus(amount_invoiced=3245.65, amount_paid=3245.65)

    def test_one_invoice_for_two_orders(self):
        self.flow.step_ids.filtered(lambda step: step.action == "invoice").active = False
        line = self.lines()[2]
        for number, price in ((2, 100.0), (3, 300.0)):
            self.deal(f"d{number}", Lines=[dict(line, Id=f"x{number}", Price=price)],
                      Untaxed=price, TaxAmount=0, Total=price)
            self.sync(f"d{number}")
        orders = self.order("d2") + self.order("d3")
        invoice = orders._create_invoices()
        self.assertEqual(len(invoice), 1)
        invoice.action_post()
        self.pay(invoice, 200.0)
        self.env.flush_all()
        self.assertEqual(orders.mapped("q2c_amount_invoiced"), [100.0, 300.0])
        self.assertEqual(orders.mapped("q2c_amount_paid"), [50.0, 150.0])

    def test_delivery_and_cancellation(self):
        self.sold.order_line[0].qty_delivered = 2
        self.assertStatus(order_status="partly_delivered")
        self.sold.order_line[1].qty_delivered = 10
        self.sold.order_line[2].qty_delivered = 1
        self.assertStatus(order_status="delivered")
        self.invoice.button_draft()
        self.assertStatus(invoice_status="draft", payment_status="nothing_due", invoice_names=False)
        self.invoice.button_cancel()
        self.sold._action_cancel()
        self.assertStatus(order_status="cancelled", invoice_status="none", amount_invoiced=0.0)

    def test_a_payment_sends_the_status_to_the_crm(self):
        """Nobody writes on the order: the stored computes alone start the way out."""
        back = self.make_flow(
            [
                {"path": "InvoiceNumbers", "field": "q2c_invoice_names", "direction": "outbound"},
                {"path": "PaymentStatus", "field": "q2c_payment_status", "direction": "outbound"},
                {"path": "Paid", "field": "q2c_amount_paid", "transform": "number", "direction": "outbound"},
                {"path": "PaidOn", "field": "q2c_last_payment_date", "transform": "date", "direction": "outbound"},
            ],
            direction="outbound",
            handler="outbound",
            remote_object="Deal",
            model="sale.order",
            create_policy="never",
        )
        self.env.registry.clear_cache()
        self.env.flush_all()
        self.run_lane()
        self.remote.written.clear()
        self.pay(self.invoice, 1000.0)
        self.env.flush_all()
        self.env.cr.precommit.run()
        job = self.jobs(flow_id=back.id, state="pending")
        self.assertEqual((len(job), job.res_id), (1, self.sold.id))
        self.assertEqual(job.correlation_id, self.jobs(kind="record", external_id="d1").correlation_id)
        self.run_lane()
        [(name, external_id, values)] = self.remote.written
        self.assertEqual((name, external_id, Decimal(values.pop("Paid"))), ("Deal", "d1", 1000))
        self.assertEqual(
            values,
            {"InvoiceNumbers": self.invoice.name, "PaymentStatus": "partly_paid", "PaidOn": "2026-03-01"},
        )
