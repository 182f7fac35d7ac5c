from odoo import fields
from odoo.addons.crm_sync_base.lib.declarations import Notification

from ..lib import const, event
from .common import StripeCase


class TestStripeSaga(StripeCase):
    """The charge of an invoice is a step of its order's saga, and no machine takes it back."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.go_live("customers", "charges")
        cls.deals_flow = cls.env["sync.flow"].create(
            {
                "name": "Deals",
                "connection_id": cls.connection.id,
                "remote_object": "deal",
                "model_id": cls.env["ir.model"]._get("sale.order").id,
                "handler": "sale_order",
                "mode": "live",
                "poll": False,
                "step_ids": [
                    fields.Command.create({"action": action, "sequence": number})
                    for number, action in enumerate(("confirm", "invoice"))
                ],
            }
        )

    def won(self):
        """Return a draft order of a won deal that enters the steps of its flow."""
        order = self.sell_draft()
        self.env["sync.binding"]._bind_many(
            [
                {
                    "connection": self.connection,
                    "remote_object": "deal",
                    "external_id": f"d{order.id}",
                    "model": "sale.order",
                    "res_id": order.id,
                    "correlation_id": f"story{order.id}",
                }
            ]
        )
        parent = self.env["sync.job"].create(
            {
                "name": "Deal",
                "kind": "record",
                "state": "done",
                "flow_id": self.deals_flow.id,
                "idempotency_key": f"test:{order.id}",
                "lane_key": f"test:{order.id}",
                "eta": fields.Datetime.now(),
                "correlation_id": f"story{order.id}",
            }
        )
        self.deals_flow.step_ids[0]._enqueue_for(order, {order.id: parent})
        self.run_lane()
        return order

    def sell_draft(self):
        return self.env["sale.order"].create(
            {
                "partner_id": self.customer().id,
                "q2c_source_total": "100.00",
                "order_line": [
                    fields.Command.create(
                        {
                            "product_id": self._service().id,
                            "price_unit": 100.0,
                            "tax_ids": [fields.Command.clear()],
                        }
                    )
                ],
            }
        )

    def saga(self, order):
        return self.env["sync.saga"].search([("model", "=", "sale.order"), ("res_id", "=", order.id)])

    def states(self, order):
        return [line.state for line in self.saga(order)._lines()]

    def test_a_charge_joins_the_saga_of_its_order(self):
        order = self.won()
        self.assertEqual(self.states(order), ["done"] * 4)
        self.assertEqual(self.saga(order).state, "complete")
        charge = self.saga(order)._lines()[-1]
        self.assertEqual((charge.kind, charge.flow_id), ("joined", self.charges_flow))
        self.assertIn("Charged 100.00", charge.summary)
        self.assertIn("refunds the charge", charge.compensation)

    def test_a_declined_charge_needs_a_person_and_joins_once(self):
        self.assertTrue(self.charges_flow.is_story_step)
        self.deals_flow.on_step_failure = "undo"  # is for its own steps
        self.cards("declined")
        order = self.won()
        saga = self.saga(order)
        self.assertEqual((saga.state, self.states(order)), ("person", ["done", "done", "done", "failed"]))
        self.assertEqual(saga.error_code, "payment_declined")
        self.assertIn("declined", saga.message)
        saga.action_retry()
        self.run_due()
        self.assertEqual(self.states(order), ["done", "done", "done", "failed"])
        self.assertEqual(len(order.activity_ids | saga.activity_ids), 1)

    def test_undoing_never_refunds_and_touches_nothing_before_the_money_is_back(self):
        order = self.won()
        self.saga(order).action_undo_all()
        self.run_due()
        self.assertEqual(self.states(order), ["kept", "done", "done", "person"])
        self.assertIn("was charged at Stripe", self.saga(order).message)
        self.assertIn("Refund", self.saga(order).hint)
        self.assertFalse(list(self.stripe.iterate("/v1/refunds")))
        self.assertFalse(order.invoice_ids.reversal_move_ids)
        wizard = self.env["sync.saga.handle.wizard"].create(
            {"step_id": self.saga(order).open_step_id.id, "note": "Refunded at Stripe"}
        )
        wizard.action_handle()
        self.run_due()
        self.assertEqual(self.states(order), ["kept", "done", "person", "undone"])
        self.assertEqual(order.invoice_ids.reversal_move_ids.state, "draft")

    def test_a_charge_that_was_under_way_when_all_was_undone_needs_a_person(self):
        """The deal is taken back, and then its customer is charged after all: nobody may miss that."""
        self.charges_flow.paused = True
        order = self.won()
        self.assertEqual(self.states(order), ["done"] * 3)
        self.saga(order).action_undo_all()
        self.run_due()
        while self.saga(order).open_step_id:
            self.env["sync.saga.handle.wizard"].create(
                {"step_id": self.saga(order).open_step_id.id, "note": "The credit note will be posted tomorrow"}
            ).action_handle()
            self.run_due()
        self.assertEqual(self.saga(order).state, "undone")
        self.charges_flow.paused = False
        self.run_due()
        charge = self.saga(order)._lines()[-1]
        self.assertEqual((charge.flow_id, charge.state), (self.charges_flow, "person"))
        self.assertEqual((self.saga(order).state, self.saga(order).open_step_id), ("person", charge))
        self.assertIn("Refund", self.saga(order).hint)

    def test_what_was_not_collected_needs_nobody(self):
        """The posted invoice does."""
        self.cards("declined")
        self.charges_flow.on_step_failure = "undo"
        order = self.won()
        self.run_due()
        self.assertEqual(self.states(order), ["kept", "done", "person", "failed"])

    def test_a_charge_of_which_nobody_knows_is_a_persons(self):
        self.charges_flow.max_attempts = 1
        self.charges_flow.on_step_failure = "undo"
        # The reads before it work; the charge itself gets no answer.
        self.fault("drop_after", path_regex="/v1/payment_intents$", method="POST", times=50)
        order = self.won()
        self.run_due()
        charge = self.saga(order)._lines()[-1]
        self.assertEqual((charge.state, charge.effective), ("person", True), charge.error_message)
        self.assertIn("Nobody knows", self.saga(order).message)
        self.assertEqual(order.invoice_ids.state, "posted")
        self.assertFalse(order.invoice_ids.reversal_move_ids, "nothing earlier is touched")

    def test_what_stripe_derives_from_our_call_leads_back_to_the_story(self):
        order = self.won()
        job = self.jobs(self.charges_flow)[-1]
        key = self.env["sync.handler.outbound"]._idempotency_key(job)
        for metadata, request, expected in (
            ({const.CORRELATION: "told"}, {"idempotency_key": key}, "told"),
            ({}, {"idempotency_key": key}, f"story{order.id}"),
            ({}, {"idempotency_key": "somebody-elses"}, ""),
            ({}, None, ""),
        ):
            with self.subTest(metadata=metadata, request=request):
                found = event.event_of(
                    {
                        "object": "event", "id": "evt_1", "type": "charge.succeeded", "created": 1_790_000_000,
                        "livemode": False, "request": request,
                        "data": {"object": {"object": "charge", "id": "ch_1", "metadata": metadata}},
                    }
                )
                notification = self.connector._notification(self.connection, found)
                self.assertIsInstance(notification, Notification)
                self.assertEqual(notification.correlation_id, expected)
