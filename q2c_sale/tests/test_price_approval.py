from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user
from odoo.tools import mute_logger
from psycopg2.errors import CheckViolation

from .common import DealCase


class TestPriceApproval(DealCase):
    """Deals whose prices are not the pricelist's: nobody confirms them before somebody has looked."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pricelist_eur.item_ids = [
            fields.Command.create(
                {"applied_on": "0_product_variant", "product_id": cls.products[code].id,
                 "compute_price": "fixed", "fixed_price": price}
            )
            for code, price in (("SRV", 1137.49), ("KIT", 19.95), ("SUP", 500.0))
        ]
        cls.flow.write({"check_prices": True, "price_tolerance": 5.0})
        cls.approver, cls.seller = (
            new_test_user(
                cls.env, login, company_id=cls.company.id,
                groups="base.group_user,sales_team.group_sale_salesman_all_leads,crm_sync_base.group_sync_approver",
            )
            for login in ("price_approver", "price_seller")
        )

    def setUp(self):
        super().setUp()
        self.add_steps("confirm")

    def cheaper(self, by="450.00"):
        """Make the list price of the third line so many, and bring the deal in."""
        item = self.pricelist_eur.item_ids.filtered(lambda one: one.product_id == self.products["SUP"])
        item.fixed_price = float(by)
        self.deal()
        return self.sync()

    def approval(self):
        return self.order().q2c_price_approval_ids[:1]

    def step(self):
        return self.jobs(kind="step").sorted("id")[-1:]

    def test_prices_within_the_tolerance_need_nobody(self):
        self.cheaper("480.00")  # 500 is 4.17 % more
        self.assertEqual((self.order().state, len(self.approval())), ("sale", 0))

    def test_nothing_is_compared_where_nobody_wants_it(self):
        self.flow.check_prices = False
        self.cheaper("1.00")
        self.assertEqual((self.order().state, len(self.approval())), ("sale", 0))

    def test_an_order_waits_and_goes_on_by_itself(self):
        self.assertEqual(self.cheaper().state, "done", "the quotation is there all the same")
        order, approval = self.order(), self.approval()
        self.assertEqual((order.state, approval.state, approval.amount), ("draft", "pending", 50.0))
        self.assertEqual(
            [(row["before"], row["after"]) for row in approval.diff], [("450.00", "500.00")]
        )
        self.assertIn(self.approver, approval.activity_ids.user_id)
        self.assertEqual(self.step().state, "failed")
        self.assertIn("500.00 instead of 450.00", self.step().error_message)
        approval.with_user(self.approver).action_approve()
        self.run_lane()
        self.assertEqual((approval.state, approval.decided_by_id, order.state), ("approved", self.approver, "sale"))
        self.assertFalse(approval.activity_ids)
        self.assertIn("has approved the prices", " ".join(order.message_ids.mapped("body")))

    def test_old_decisions_are_forgotten_by_the_retention_of_the_financial_log(self):
        self.cheaper()
        approval = self.approval()
        approval.with_user(self.approver).action_approve()
        approval._gc_decisions()
        self.assertTrue(approval.exists())
        long_ago = fields.Datetime.subtract(fields.Datetime.now(), days=3651)
        approval.write({"requested_at": long_ago, "decided_at": long_ago})
        approval._gc_decisions()
        self.assertFalse(approval.exists())

    def test_what_waits_is_not_forgotten(self):
        self.cheaper()
        approval = self.approval()
        approval.requested_at = fields.Datetime.subtract(fields.Datetime.now(), days=3651)
        approval._gc_decisions()
        self.assertTrue(approval.exists())

    def test_a_person_does_not_go_past_the_approval(self):
        self.cheaper()
        order = self.order()
        with self.assertRaisesRegex(UserError, "differ from the pricelist and wait for an approval"):
            order.action_confirm()
        self.approval().with_user(self.approver).action_approve()
        order.action_confirm()
        self.assertEqual(order.state, "sale")

    def test_other_prices_are_another_question(self):
        self.cheaper()
        first = self.approval()
        lines = self.lines()
        lines[2]["Price"] = 600.0
        self.deal(Lines=lines, Untaxed=3074.48, Total=3445.65)
        self.sync()
        second = self.approval()
        self.assertNotEqual(first, second)
        self.assertEqual((first.state, second.state, second.amount), ("replaced", "pending", 150.0))
        with self.assertRaisesRegex(UserError, "do not wait for a decision"):
            first.with_user(self.approver).action_approve()

    def test_what_comes_back_to_the_list_waits_no_more(self):
        self.cheaper()
        first = self.approval()
        lines = self.lines()
        lines[2]["Price"] = 450.0
        self.deal(Lines=lines, Untaxed=2924.48, Total=3295.65)
        self.sync()
        self.assertEqual((first.state, self.order().state), ("replaced", "sale"))

    def test_rejected_prices_stay_rejected_and_say_why(self):
        self.cheaper()
        approval = self.approval()
        wizard = self.env["q2c.price.reject.wizard"].with_user(self.approver)
        wizard.create({"approval_ids": approval.ids, "reason": "Too cheap for a year."}).action_reject()
        self.assertEqual(approval.state, "rejected")
        self.jobs(kind="step", state="failed").action_retry()
        self.run_lane()
        self.assertIn("has rejected its prices (Too cheap for a year.)", self.step().error_message)
        self.assertEqual(self.order().state, "draft")

    def test_whoever_sells_does_not_approve(self):
        self.cheaper()
        approval = self.approval()
        approval.sudo().salesperson_id = self.seller
        self.assertFalse(approval.with_user(self.seller).may_decide)
        with self.assertRaisesRegex(AccessError, "Somebody else has to approve"):
            approval.with_user(self.seller).action_approve()
        with self.assertRaises(AccessError):
            approval.with_user(self.approver).write({"state": "approved"})
        values = {"state": "approved", "decided_by_id": self.seller.id}
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            approval.sudo().write(values)
            approval.flush_recordset()

    def test_an_order_that_was_priced_by_hand_is_asked_about_by_hand(self):
        self.flow.check_prices = False
        self.flow.step_ids.write({"active": False})
        self.cheaper()
        order = self.order()
        with self.assertRaisesRegex(UserError, "within what its flow tolerates"):
            order.action_q2c_ask_price_approval()
        self.flow.check_prices = True
        order.invalidate_recordset()
        self.assertTrue(order.q2c_prices_to_approve)
        order.action_q2c_ask_price_approval()
        self.assertEqual(self.approval().state, "pending")
        order.invalidate_recordset()
        self.assertFalse(order.q2c_prices_to_approve)
