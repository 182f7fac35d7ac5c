from datetime import timedelta
from unittest import SkipTest
from unittest.mock import patch

from odoo import fields
from odoo.addons.crm_sync_base.tests.common import ACCOUNT_RULES, SyncCase
from odoo.tests import tagged

from ..hooks import uninstall_hook


@tagged("post_install", "-at_install")
class TestQueueLanes(SyncCase):
    """How lanes get on the job queue; that they do their work there proves the model test."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if "queue.job" not in cls.env:
            raise SkipTest("OCA's queue_job is not installed")
        cls.flow = cls.make_flow(ACCOUNT_RULES)

    def setUp(self):
        super().setUp()
        self.alive = True
        lane = type(self.env["sync.lane"])
        self.startPatcher(patch.object(lane, "_runner_lives", lambda model: self.alive))
        self.queued().unlink()
        self.triggers().unlink()

    def queued(self, lane=None):
        domain = [("model_name", "=", "sync.lane")]
        if lane:
            domain.append(("identity_key", "=like", f"crm_sync_lane:{lane.id}:%"))
        return self.env["queue.job"].search(domain)

    def triggers(self):
        crons = self.env["sync.lane"].search([]).cron_id
        return self.env["ir.cron.trigger"].search([("cron_id", "in", crons.ids)])

    def wake(self):
        self.env["sync.lane"]._wake_now()

    def test_a_wake_up_puts_every_lane_on_the_queue_once(self):
        self.wake()
        self.wake()
        for lane in self.env["sync.lane"].search([]):
            self.assertEqual(len(self.queued(lane)), 1)
        self.assertEqual(set(self.queued().mapped("channel")), {"root.crm_sync"})
        self.assertFalse(self.triggers(), "nobody wakes the scheduled actions")

    def test_the_lane_for_urgent_jobs_goes_first(self):
        self.wake()
        priorities = {
            lane.express: self.queued(lane).priority for lane in self.env["sync.lane"].search([])
        }
        self.assertLess(priorities[True], priorities[False])

    def test_a_run_that_has_begun_does_not_hide_new_work(self):
        self.wake()
        before = self.queued()
        before.state = "started"
        self.wake()
        self.assertEqual(len(self.queued()), 2 * len(before))

    def test_what_was_handed_out_and_lost_is_asked_for_again(self):
        self.wake()
        count = len(self.queued())
        self.queued().write({"state": "enqueued", "date_enqueued": fields.Datetime.now()})
        self.wake()
        self.assertEqual(len(self.queued()), count, "the runner has just asked for it")
        self.queued().date_enqueued = fields.Datetime.now() - timedelta(seconds=30)
        self.wake()
        self.assertEqual(len(self.queued()), 2 * count)

    def test_a_later_moment_is_kept_in_the_queue(self):
        lane = self.env["sync.lane"]
        moment = fields.Datetime.now() + timedelta(hours=1)
        lane._wake_at(moment)
        lane._wake_at(moment + timedelta(minutes=5))
        self.assertEqual(len(self.queued(self.lane)), 1, "an earlier look comes anyway")
        lane._wake_at(moment - timedelta(minutes=5))
        self.assertEqual(len(self.queued(self.lane)), 2)
        self.assertGreaterEqual(max(self.queued(self.lane).mapped("eta")), moment)
        self.wake()
        self.assertEqual(len(self.queued(self.lane)), 3, "what waits for later does not hide work of now")

    def test_without_a_runner_the_scheduled_actions_are_woken(self):
        self.alive = False
        self.wake()
        self.assertFalse(self.queued())
        self.assertEqual(len(self.triggers()), self.env["sync.lane"].search_count([]))
        self.env["sync.lane"]._wake_at(fields.Datetime.now() + timedelta(hours=1))
        self.assertFalse(self.queued())
        self.assertEqual(self.lane.runner, "cron")

    def test_a_run_does_the_work_that_is_due(self):
        self.remote.put("Account", "queued-1", Name="Queued Ltd", Country="US")
        self.notify("Account", "queued-1")
        lane = self.env["sync.lane"].search([("express", "=", False)], limit=1)
        # In one transaction: the lock's cursor is the test's own.
        with patch.object(type(self.registry), "cursor", lambda registry, **_kwargs: _Borrowed(self.env.cr)):
            lane._run_on_queue()
        self.assertEqual(self.jobs(external_id="queued-1").state, "done")

    def test_a_lane_that_is_at_work_is_asked_again_later(self):
        from odoo.addons.queue_job.exception import RetryableJobError

        with (
            patch.object(type(self.registry), "cursor", lambda registry, **_kwargs: _Busy()),
            self.assertRaises(RetryableJobError) as caught,
        ):
            self.lane._run_on_queue()
        self.assertTrue(caught.exception.ignore_retry, "waiting is no failed attempt")

    def test_a_lane_that_is_switched_off_does_nothing(self):
        self.remote.put("Account", "queued-1", Name="Nobody Ltd")
        self.notify("Account", "queued-1")
        self.lane.active = False
        self.lane._run_on_queue()
        self.assertEqual(self.jobs(external_id="queued-1").state, "pending")

    def test_uninstalling_gives_the_lanes_back(self):
        self.wake()
        self.queued()[:1].state = "done"
        uninstall_hook(self.env)
        self.assertEqual(self.queued().mapped("state"), ["done"])
        self.assertEqual(len(self.triggers()), self.env["sync.lane"].search_count([]))

    def test_runs_commit_and_are_soon_forgotten(self):
        function = self.env.ref("crm_sync_queue_job.job_function_run_on_queue")
        self.assertEqual(function.name, "<sync.lane>._run_on_queue")
        self.assertTrue(function.allow_commit)
        self.assertEqual(function.channel_id.removal_interval, 1)


class _Borrowed:
    """A cursor that is somebody else's to close."""

    def __init__(self, cr):
        self._cr = cr

    def __enter__(self):
        return self._cr

    def __exit__(self, *_error):
        return None

    def __getattr__(self, name):
        return getattr(self._cr, name)

    def close(self):
        """Leave it open."""


class _Busy:
    """A cursor for which every row is locked."""

    def close(self):
        """Have nothing to give back."""

    def execute(self, *_args):
        """Lock nothing."""

    def fetchone(self):
        """Return that nothing was locked."""
