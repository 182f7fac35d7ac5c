"""Lines of quotations that wait for an approval: all of a document's, or none."""

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .test_line_ledger import LineCase


@tagged("post_install", "-at_install")
class TestLineApproval(LineCase):
    """A quotation of three lines; prices of lines wait for an approval."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.anna = new_test_user(
            cls.env, "anna_lines",
            groups="base.group_user,sales_team.group_sale_manager,crm_sync_base.group_sync_approver",
            company_id=cls.company.id, company_ids=cls.company.ids,
        )  # fmt: skip
        cls.rule = cls.env["sync.approval.rule"].create({"name": "Prices", "category": "price"})

    def waiting(self):
        return self.env["sync.proposal"].search([("connection_id", "=", self.connection.id), ("state", "=", "pending")])

    def dearer(self, **data):
        """Let the source ask another price in line 1, and another quantity in line 2."""
        lines = self.lines()
        lines[0]["Price"], lines[1]["Qty"] = 1400, 12
        self.say(lines, **data)
        job = self.sync()
        self.assertEqual(job.state, "done", job.error_message)
        return self.waiting()

    def test_a_new_document_is_not_held_back(self):
        self.assertFalse(self.waiting())
        self.assertEqual(len(self.order().order_line), 3)

    def test_all_lines_wait_together_and_the_rest_is_applied(self):
        before = self.state()
        proposal = self.dearer(PO="PO-7")
        self.assertEqual(self.state(), before, "lines, totals and the source's totals stay together")
        self.assertEqual(self.order().client_order_ref, "PO-7")
        self.assertEqual((proposal.rule_id, proposal.res_id), (self.rule, self.order().id))
        rows = {row["label"]: (row["before"], row["after"]) for row in proposal.diff}
        self.assertEqual(rows["Line 1 [SRV] Product SRV: Unit Price"], ("1299.99", "1400"))
        self.assertEqual(rows["Line 2 [KIT] Product KIT: Quantity"], ("10", "12"))
        self.assertEqual(rows["Source Total"], ("3345.65", "3592.81"))
        self.assertIn("Line (waits for an approval)", self.jobs(kind="record", external_id="d1")[:1].summary)

    def test_approved_lines_are_written_exactly_and_at_once(self):
        proposal = self.dearer()
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((proposal.state, proposal.trouble), ("applied", False))
        lines, sums, source = self.state()
        self.assertEqual((lines["l1"][3], lines["l2"][2], lines["l3"][2]), (1400, 12, 1))
        self.assertEqual((sums[2], source[2]), (3592.81, "3592.81"))
        change = proposal.change_ids
        self.assertIn("Line 1 [SRV] Product SRV: Unit Price: 1299.99 → 1400", change.summary)
        self.assertEqual(change.user_id, self.anna)
        # The next document finds what was approved.
        lines_ = self.lines()
        lines_[0]["Price"], lines_[1]["Qty"] = 1400, 12
        self.say(lines_, PO="PO-8")
        self.sync()
        self.assertFalse(self.waiting())
        self.assertEqual(self.order().client_order_ref, "PO-8")

    def test_added_and_removed_lines_wait_and_are_bound_when_approved(self):
        first, second, _third = self.lines()
        self.say([first, second, {"Id": "l9", "Sku": "SUP", "Qty": 3, "Price": 99.5, "Tax": None}])
        before = self.state()
        self.sync()
        self.assertEqual(self.state(), before)
        self.waiting().with_user(self.anna).action_approve()
        self.assertEqual(set(self.state()[0]), {"l1", "l2", "l9"})
        self.assertEqual(self.state()[0]["l9"][6], (), "what is empty stays empty, whatever the product says")
        # Known again: the same line is changed, not added a second time.
        self.say([first, second, {"Id": "l9", "Sku": "SUP", "Qty": 4, "Price": 99.5, "Tax": None}])
        self.sync()
        self.assertFalse(self.waiting(), "a quantity is no price")
        self.assertEqual((len(self.order().order_line), self.state()[0]["l9"][2]), (3, 4))

    def test_another_product_brings_its_own_description_and_agreed_prices(self):
        lines = self.lines()
        lines[0]["Sku"], lines[1]["Sku"] = "SUP", "SRV"
        self.say(lines)
        self.sync()
        proposal = self.waiting()
        self.assertNotIn("Unit Price", proposal.digest, "what stays is not told")
        proposal.with_user(self.anna).action_approve()
        self.assertFalse(proposal.trouble)
        names = self.order().order_line.mapped("name")
        # Odoo describes the first, the source the second.
        self.assertEqual(names[:2], ["[SUP] Product SUP", "Kits, blue"])
        self.assertEqual(self.order().order_line.mapped("price_unit"), [1299.99, 19.95, 500.0])

    def test_rejected_lines_stay_as_odoo_has_them_and_do_not_come_again(self):
        before = self.state()
        proposal = self.dearer()
        proposal.with_user(self.anna)._reject("Not agreed")
        self.assertEqual((self.state(), proposal.state), (before, "rejected"))
        self.dearer(PO="PO-9")
        self.assertEqual((self.state(), self.order().client_order_ref), (before, "PO-9"))
        self.assertFalse(self.waiting(), "the same lines are not proposed again")
        lines = self.lines()
        lines[0]["Price"] = 1350
        self.say(lines)
        self.sync()
        self.assertTrue(self.waiting(), "others are")

    def test_what_nobody_gated_passes(self):
        lines = self.lines()
        lines[1]["Qty"] = 12
        self.say(lines)
        self.sync()
        self.assertFalse(self.waiting())
        self.assertEqual(self.state()[0]["l2"][2], 12)

    def test_a_later_word_of_the_source_replaces_the_earlier(self):
        first = self.dearer()
        lines = self.lines()
        lines[0]["Price"] = 1500
        self.say(lines)
        self.sync()
        second = self.waiting()
        self.assertEqual((first.state, len(second)), ("replaced", 1))
        self.assertIn("1299.99 → 1500", second.digest)
        self.deal()
        self.sync()
        self.assertEqual(second.state, "replaced", "the source came back to Odoo's lines")

    def test_lines_that_changed_in_odoo_meanwhile_are_shown_before_they_are_overwritten(self):
        proposal = self.dearer()
        self.by_hand(self.order().order_line[0], price_unit=1111)
        result = proposal.with_user(self.anna).action_approve()
        self.assertEqual((result["params"]["type"], self.order().order_line[0].price_unit), ("warning", 1111))
        self.run_lane()
        again = self.waiting()
        self.assertEqual(proposal.state, "replaced")
        self.assertIn("1111 → 1400", again.digest)
        again.with_user(self.anna).action_approve()
        self.assertEqual((again.state, self.state()[1][2]), ("applied", 3592.81))

    def test_a_line_that_somebody_added_meanwhile_is_noticed(self):
        proposal = self.dearer()
        self.order().order_line = [(0, 0, {"product_id": self.products["KIT"].id, "product_uom_qty": 1})]
        before = self.state()
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((self.state(), proposal.state), (before, "pending"))
        self.assertIn("do not equal the source quote's", proposal.trouble)

    def test_a_line_that_is_gone_meanwhile(self):
        proposal = self.dearer()
        self.order().order_line[0].unlink()
        proposal.with_user(self.anna).action_approve()
        self.run_lane()
        again = self.waiting()
        self.assertNotEqual(again, proposal)
        again.with_user(self.anna).action_approve()
        self.assertEqual((again.trouble, self.state()[1][2]), (False, 3592.81))

    def test_an_order_that_was_confirmed_meanwhile_is_not_changed(self):
        proposal = self.dearer()
        self.order().action_confirm()
        before = self.state()
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((self.state(), proposal.state), (before, "pending"))
        self.assertIn("Correct it by hand", proposal.trouble)
        proposal.with_user(self.anna)._reject("Agreed otherwise")
        self.assertEqual((self.state(), proposal.state), (before, "rejected"))

    def test_who_may_decide(self):
        proposal = self.dearer()
        for user in (self.clerk, new_test_user(self.env, "op", groups="crm_sync_base.group_sync_operator")):
            with self.subTest(user.login), self.assertRaises(AccessError):
                proposal.with_user(user).action_approve()

    def test_what_the_document_will_be_worth_counts_for_the_threshold(self):
        self.rule.threshold = 5000
        self.dearer()
        self.assertFalse(self.waiting(), "3,592.81 is less")

    def test_a_condition_on_lines_holds_for_those_lines(self):
        self.rule.write(
            {
                "category": "custom",
                "model_id": self.env.ref("sale.model_sale_order_line").id,
                "field_ids": [(6, 0, self.env.ref("sale.field_sale_order_line__price_unit").ids)],
                "domain": f"[('product_id', '=', {self.products['KIT'].id})]",
            }
        )
        self.assertFalse(self.dearer(), "line 1 is another product")
        lines = self.lines()
        lines[1]["Price"] = 21
        self.say(lines)
        self.sync()
        self.assertTrue(self.waiting())

    def test_taxes_are_gated_by_their_category(self):
        self.rule.category = "tax"
        lines = self.lines()
        lines[1]["Tax"] = None
        self.say(lines)
        self.sync()
        self.assertIn("Line 2 [KIT] Product KIT: Taxes: Fifteen → ∅", self.waiting().digest)

    def test_the_currency_waits_with_the_lines(self):
        self._currency("GBP")
        gbp = self.env["res.currency"].search([("name", "=", "GBP")])
        self.env["product.pricelist"].create({"name": "Pound", "currency_id": gbp.id, "company_id": self.company.id})
        before, proposal = self.state(), self.dearer(Currency="GBP")
        self.assertEqual((self.state(), self.order().currency_id), (before, self.eur))
        self.assertIn("q2c_currency_id", proposal.sudo().values)

    def test_an_undo_of_gated_lines_is_proposed(self):
        self.rule.active = False
        run = self.revised()
        after = self.state()
        self.rule.active = True
        line = self.line(self.undo(run))
        self.assertEqual((self.state(), line.verdict), (after, "left"))
        proposal = self.waiting()
        self.assertIn("Line 1 [SRV] Product SRV: Quantity: 5 → 2", proposal.digest)
        proposal.with_user(self.anna).action_approve()
        self.assertEqual((proposal.trouble, self.state()[1][2]), (False, 3345.65))

    def test_a_dry_run_proposes_nothing(self):
        self.flow.action_dry_run()
        lines = self.lines()
        lines[0]["Price"] = 1400
        self.say(lines)
        self.sync()
        self.assertFalse(self.waiting())
