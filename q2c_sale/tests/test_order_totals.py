from odoo import fields

from .common import DealCase


class TestOrderTotals(DealCase):
    def assertTotals(self, order, untaxed, tax, total):
        self.assertRecordValues(
            order, [{"amount_untaxed": untaxed, "amount_tax": tax, "amount_total": total, "q2c_totals_state": "equal"}]
        )

    def test_a_deal_becomes_an_order_with_equal_totals(self):
        self.deal()
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        order = self.order()
        self.assertTotals(order, 2974.48, 371.17, 3345.65)
        self.assertRecordValues(
            order,
            [
                {
                    "state": "draft",
                    "currency_id": self.eur.id,
                    "pricelist_id": self.pricelist_eur.id,
                    "company_id": self.company.id,
                    "q2c_source_name": "Aurora rollout",
                    "q2c_source_reference": "Q-1001",
                    "q2c_source_untaxed": "2974.48",
                    "q2c_source_tax": "371.17",
                    "q2c_source_total": "3345.65",
                    "user_id": False,
                }
            ],
        )
        self.assertEqual(order.partner_id.name, "Aurora Foods")
        self.assertRecordValues(
            order.order_line,
            [
                {"product_uom_qty": 2.0, "price_unit": 1299.99, "discount": 12.5, "tax_ids": self.tax.ids},
                {"product_uom_qty": 10.0, "price_unit": 19.95, "discount": 0.0, "tax_ids": self.tax.ids},
                {"product_uom_qty": 1.0, "price_unit": 500.0, "discount": 0.0, "tax_ids": []},
            ],
        )
        self.assertEqual(order.order_line[1].name, "Kits, blue")
        self.assertIn("Product SRV", order.order_line[0].name)

    def test_the_same_deal_again_changes_nothing(self):
        self.deal()
        self.sync()
        lines = self.order().order_line.ids
        for _repeat in range(3):
            self.deal()
            self.assertEqual(self.sync().state, "done")
        self.assertEqual(self.order().order_line.ids, lines)
        self.assertEqual(self.env["sale.order"].search_count([("company_id", "=", self.company.id)]), 1)

    def test_a_cent_is_a_mismatch_and_nothing_stays(self):
        self.deal(TaxAmount=371.18, Total=3345.66)
        job = self.sync()
        self.assertBlocked(job, "371.17 in Odoo, 371.18 at the source", "3345.65 in Odoo, 3345.66 at the source", "EUR")
        self.assertEqual(job.error_code, "amount_mismatch")
        self.assertIn("3345.66", job.exception_id.message)

    def test_the_reason_is_named_by_line(self):
        lines = self.lines()
        lines[0]["Subtotal"] = 2274.98
        lines[1]["Subtotal"] = 190.0
        self.deal(Lines=lines, Untaxed=2964.98, TaxAmount=371.17, Total=3336.15)
        job = self.sync()
        self.assertBlocked(job, "[KIT]", "199.50 in Odoo, 190.00 at the source")
        self.assertNotIn("[SRV]", job.error_message)

    def test_a_wrong_deal_does_not_stop_the_right_ones(self):
        for number in range(4):
            self.deal(f"d{number}", **({"TaxAmount": 1, "Total": 2975.48} if number == 2 else {}))
        self.notify("Deal", *[f"d{number}" for number in range(4)])
        self.run_lane()
        self.assertEqual(self.jobs(kind="record", state="failed").external_id, "d2")
        self.assertEqual(self.env["sale.order"].search_count([("company_id", "=", self.company.id)]), 3)

    def test_pricelists_discounts_and_fiscal_positions_keep_out(self):
        """Odoo would have its own price, discount and tax for each of these lines."""
        self.env["res.config.settings"].create(
            {"group_product_pricelist": True, "group_discount_per_so_line": True}
        ).execute()
        self.env["product.pricelist.item"].create(
            {
                "pricelist_id": self.pricelist_eur.id,
                "applied_on": "3_global",
                "compute_price": "percentage",
                "percent_price": 33.0,
            }
        )
        other = self._tax("Ninety", 90)
        position = self.env["account.fiscal.position"].create(
            {
                "name": "Maps everything",
                "auto_apply": True,
                "country_id": self.env.ref("base.us").id,
                "company_id": self.company.id,
            }
        )
        other.write({"fiscal_position_ids": position.ids, "original_tax_ids": self.tax.ids})
        self.products["SRV"].taxes_id = self.tax
        self.deal()
        self.sync()
        order = self.order()
        self.assertEqual(order.fiscal_position_id, position, "else the test proves nothing")
        self.assertTotals(order, 2974.48, 371.17, 3345.65)
        control = self.env["sale.order"].create(
            {
                "partner_id": order.partner_id.id,
                "pricelist_id": self.pricelist_eur.id,
                "order_line": [fields.Command.create({"product_id": self.products["SRV"].id})],
            }
        )
        self.assertEqual((control.order_line.discount, control.order_line.tax_ids), (33.0, other))

    def test_an_agreed_price_survives_a_new_quantity(self):
        lines = self.lines()
        lines[2]["Price"] = 0  # free of charge is agreed, too
        self.deal(Lines=lines, Untaxed=2474.48, TaxAmount=371.17, Total=2845.65)
        self.sync()
        order = self.order()
        for line in order.order_line:
            line.product_uom_qty += 1
        self.assertEqual(order.order_line.mapped("price_unit"), [1299.99, 19.95, 0.0])
        self.assertEqual(order.q2c_totals_state, "different")

    def test_the_customers_own_pricelist_is_taken_in_the_right_currency_only(self):
        self.env["res.config.settings"].create({"group_product_pricelist": True}).execute()
        dollars = self.env["product.pricelist"].create(
            {"name": "USD", "currency_id": self.company.currency_id.id, "company_id": self.company.id}
        )
        special = self.pricelist_eur.copy({"name": "Special"})
        self.deal()
        self.sync()
        partner = self.order().partner_id.with_company(self.company)
        for own, expected in ((special, special), (dollars, self.pricelist_eur)):
            partner.property_product_pricelist = own
            self.deal(f"d-{own.id}")
            self.sync(f"d-{own.id}")
            order = self.order(f"d-{own.id}")
            self.assertEqual((order.pricelist_id, order.currency_id), (expected, self.eur))

    def test_a_draft_follows_the_source(self):
        self.deal()
        self.sync()
        order = self.order()
        self.remote.put("Account", "a2", Name="Borealis Foods")
        lines = self.lines()[1:]
        lines[0]["Qty"] = 20
        lines.append({"Id": "l4", "Sku": "SRV", "Qty": 1, "Price": 10, "Tax": "T15"})
        self.deal(AccountId="a2", Lines=lines, Untaxed=909, TaxAmount=61.35, Total=970.35)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.order(), order)
        self.assertTotals(order, 909.0, 61.35, 970.35)
        self.assertEqual(order.partner_id.name, "Borealis Foods")
        self.assertEqual(order.currency_id, self.eur)
        self.assertEqual(order.order_line.product_id.mapped("default_code"), ["KIT", "SUP", "SRV"])

    def test_a_draft_changes_its_currency_with_the_source(self):
        self.deal()
        self.sync()
        self.deal(Currency=self.company.currency_id.name)
        self.assertEqual(self.sync().state, "done")
        self.assertEqual(self.order().currency_id, self.company.currency_id)
        self.assertTotals(self.order(), 2974.48, 371.17, 3345.65)

    def test_a_currency_without_decimals(self):
        yen = self._currency("JPY")
        self.env["product.pricelist"].create(
            {"name": "Yen", "currency_id": yen.id, "company_id": self.company.id}
        )
        lines = [{"Id": "l1", "Sku": "SRV", "Qty": 3, "Price": 333, "Discount": 5, "Tax": "T15"}]
        self.deal(Currency="JPY", Lines=lines, Untaxed=949, TaxAmount=142, Total=1091)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertTotals(self.order(), 949, 142, 1091)
        self.assertEqual(self.order().q2c_source_total, "1091")

    def test_taxes_of_the_whole_quote_go_to_the_lines_that_have_none(self):
        rule = {"path": "TaxCode", "field": "q2c_tax_ids", "transform": "value_map", "value_map": "Taxes"}
        with self.changed_mapping(self.flow) as mapping:
            self.env["sync.flow.template"]._create_rule(self.connection, mapping, rule, 5)
        lines = [dict(line, Tax=None) for line in self.lines()]
        self.deal(Lines=lines, TaxCode="T15", TaxAmount=446.17, Total=3420.65)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertTotals(self.order(), 2974.48, 446.17, 3420.65)

    def test_without_a_rule_odoo_decides_the_taxes(self):
        with self.changed_mapping(self.flow) as mapping:
            rules = mapping.rule_ids.child_ids
            rules.filtered(lambda rule: rule.field_name == "tax_ids").unlink()
        for product in self.products.values():
            product.taxes_id = self.tax
        self.deal(TaxAmount=446.17, Total=3420.65)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.order().order_line.tax_ids, self.tax)

    def test_dry_run_plans_and_writes_nothing(self):
        self.flow.action_dry_run()
        self.deal()
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.count(), self.counted)
        self.assertTrue(self.env["sync.change"].search([("external_id", "=", "d1"), ("verdict", "=", "planned")]))

    def test_the_salesperson_is_the_customers_and_never_the_service_user(self):
        seller = self.simple_accountman
        self.deal()
        self.sync()
        self.order().partner_id.user_id = seller
        self.deal("d2")
        self.sync("d2")
        self.assertEqual(self.order("d2").user_id, seller)

    def test_what_is_empty_at_the_source_is_filled_in_by_odoo(self):
        with self.changed_mapping(self.flow) as mapping:
            for path, field in (("ShipTo", "partner_shipping_id"), ("Date", "date_order")):
                rule = {"path": path, "field": field, "transform": "reference", "argument": "Account"}
                if field == "date_order":
                    rule.update(transform="datetime", argument=False)
                self.env["sync.flow.template"]._create_rule(self.connection, mapping, rule, 99)
        self.remote.put("Account", "a2", Name="Warehouse")
        self.deal(ShipTo=None, Date=None)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        order = self.order()
        self.assertEqual(order.partner_shipping_id, order.partner_id)
        self.assertTrue(order.date_order)
        self.deal(ShipTo="a2", Date="2026-02-03T10:00:00.000+0000")
        self.sync()
        self.assertEqual(order.partner_shipping_id.name, "Warehouse")
        self.assertEqual(fields.Datetime.to_string(order.date_order), "2026-02-03 10:00:00")
        self.deal(ShipTo=None, Date="2026-02-03T10:00:00.000+0000")
        self.assertEqual(self.sync().state, "done")

    def test_planning_costs_no_queries_for_each_deal(self):
        self.flow.action_dry_run()

        def cost(prefix, count):
            for number in range(count):
                self.deal(f"{prefix}{number}")
            self.notify("Deal", *[f"{prefix}{number}" for number in range(count)])
            self.flow.batch_size = count
            self.env.flush_all()
            self.env.invalidate_all()
            start = self.env.cr.sql_log_count
            self.run_lane()
            return self.env.cr.sql_log_count - start

        cost("warm", 3)
        self.assertLess(cost("large", 40) - cost("small", 10), 15)
