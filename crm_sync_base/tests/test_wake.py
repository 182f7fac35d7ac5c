from datetime import datetime
from unittest.mock import patch

from odoo.tests import tagged

from ..models import sync_lane
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestWake(SyncCase):
    def setUp(self):
        super().setUp()
        self.triggers().unlink()
        sync_lane._notified.clear()
        self.addCleanup(sync_lane._notified.clear)

    def triggers(self):
        crons = self.env["sync.lane"].search([]).cron_id
        return self.env["ir.cron.trigger"].search([("cron_id", "in", crons.ids)])

    def wake(self):
        """Wake the lanes; return whether the cron workers are to be notified."""
        before = len(self.env.cr.postcommit)
        self.env["sync.lane"]._wake_now()
        return len(self.env.cr.postcommit) > before

    def test_every_lane_gets_one_trigger(self):
        self.assertTrue(self.wake())
        self.assertEqual(len(self.triggers()), self.env["sync.lane"].search_count([]))
        self.assertFalse(self.wake(), "they are pending and notified")
        self.assertEqual(len(self.triggers()), self.env["sync.lane"].search_count([]))

    def test_a_trigger_that_a_lane_took_is_replaced(self):
        self.wake()
        self.triggers()[:1].unlink()
        self.assertTrue(self.wake())
        self.assertEqual(len(self.triggers()), self.env["sync.lane"].search_count([]))

    def test_a_trigger_of_the_future_wakes_nobody(self):
        for lane in self.env["sync.lane"].search([]):
            lane.cron_id._trigger(at=datetime(2999, 1, 1))
        self.env.flush_all()
        self.assertTrue(self.wake())

    def test_a_pending_trigger_is_notified_again_after_a_while(self):
        self.wake()
        with patch.object(sync_lane, "NOTIFY_AGAIN", 0.0):
            self.assertTrue(self.wake(), "whoever inserted it may have died before telling")

    def test_a_transaction_wakes_once_after_its_commit(self):
        flow = self.make_flow(ACCOUNT_RULES)
        self.env.cr.postcommit.clear()
        self.addCleanup(self.env.cr.postcommit.clear)
        with patch.object(sync_lane._waker, "request") as request:
            flow._enqueue_poll()
            self.notify("Account", "a1", "a2")
            request.assert_not_called()
            self.env.cr.postcommit.run()
        request.assert_called_once_with(self.env.cr.dbname)
