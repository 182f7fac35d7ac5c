from odoo.tests import new_test_user

from .common import DealCase


class TestOrderTrace(DealCase):
    def setUp(self):
        super().setUp()
        self.add_steps("confirm", "invoice")
        self.deal(PO="PO-4711")
        self.sync()
        self.invoice = self.order().invoice_ids
        self.payment = self.pay(self.invoice)
        self.story = self.jobs(kind="record", external_id="d1").correlation_id

    def test_invoices_and_payments_belong_to_the_orders_story(self):
        self.assertEqual(self.order()._sync_correlations(), {self.order().id: self.story})
        self.assertEqual(self.invoice._sync_correlations(), {self.invoice.id: self.story})
        self.assertEqual(self.payment._sync_correlations(), {self.payment.id: self.story})
        unrelated = self.init_invoice("out_invoice", partner=self.partner_a, amounts=[10.0], post=True)
        self.assertEqual((self.invoice + unrelated)._sync_correlations(), {self.invoice.id: self.story})

    def test_the_story_is_found_by_every_name(self):
        trace = self.env["sync.trace"]
        expected = trace.get_trace(self.story)
        self.assertTrue(expected["lines"])
        for query in (self.order().name, "po-4711", "Q-1001", "Aurora rollout", self.invoice.name, "d1"):
            found = trace.get_trace(query)
            self.assertEqual(found["lines"], expected["lines"], query)
        self.assertTrue(trace.get_trace("no such thing")["problem"])

    def test_documents_lead_from_the_order_to_the_payment(self):
        documents = self.env["sync.trace"].get_trace(self.order().name)["documents"]
        rows = [(document["model"], document["res_id"]) for document in documents]
        for record in (self.order(), self.invoice, self.payment):
            self.assertEqual(rows.count((record._name, record.id)), 1)
        places = [rows.index((record._name, record.id)) for record in (self.order(), self.invoice, self.payment)]
        self.assertEqual(places, sorted(places))

    def test_who_may_not_read_invoices_is_shown_none(self):
        user = new_test_user(
            self.env,
            login="q2c_onlooker",
            groups="crm_sync_base.group_sync_user",
            company_id=self.company.id,
            company_ids=[(6, 0, self.company.ids)],
        )
        found = self.env(user=user)["sync.trace"].get_trace(self.story)
        self.assertTrue(found["lines"])
        models = {document["model"] for document in found["documents"]}
        self.assertFalse(models & {"account.move", "account.payment"})
        self.assertTrue(self.env(user=user)["sync.trace"].get_trace(self.invoice.name)["problem"])
