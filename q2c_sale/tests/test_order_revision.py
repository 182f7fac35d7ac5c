from .common import DealCase


class TestOrderRevision(DealCase):
    """A confirmed order is what was agreed: the source cannot change it by itself."""

    def setUp(self):
        super().setUp()
        self.deal()
        self.sync()
        self.confirmed = self.order()
        self.confirmed.action_confirm()
        self.counted = self.count()

    def revise(self, **data):
        self.deal(**data)
        return self.sync()

    def snapshot(self):
        order = self.confirmed
        lines = order.order_line.read(["product_id", "product_uom_qty", "price_unit", "discount", "tax_ids", "name"])
        return lines, order.partner_id, order.amount_total, order.q2c_source_total, order.date_order

    def test_other_fields_pass(self):
        before = self.snapshot()
        job = self.revise(Name="Aurora rollout, phase 1", PO="PO-77")
        self.assertEqual(job.state, "done", job.error_message)
        self.assertRecordValues(
            self.confirmed, [{"q2c_source_name": "Aurora rollout, phase 1", "client_order_ref": "PO-77"}]
        )
        self.assertEqual(self.snapshot(), before)

    def test_a_revision_is_blocked_and_every_difference_named(self):
        before = self.snapshot()
        lines = self.lines()
        lines[0].update(Qty=3, Discount=10)
        lines[1].update(Sku="SUP", Tax=None)
        del lines[2]
        lines.append({"Id": "l9", "Sku": "KIT", "Qty": 1, "Price": 1})
        self.remote.put("Account", "a2", Name="Borealis Foods")
        job = self.revise(Lines=lines, AccountId="a2", Untaxed=3710.47, TaxAmount=526.5, Total=4236.97)
        self.assertEqual((job.state, job.error_code), ("failed", "policy_blocked"))
        for text in (
            f"after its order {self.confirmed.name} was confirmed",
            "Customer: Aurora Foods in Odoo",
            "Untaxed Amount: 2974.48 in Odoo, 3710.47 at the source (EUR)",
            "Total: 3345.65 in Odoo, 4236.97 at the source (EUR)",
            "line 1, Quantity: 2 in Odoo, 3 at the source",
            "line 1, Discount (%): 12.5 in Odoo, 10 at the source",
            "line 2, Product: [KIT] Product KIT in Odoo, [SUP] Product SUP at the source",
            "line 2, Taxes: Fifteen in Odoo, ∅ at the source",
            "line 3 is new: [KIT]",
            "line removed: [SUP]",
        ):
            self.assertIn(text, job.error_message)
        self.assertEqual(self.snapshot(), before)
        self.assertEqual(self.count(), self.counted)

    def test_equal_totals_do_not_hide_a_changed_line(self):
        lines = self.lines()
        lines[2]["Sku"] = "KIT"
        job = self.revise(Lines=lines)
        self.assertEqual((job.state, job.error_code), ("failed", "policy_blocked"))
        self.assertIn("line 3, Product", job.error_message)

    def test_the_revision_passes_once_the_order_says_the_same(self):
        lines = self.lines()
        lines[0]["Qty"] = 3
        revised = {"Lines": lines, "Untaxed": 4111.97, "TaxAmount": 541.8, "Total": 4653.77}
        job = self.revise(**revised)
        self.assertEqual(job.error_code, "policy_blocked")
        self.confirmed.order_line[0].product_uom_qty = 3
        exception = job.exception_id
        exception.action_retry()
        self.run_lane()
        self.assertEqual(exception.state, "resolved", self.jobs(external_id="d1")[:1].error_message)
        self.assertRecordValues(
            self.confirmed, [{"q2c_source_total": "4653.77", "amount_total": 4653.77, "q2c_totals_state": "equal"}]
        )

    def test_a_change_in_odoo_does_not_block_other_fields(self):
        self.confirmed.order_line[0].product_uom_qty = 7
        job = self.revise(Name="Renamed")
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.confirmed.order_line[0].product_uom_qty, 7)
        self.assertEqual(self.confirmed.q2c_source_name, "Renamed")
        self.assertEqual(self.confirmed.q2c_totals_state, "different")

    def test_new_ids_of_the_same_lines_are_no_change(self):
        lines = [dict(line, Id=f"new-{line['Id']}") for line in self.lines()]
        job = self.revise(Lines=lines)
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(len(self.confirmed.order_line), 3)

    def test_a_cancelled_order_is_not_brought_back(self):
        self.confirmed._action_cancel()
        lines = self.lines()
        lines[0]["Qty"] = 3
        job = self.revise(Lines=lines, Untaxed=4111.97, TaxAmount=541.8, Total=4653.77)
        self.assertEqual(job.error_code, "policy_blocked")
        self.assertIn("was cancelled", job.error_message)
        self.assertEqual(self.confirmed.state, "cancel")

    def test_a_product_archived_since_does_not_block_other_fields(self):
        by_map = self.env["sync.value.map"].create(
            {
                "name": "Products",
                "connection_id": self.connection.id,
                "line_ids": [
                    (0, 0, {"remote_value": code, "record_ref": f"product.product,{product.id}"})
                    for code, product in self.products.items()
                ],
            }
        )
        with self.changed_mapping(self.flow) as mapping:
            rule = mapping.rule_ids.child_ids.filtered(lambda rule: rule.field_name == "product_id")
            rule.write({"transform": "value_map", "value_map_id": by_map.id})
        self.products["SUP"].active = False
        job = self.revise(Name="Renamed")
        self.assertEqual(job.state, "done", job.error_message)
