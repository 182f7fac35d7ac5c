from datetime import timedelta
from unittest.mock import patch

from odoo.tests import tagged, users
from odoo.tools import mute_logger

from ..lib import clock, timing
from ..lib.timing import SQL_OPEN, Window
from ..models import sync_lane
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestFlowTiming(SyncCase):
    def setUp(self):
        super().setUp()
        self.flow = self.make_flow(ACCOUNT_RULES)
        self.remote.put("Account", "a1", Name="Acme")

    def closed_now(self):
        """Give the flow a window of an hour that opens in two."""
        opens = (clock.now() + timedelta(hours=2)).replace(minute=0, second=0, microsecond=0)
        self.flow.write(
            {
                "timing": "batch",
                "window_tz": "UTC",
                "window_start": opens.hour,
                "window_end": (opens.hour + 1) % 24,
            }
        )
        return opens

    def test_a_batch_gathers(self):
        self.flow.write({"timing": "batch", "batch_interval": 60})
        before = timing.next_batch(clock.now(), 60)
        for _again in range(3):
            self.notify("Account", "a1")
        job = self.jobs(external_id="a1")
        self.assertEqual(len(job), 1)
        self.assertEqual(job.coalesced, 2)
        self.assertIn(job.eta, (before, timing.next_batch(clock.now(), 60)))
        self.assertEqual(self.run_lane(), 0)
        job.eta = clock.now()
        self.assertEqual(self.run_lane(), 1)
        self.assertEqual(job.state, "done")

    def test_what_a_person_repeats_is_not_put_off(self):
        self.flow.write({"timing": "batch"})
        self.notify("Account", "a1")
        job = self.jobs(external_id="a1")
        job.write({"state": "failed", "eta": clock.now()})
        job.action_retry()
        again = self.jobs(external_id="a1", state="pending")
        self.assertLessEqual(again.eta, clock.now())

    def test_an_outbound_change_is_gathered_too(self):
        flow = self.make_flow(
            [{"path": "Name", "field": "name", "direction": "outbound"}],
            direction="outbound",
            handler="outbound",
            timing="batch",
            batch_interval=30,
        )
        partner = self.env["res.partner"].create({"name": "Acme"})
        self.env.cr.precommit.run()
        job = self.jobs(flow_id=flow.id, res_id=partner.id)
        self.assertEqual(job.eta.minute % 30, 0)
        self.assertGreater(job.eta, clock.now())

    def test_nothing_starts_outside_of_the_window(self):
        opens = self.closed_now()
        self.notify("Account", "a1")
        job = self.jobs(external_id="a1")
        job.eta = clock.now()
        self.assertEqual(self.run_lane(), 0)
        self.assertIn("window", job.waiting_for)
        self.assertEqual(self.env["sync.flow"]._next_opening(), opens)
        self.assertIsNone(self.env["sync.job"]._next_eta())
        self.flow.window_end = self.flow.window_start  # open all day
        self.assertIsNone(self.env["sync.flow"]._next_opening())
        self.assertEqual(self.run_lane(), 1)

    def test_the_lanes_are_woken_when_the_window_opens(self):
        opens = self.closed_now()
        self.notify("Account", "a1")
        self.jobs(external_id="a1").eta = clock.now()
        self.env["ir.cron.trigger"].search([]).unlink()
        self.env.flush_all()
        self.lane._wake_for_next()
        moments = self.env["ir.cron.trigger"].search([]).mapped("call_at")
        self.assertIn(opens + timedelta(seconds=1), moments)

    def test_a_lane_with_nothing_to_do_looks_again_while_others_are_at_work(self):
        # One of them may die with its host, and nobody else may come by for a minute.
        with patch.object(sync_lane, "_alarm") as alarm:
            self.lane._wake_for_next()
            alarm.after.assert_not_called()
            self.notify("Account", "a1")
            self.env["sync.job"]._claim(self.lane)
            self.lane._wake_for_next()
        alarm.after.assert_called_with(self.env.cr.dbname, sync_lane.BESIDE_SECONDS)

    def test_polls_of_a_batch_flow_come_with_its_batches(self):
        self.flow.write({"timing": "batch", "batch_interval": 120, "poll": True})
        poll = self.jobs(flow_id=self.flow.id, kind="poll")
        self.assertEqual((poll.eta.minute, poll.eta.hour % 2), (0, 0))
        self.assertGreater(poll.eta, clock.now())

    def test_the_database_and_the_library_mean_the_same(self):
        """Every hour of two weeks in which the clocks change, in zones of three kinds."""
        starts = clock.now().replace(year=2026, month=3, day=20, hour=0, minute=15, second=0, microsecond=0)
        for start, end, days, zone in (
            (22, 6, "workdays", "Europe/Vienna"),
            (9, 17.5, "weekend", "Asia/Kathmandu"),
            (0, 0, "workdays", "America/St_Johns"),
            (6, 6, "all", "UTC"),
            (23.75, 0.25, "all", "Pacific/Auckland"),
        ):
            self.flow.write(
                {
                    "timing": "batch", "window_start": start, "window_end": end,
                    "window_days": days, "window_tz": zone,
                }
            )
            self.env.flush_all()
            window = Window(start, end, days, zone)
            for hours in range(14 * 24):
                moment = starts + timedelta(hours=hours)
                self.env.cr.execute(
                    f"SELECT {SQL_OPEN} FROM sync_flow f WHERE f.id = %(flow)s",
                    {"now": moment, "flow": self.flow.id},
                )
                [is_open] = self.env.cr.fetchone()
                self.assertEqual(is_open, window.contains(moment), (moment, window))

    @mute_logger("odoo.sql_db")
    def test_hours_beyond_the_day_are_refused(self):
        with self.assertRaises(Exception), self.env.cr.savepoint():
            self.flow.window_start = 24.5
            self.env.flush_all()

    @users("admin")
    def test_it_says_when(self):
        flow = self.flow.with_env(self.env)
        self.assertEqual(flow.timing_text, "as it happens")
        flow.write({"timing": "batch", "batch_interval": 120})
        self.assertEqual(flow.timing_text, "every 2 hours")
        flow.write({"window_start": 22.5, "window_end": 6, "window_days": "workdays", "window_tz": "Europe/Vienna"})
        self.assertEqual(flow.timing_text, "every 2 hours, Monday to Friday 22:30–06:00 (Europe/Vienna)")
