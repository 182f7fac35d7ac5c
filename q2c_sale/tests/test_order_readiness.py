from .common import DealCase


class TestOrderReadiness(DealCase):
    def test_everything_is_named_at_once(self):
        """An unmapped product, a missing tax, an unknown currency and more, in one go."""
        lines = self.lines()
        lines[0]["Sku"] = "NOPE"
        lines[1]["Tax"] = "T99"
        lines[2].update(Discount=0.125, Price=None)
        self.deal(Lines=lines, Currency="XXX", Total=3345.66, AccountId=None)
        job = self.sync()
        self.assertBlocked(
            job,
            "“NOPE”",
            "“T99”",
            "“XXX”",
            "there is no customer",
            "Line 3: there is no unit price",
            "0.125 has more digits",
            "untaxed 2974.48 and tax 371.17 make 3345.65, its total is 3345.66",
        )
        self.assertIn("7 things are missing", job.error_message)

    def test_an_inactive_currency_is_told_from_an_unknown_one(self):
        self.env["product.pricelist"].search([("currency_id", "=", self.eur.id)]).action_archive()
        self.eur.active = False
        self.deal()
        self.assertBlocked(self.sync(), "the Currency “EUR” is switched off in Odoo")

    def test_a_currency_needs_a_pricelist(self):
        self.pricelist_eur.active = False
        self.deal()
        self.assertBlocked(self.sync(), "there is no pricelist in EUR", self.company.name)

    def test_a_pricelist_of_another_company_does_not_help(self):
        self.pricelist_eur.company_id = self.env["res.company"].create({"name": "Elsewhere"})
        self.counted = self.count()  # a company is a partner, too
        self.deal()
        self.assertBlocked(self.sync(), "there is no pricelist in EUR")

    def test_the_companys_currency_needs_none(self):
        self.env["product.pricelist"].search([]).action_archive()
        self.deal(Currency=self.company.currency_id.name)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.order().currency_id, self.company.currency_id)

    def test_an_empty_currency_is_not_guessed(self):
        self.deal(Currency=None)
        self.assertBlocked(self.sync(), "there is no currency")

    def test_an_archived_product(self):
        self.products["KIT"].active = False
        self.deal()
        self.assertBlocked(self.sync(), "“KIT” is switched off in Odoo")

    def test_a_product_of_another_company(self):
        self.products["KIT"].company_id = self.env["res.company"].create({"name": "Elsewhere"})
        self.counted = self.count()  # a company is a partner, too
        self.deal()
        self.assertBlocked(self.sync(), "Line 2: the product", "belongs to another company")

    def test_no_lines(self):
        self.deal(Lines=[])
        self.assertBlocked(self.sync(), "there is not a single line")

    def test_an_unknown_customer(self):
        self.deal(AccountId="gone")
        self.assertBlocked(self.sync(), "the Account no longer exists at the provider")

    def test_a_customer_that_cannot_be_written(self):
        self.deal()
        self.remote.put("Account", "a1", Name="", Country="ZZ")
        self.assertBlocked(self.sync(), "Name is empty", "ZZ")

    def test_a_tax_amount_without_a_tax(self):
        self.deal(Lines=[dict(line, Tax=None) for line in self.lines()])
        self.assertBlocked(self.sync(), "the source has 371.17 of tax, but no line has a tax")

    def test_a_tax_that_cannot_be_used(self):
        purchase = self._tax("Bought", 15, type_tax_use="purchase")
        self.taxes.line_ids.record_ref = f"account.tax,{purchase.id}"
        self.deal()
        self.assertBlocked(self.sync(), "the tax Bought is not for sales")
        self.tax.active = False
        self.taxes.line_ids.record_ref = f"account.tax,{self.tax.id}"
        self.deal()
        self.assertBlocked(self.sync(), "the tax Fifteen is switched off")

    def test_no_total(self):
        self.deal(Total=None)
        self.assertBlocked(self.sync(), "there is no total to compare with")

    def test_totals_that_the_currency_cannot_hold(self):
        self.deal(Untaxed=2974.481, Total=3345.651)
        self.assertBlocked(self.sync(), "Subtotal 2974.481 has more digits than EUR", "Grand total 3345.651")

    def test_amounts_that_a_float_cannot_hold(self):
        self.deal(Untaxed="90071992547409.93", TaxAmount=0, Total="90071992547409.93")
        self.assertBlocked(self.sync(), "90071992547409.93 has more digits than EUR")

    def test_a_price_and_a_quantity_with_too_many_digits(self):
        lines = self.lines()
        lines[0]["Price"] = "1299.990000000000000001"
        lines[1]["Qty"] = 10.12345
        self.deal(Lines=lines)
        self.assertBlocked(
            self.sync(),
            "Line 1: Unit Price 1299.990000000000000001 has more digits",
            "Line 2: Quantity 10.12345 has more digits",
        )

    def test_a_discount_of_more_than_everything(self):
        lines = self.lines()
        lines[0]["Discount"] = 101
        self.deal(Lines=lines)
        self.assertBlocked(self.sync(), "Line 1: the discount is 101 %")

    def test_what_is_no_amount(self):
        lines = self.lines()
        lines[0]["Price"] = "12,50"
        self.deal(Lines=lines, Total="a lot")
        self.assertBlocked(self.sync(), "12,50", "a lot")

    def test_a_line_without_an_id(self):
        lines = self.lines()
        del lines[1]["Id"]
        self.deal(Lines=lines)
        self.assertBlocked(self.sync(), "Line 2: it has no id of its own")

    def test_a_mapping_that_does_not_identify_lines(self):
        with self.changed_mapping(self.flow) as mapping:
            mapping.rule_ids.filtered(lambda rule: rule.transform == "lines").child_object = False
        self.counted = self.count()  # the reviewer is a partner, too
        self.deal()
        self.assertBlocked(self.sync(), "does not say what identifies a line")

    def test_correcting_it_at_the_source_resolves_the_exception(self):
        self.deal(Currency="XXX")
        exception = self.sync().exception_id
        self.deal()
        exception.action_retry()
        self.run_lane()
        self.assertEqual(exception.state, "resolved")
        self.assertEqual(self.order().q2c_totals_state, "equal")
