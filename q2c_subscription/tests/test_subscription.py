from datetime import date

import psycopg2
from freezegun import freeze_time
from odoo import fields
from odoo.addons.crm_sync_base.tests.common import ACCOUNT_RULES, SyncCase
from odoo.exceptions import AccessError, UserError
from odoo.tests import TransactionCase, new_test_user, tagged
from odoo.tools import mute_logger


class SubscriptionCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.partner = cls.env["res.partner"].create({"name": "Aurora Foods"})
        cls.product = cls.env["product.product"].create({"name": "Seat", "type": "service"})

    def subscription(self, *lines, **vals):
        """Create a subscription; a line is (quantity, price, every, unit)."""
        return self.env["q2c.subscription"].create(
            {
                "partner_id": self.partner.id,
                "line_ids": [
                    fields.Command.create(
                        {
                            "product_id": self.product.id,
                            "quantity": quantity,
                            "price_unit": price,
                            "interval_count": count,
                            "interval_unit": unit,
                        }
                    )
                    for quantity, price, count, unit in lines
                ],
                **vals,
            }
        )


@tagged("post_install", "-at_install")
class TestSubscription(SubscriptionCase):
    def test_values(self):
        subscription = self.subscription((3, 10.0, 1, "month"), (1, 1200.0, 1, "year"), (2, 0.05, 2, "month"))
        self.assertTrue(subscription.name.startswith("SUB"))
        self.assertEqual(subscription.line_ids.mapped("price_subtotal"), [30.0, 1200.0, 0.1])
        self.assertEqual(subscription.line_ids.mapped("monthly_value"), [30.0, 100.0, 0.05])
        self.assertEqual((subscription.monthly_value, subscription.mrr), (130.05, 0.0))
        subscription.action_activate()
        self.assertEqual(subscription.mrr, 130.05)
        subscription.line_ids[0].quantity = 5
        self.assertEqual(subscription.mrr, 150.05)
        subscription.action_pause()
        self.assertEqual((subscription.monthly_value, subscription.mrr), (150.05, 0.0))

    @freeze_time("2026-03-31")
    def test_periods_from_activation(self):
        subscription = self.subscription((1, 10.0, 1, "month"), (1, 100.0, 1, "year"))
        subscription.action_activate()
        self.assertRecordValues(
            subscription,
            [
                {
                    "date_start": date(2026, 3, 31),
                    "current_period_start": date(2026, 3, 31),
                    "current_period_end": date(2026, 4, 29),
                    "next_period_start": date(2026, 4, 30),
                }
            ],
        )
        subscription.action_pause()
        with freeze_time("2026-07-15"):
            subscription.action_resume()
        self.assertEqual(subscription.current_period_start, date(2026, 6, 30))
        self.assertEqual(subscription.next_period_start, date(2026, 7, 31))

    @freeze_time("2026-03-31")
    def test_a_period_that_billing_gave_is_kept(self):
        subscription = self.subscription(
            (1, 10.0, 1, "month"),
            date_start="2026-01-15",
            current_period_start="2026-03-20",
            next_period_start="2026-04-20",
        )
        subscription.action_activate()
        self.assertEqual(subscription.date_start, date(2026, 1, 15))
        self.assertEqual(subscription.current_period_start, date(2026, 3, 20))
        self.assertEqual(subscription.current_period_end, date(2026, 4, 19))

    def test_a_cancelled_one_is_never_revived(self):
        for state in ("draft", "active", "past_due", "paused"):
            subscription = self.subscription((1, 10.0, 1, "month"), state=state)
            subscription.action_cancel()
            self.assertTrue(subscription.cancelled_at)
            for late in ("active", "past_due", "paused", "draft"):
                with self.assertRaisesRegex(UserError, "for good"):
                    subscription.write({"state": late})
            self.assertEqual((subscription.state, subscription.mrr), ("cancelled", 0.0))

    def test_cancelling_twice_keeps_the_first_moment(self):
        subscription = self.subscription((1, 10.0, 1, "month"))
        with freeze_time("2026-01-01"):
            subscription.action_cancel()
        first = subscription.cancelled_at
        subscription.write({"state": "cancelled", "cancel_reason": "too late to matter"})
        self.assertEqual(subscription.cancelled_at, first)

    def test_steps_that_do_not_exist(self):
        subscription = self.subscription((1, 10.0, 1, "month"))
        with self.assertRaises(UserError):
            subscription.action_pause()
        subscription.action_activate()
        with self.assertRaises(UserError):
            subscription.state = "draft"
        with self.assertRaises(UserError):
            self.subscription().action_activate()
        with self.assertRaisesRegex(UserError, "no such state"):
            subscription.state = "zombie"

    def test_the_currency_is_fixed_by_activation(self):
        subscription = self.subscription((1, 10.0, 1, "month"))
        other = self.env["res.currency"].with_context(active_test=False).search(
            [("id", "!=", subscription.currency_id.id)], limit=1
        )
        subscription.currency_id = other
        subscription.action_activate()
        with self.assertRaises(UserError):
            subscription.currency_id = self.env.company.currency_id
        subscription.currency_id = other

    def test_only_drafts_are_deleted(self):
        subscription = self.subscription((1, 10.0, 1, "month"))
        subscription.copy().unlink()
        subscription.action_activate()
        with self.assertRaises(UserError):
            subscription.unlink()

    @mute_logger("odoo.sql_db")
    def test_an_interval_is_positive(self):
        with self.assertRaises(psycopg2.errors.CheckViolation):
            self.subscription((1, 10.0, 0, "month"))

    def test_an_order_knows_its_subscriptions(self):
        order = self.env["sale.order"].create({"partner_id": self.partner.id})
        subscription = self.subscription((1, 10.0, 1, "month"), order_id=order.id)
        order.invalidate_recordset()
        self.assertEqual(order.q2c_subscription_count, 1)
        action = order.action_open_q2c_subscriptions()
        self.assertEqual(self.env["q2c.subscription"].search(action["domain"]), subscription)
        self.assertEqual(subscription.action_open_order()["res_id"], order.id)

    def test_who_may_do_what(self):
        subscription = self.subscription((1, 10.0, 1, "month"))
        seller = new_test_user(self.env, "q2c_seller", groups="sales_team.group_sale_salesman")
        viewer = new_test_user(self.env, "q2c_viewer", groups="crm_sync_base.group_sync_user")
        auditor = new_test_user(self.env, "q2c_auditor", groups="crm_sync_base.group_sync_auditor")
        nobody = new_test_user(self.env, "q2c_nobody", groups="base.group_user")
        subscription.with_user(seller).note = "mine"
        for reader in (viewer, auditor):
            self.assertEqual(subscription.with_user(reader).line_ids.mapped("monthly_value"), [10.0])
            with self.assertRaises(AccessError):
                subscription.with_user(reader).note = "not mine"
        with self.assertRaises(AccessError):
            subscription.with_user(nobody).read(["name"])
        with self.assertRaises(AccessError):
            subscription.with_user(seller).unlink()

    def test_companies_do_not_see_each_other(self):
        elsewhere = self.env["res.company"].create({"name": "Elsewhere"})
        seller = new_test_user(
            self.env,
            "q2c_elsewhere",
            groups="sales_team.group_sale_manager",
            company_id=elsewhere.id,
            company_ids=[(6, 0, elsewhere.ids)],
        )
        subscription = self.subscription((1, 10.0, 1, "month"))
        for records in (subscription, subscription.line_ids):
            self.assertFalse(records.with_user(seller).search([("id", "in", records.ids)]))
        with self.assertRaises(AccessError):
            subscription.with_user(seller).read(["name"])


