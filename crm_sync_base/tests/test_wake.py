from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.tests import tagged

from ..lib import clock
from ..models import sync_lane
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestWake(SyncCase):
    def setUp(self):
        super().setUp()
        self.triggers().unlink()

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
        self.assertTrue(self.wake(), "whoever inserted them may have died before telling")
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

    def test_a_lane_that_starts_takes_its_trigger_with_it(self):
        """One that outlived the run would hide the next wake-up: seconds count, not fractions."""
        self.wake()
        lane = self.env["sync.lane"].search([], limit=1)
        self.env["ir.cron"]._clear_schedule({"id": lane.cron_id.id})
        self.env.invalidate_all()
        self.assertFalse(self.triggers().filtered(lambda trigger: trigger.cron_id == lane.cron_id))

    def test_what_becomes_due_while_a_lane_looks_for_when_is_done(self):
        """It is too late for the claim and too early for an alarm: nobody else would come."""
        self.make_flow(ACCOUNT_RULES)
        self.notify("Account", "a1")
        job = self.jobs(external_id="a1")
        job.eta = clock.now() + timedelta(hours=1)
        next_eta = type(job)._next_eta

        def look(jobs):
            job.eta = clock.now()
            return next_eta(jobs)

        with patch.object(type(job), "_next_eta", look):
            self.lane._cron_run()
        self.assertNotIn(job.state, ("pending", "running"))

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
