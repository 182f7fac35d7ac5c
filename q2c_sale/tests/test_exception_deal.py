from decimal import Decimal

from odoo.tests import tagged

from .common import DealCase


@tagged("post_install", "-at_install")
class TestExceptionDeal(DealCase):
    """A broken deal on the exception desk: what it is worth, and how it is mended from there."""

    def setUp(self):
        super().setUp()
        self.patch(
            self.registry["sync.connector.testcrm"],
            "_amount",
            lambda connector, connection, name, document: (
                Decimal(str(document.data["Total"])),
                document.data["Currency"],
            ),
        )

    def card_of(self, job):
        """Return the card on which a job waits."""
        self.assertEqual(job.state, "failed")
        return job.exception_id

    def test_an_unmapped_product_and_tax_are_one_dialog(self):
        lines = self.lines()
        lines[1].update(Sku="NEW", Tax="T-NEW")
        self.deal(Lines=lines)
        card = self.card_of(self.sync())
        self.assertEqual(card.subject, "Deal Aurora rollout")
        expected = self.company.currency_id.round(3345.65 / 0.9)
        self.assertEqual((card.amount_at_risk, card.currency_id), (expected, self.company.currency_id))
        self.assertEqual(
            {(fix.kind, fix.label, fix.value) for fix in card.fix_ids},
            {("identify", "Product", "NEW"), ("map", "Tax", "T-NEW")},
        )
        self.assertEqual(card.fix_kind, "dialog")
        wizard = self.env["sync.exception.fix.wizard"].browse(card.action_fix()["res_id"])
        tax_line = wizard.line_ids.filtered(lambda line: line.model == "account.tax")
        offered = self.env["account.tax"].search(tax_line.choices)
        self.assertIn(self.tax, offered)
        self.assertEqual(set(offered.mapped("type_tax_use")), {"sale"})
        tax_line.res_id = self.tax.id
        product = self._product("", 5.0, name="Kit, new")
        (wizard.line_ids - tax_line).res_id = product.id
        wizard.action_apply()
        self.assertEqual(product.default_code, "NEW")
        self.run_lane()
        self.assertEqual((card.state, card.closed_by), ("resolved", "self"))
        self.assertEqual(self.order().order_line[1].product_id, product)

    def test_a_customer_that_is_wrong_is_what_is_opened_at_the_source(self):
        self.patch(
            self.registry["sync.connector.testcrm"],
            "_record_url",
            lambda connector, connection, name, external_id: f"https://crm.example/{name}/{external_id}",
        )
        self.deal()
        self.remote.put("Account", "a1", Name="", Country="BE")
        card = self.card_of(self.sync())
        self.assertEqual((card.name, card.fix_kind), ("Account: Name is empty", "source"))
        self.assertEqual(card.action_fix()["url"], "https://crm.example/Account/a1")

    def test_a_deal_and_its_customer_that_are_both_wrong_lead_to_the_deal(self):
        self.patch(
            self.registry["sync.connector.testcrm"],
            "_record_url",
            lambda connector, connection, name, external_id: f"https://crm.example/{name}/{external_id}",
        )
        self.deal(Total=None)
        self.remote.put("Account", "a1", Name="", Country="BE")
        card = self.card_of(self.sync())
        self.assertIn("Account: Name is empty", card.message)
        self.assertEqual(card.action_fix()["url"], "https://crm.example/Deal/d1")

    def test_what_is_switched_off_is_opened(self):
        self.products["KIT"].active = False
        self.deal()
        card = self.card_of(self.sync())
        self.assertEqual(card.fix_kind, "record")
        action = card.action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("product.product", self.products["KIT"].id))
        self.products["KIT"].active = True
        card.invalidate_recordset(["fix_kind"])
        card.fix_ids.invalidate_recordset(["is_done"])
        self.assertEqual(card.fix_kind, "retry")

    def test_a_currency_without_a_pricelist_leads_to_a_new_one(self):
        self.pricelist_eur.active = False
        self.deal()
        card = self.card_of(self.sync())
        self.assertEqual(card.fix_ids.name, "Create a Pricelist for EUR")
        action = card.action_fix()
        self.assertEqual(action["context"], {"default_currency_id": self.eur.id})
        self.pricelist_eur.active = True
        card.fix_ids.invalidate_recordset(["is_done"])
        self.assertTrue(card.fix_ids.is_done)

    def test_an_unknown_currency_is_told_but_not_added_up(self):
        self.deal(Currency="XQX")
        job = self.sync()
        self.assertEqual((job.amount, job.amount_currency), ("3345.65", "XQX"))
        self.assertEqual(self.card_of(job).amount_at_risk, 0)

    def test_records_of_odoo_are_worth_what_is_open(self):
        self.deal()
        self.sync()
        order = self.order()
        self.assertEqual(order._sync_amount_at_risk(), (Decimal("3345.65"), "EUR"))
        order.action_confirm()
        invoice = order._create_invoices()
        self.assertEqual(invoice._sync_amount_at_risk(), (Decimal("3345.65"), "EUR"))
        partner = order.partner_id
        self.assertFalse(partner._sync_amount_at_risk()[0])
        invoice.action_post()
        worth, code = partner.with_company(self.company)._sync_amount_at_risk()
        self.assertEqual(code, self.company.currency_id.name)
        self.assertEqual(worth, Decimal(str(invoice.amount_residual_signed)))