@tagged("post_install", "-at_install")
class TestSubscriptionSync(SyncCase, SubscriptionCase):
    """Subscriptions come and go through the engine like any other record."""

    def setUp(self):
        super().setUp()
        self.make_flow(ACCOUNT_RULES)
        self.flow = self.make_flow(
            [
                {"path": "Customer", "field": "partner_id", "transform": "reference", "argument": "Account"},
                {"path": "Status", "field": "state", "label": "Status"},
                {"path": "Ends", "field": "next_period_start", "transform": "date"},
            ],
            remote_object="Contract",
            model="q2c.subscription",
            is_document=True,
        )
        self.remote.put("Account", "a1", Name="Polar Light Bakery")

    def contract(self, **data):
        self.remote.put("Contract", "c1", **{"Customer": "a1", "Status": "active", "Ends": "2026-05-01", **data})
        self.notify("Contract", "c1")
        self.run_lane()
        return self.jobs(kind="record", external_id="c1").sorted("id")[-1:]

    def synced(self):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("model", "=", "q2c.subscription")]
        )
        return self.env["q2c.subscription"].browse(binding.res_id)

    def test_a_late_update_does_not_revive_it(self):
        job = self.contract()
        self.assertEqual(job.state, "done", job.error_message)
        self.assertEqual(self.synced().current_period_end, date(2026, 4, 30))
        self.contract(Status="cancelled")
        self.assertEqual(self.synced().state, "cancelled")
        # Out of order: the version is older, so it is not even looked at.
        self.remote.records["Contract"]["c1"].update(
            version="00000000", data={"Id": "c1", "Customer": "a1", "Status": "active", "Ends": "2026-05-01"}
        )
        self.notify("Contract", "c1")
        self.run_lane()
        self.assertEqual(self.synced().state, "cancelled")
        # And a newer document that claims it runs again is refused, visibly.
        self.remote.clock += 10
        job = self.contract(Status="active")
        self.assertEqual((job.state, job.error_code), ("failed", "data_invalid"))
        self.assertIn("for good", job.error_message)
        self.assertEqual(self.synced().state, "cancelled")

    def test_it_belongs_to_the_story_of_its_order(self):
        job = self.contract()
        subscription = self.synced()
        self.assertEqual(subscription._sync_correlations(), {subscription.id: job.correlation_id})
        order = self.env["sale.order"].create({"partner_id": self.partner.id})
        subscription.order_id = order
        self.env["sync.binding"]._bind_many(
            [
                {
                    "connection": self.connection,
                    "remote_object": "Deal",
                    "external_id": "d1",
                    "model": "sale.order",
                    "res_id": order.id,
                    "correlation_id": "the-deal",
                }
            ]
        )
        self.assertEqual(subscription._sync_correlations(), {subscription.id: "the-deal"})
        self.env["sync.job"]._enqueue(
            [
                {
                    "flow": self.flow,
                    "kind": "record",
                    "idempotency_key": "k",
                    "lane_key": "k",
                    "name": "k",
                    "correlation_id": "the-deal",
                }
            ]
        )
        documents = self.env["sync.trace"].get_trace("the-deal")["documents"]
        rows = [(document["model"], document["res_id"]) for document in documents]
        self.assertEqual(rows.count((subscription._name, subscription.id)), 1)
        self.assertTrue(self.env["sync.trace"].get_trace(subscription.name)["lines"])
