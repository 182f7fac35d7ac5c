from datetime import timedelta
from types import SimpleNamespace

from odoo import fields
from odoo.addons.base.models.ir_autovacuum import is_autovacuum
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..lib import clock
from ..models import sync_watchdog
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestWatchdog(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.watchdog = cls.env["sync.watchdog"]
        cls.cron = cls.env.ref("crm_sync_base.ir_cron_watchdog")

    def setUp(self):
        super().setUp()
        self.patch(sync_watchdog, "_armed", {})  # a test before may have committed something
        self.triggers().unlink()

    def triggers(self, crons=None):
        crons = crons or (self.cron + self.env["sync.lane"].search([]).cron_id)
        return self.env["ir.cron.trigger"].search([("cron_id", "in", crons.ids)])

    def watch(self):
        self.watchdog._cron_watch()
        self.env.flush_all()
        self.env.invalidate_all()

    def age(self, jobs, **columns):
        """Set back moments of jobs, in seconds."""
        self.env.flush_all()
        for name, seconds in columns.items():
            jobs[name] = clock.now() - timedelta(seconds=seconds)
        self.env.flush_all()

    def cards(self):
        return self.env["sync.exception"].search(
            [("error_code", "=", "lane_stalled"), ("state", "in", ("new", "acknowledged"))]
        )

    # === What a killed worker leaves with Odoo ===#

    def test_odoo_never_skips_a_lane_because_its_worker_was_killed(self):
        progress = self.env["ir.cron.progress"].create({"cron_id": self.lane.cron_id.id, "timed_out_counter": 3})
        self.lane.with_context(ir_cron_progress_id=progress.id)._cron_run()
        self.assertEqual(progress.timed_out_counter, 0)

    # === It looks only while work waits ===#

    def test_a_transaction_that_enqueues_arms_it_once(self):
        self.env.cr.postcommit.clear()
        self.notify("Account", "a1")
        self.notify("Account", "a2")
        [trigger] = self.triggers(self.cron)
        self.assertGreater(trigger.call_at, fields.Datetime.now() + timedelta(seconds=20))

    def test_each_look_is_told_of_when_it_is_due(self):
        """One that is armed while another is ahead is not forgotten."""
        set_alarms, told = [], []
        self.patch(sync_watchdog, "_alarm", SimpleNamespace(after=lambda _db, seconds: set_alarms.append(seconds)))
        self.patch(type(self.env["ir.cron"]), "_notifydb", lambda _cron: told.append(True))
        first = clock.now() + timedelta(seconds=30)
        self.watchdog._note_armed(self.env.cr.dbname, first)
        self.watchdog._note_armed(self.env.cr.dbname, first + timedelta(seconds=40))
        set_alarms.clear()
        sync_watchdog._tell(self.env.cr.dbname)
        self.assertEqual((told, len(set_alarms)), ([True], 1))
        self.assertGreater(set_alarms[0], 60)
        sync_watchdog._armed[self.env.cr.dbname] = clock.now()
        sync_watchdog._tell(self.env.cr.dbname)
        self.assertEqual(len(set_alarms), 1, "nothing is ahead")

    def test_an_idle_engine_sleeps(self):
        self.watch()
        self.assertFalse(self.triggers(self.cron))

    def test_it_looks_again_when_the_next_job_is_due(self):
        [job] = self.notify("Account", "a1")
        due = clock.now() + timedelta(hours=2)
        self.env["sync.job"].browse(job["id"]).eta = due
        self.triggers().unlink()
        self.watch()
        [trigger] = self.triggers(self.cron)
        self.assertGreaterEqual(trigger.call_at, due)

    # === It repairs ===#

    def test_a_lane_that_odoo_switched_off_is_switched_on(self):
        cron = self.lane.cron_id
        cron.active = False
        self.watch()
        self.assertTrue(cron.active)

    def test_a_lane_that_a_person_switched_off_stays_off(self):
        self.lane.active = False
        self.watch()
        self.assertFalse(self.lane.cron_id.active)

    def switch_off(self, *names):
        """Switch scheduled actions off as Odoo does after days of failures."""
        crons = self.env["ir.cron"].browse([self.env.ref(f"crm_sync_base.ir_cron_{name}").id for name in names])
        self.env.flush_all()
        self.env.cr.execute("UPDATE ir_cron SET active = FALSE WHERE id = ANY(%s)", [crons.ids])
        self.env.invalidate_all()
        return crons

    def test_any_action_that_odoo_switched_off_is_switched_on(self):
        crons = self.switch_off("seal", "roll_up", "proposal", "schema_watch", "exception_desk", "remind")
        self.assertLessEqual(set(crons.mapped("name")), set(self.env["sync.overview"].get_overview()["switched_off"]))
        self.watch()
        self.assertTrue(all(crons.mapped("active")))
        self.assertEqual(self.env["sync.overview"].get_overview()["switched_off"], [])

    def test_the_watchdog_itself_is_switched_on_by_odoos_housekeeping(self):
        cron = self.switch_off("watchdog")
        method = self.env["sync.watchdog"]._watch_the_watchdog
        self.assertTrue(is_autovacuum(method))
        method()
        self.assertTrue(cron.active)

    def test_whoever_wakes_the_lanes_switches_on_what_they_cannot_do_without(self):
        lane = self.lane.cron_id
        self.env.flush_all()
        self.env.cr.execute("UPDATE ir_cron SET active = FALSE WHERE id = %s", [lane.id])
        crons = lane + self.switch_off("watchdog")
        self.env["ir.cron"]._sync_keep_on()
        self.assertTrue(all(crons.mapped("active")))
        with self.assertQueryCount(1):
            self.env["ir.cron"]._sync_keep_on()
        self.cron.active = False
        self.env.flush_all()
        self.env["ir.cron"]._sync_keep_on()
        self.assertFalse(self.cron.active, "a person did that")

    def test_what_a_person_switched_off_stays_off_and_is_told(self):
        cron = self.env.ref("crm_sync_base.ir_cron_verify")
        cron.active = False
        self.watch()
        self.assertFalse(cron.active)
        self.assertEqual(self.env["sync.overview"].get_overview()["switched_off"], [cron.name])
        cron.active = True
        self.assertFalse(self.switch_off("verify").sync_off_by_hand)
        self.watch()
        self.assertTrue(cron.active)

    def test_a_neutralised_copy_stays_quiet(self):
        self.env["ir.config_parameter"].set_param("database.is_neutralized", "True")
        cron = self.switch_off("seal")
        self.watch()
        self.assertFalse(cron.active)

    def test_jobs_of_a_lane_that_is_gone_return(self):
        self.notify("Account", "a1")
        jobs = self.env["sync.job"]._claim(self.lane)
        jobs.write({"lane_id": False, "worker": "elsewhere:1:1:1"})
        self.watch()
        self.assertEqual((jobs.state, jobs.crashes), ("pending", 1))

    def test_a_poll_that_got_lost_is_replaced(self):
        self.flow.poll = True
        jobs = self.jobs(flow_id=self.flow.id, kind="poll")
        jobs.unlink()
        self.watch()
        self.assertTrue(self.jobs(flow_id=self.flow.id, kind="poll", state="pending"))

    # === It reports ===#

    def test_a_batch_that_never_ends_is_reported_and_resolved(self):
        self.notify("Account", "a1")
        jobs = self.env["sync.job"]._claim(self.lane)
        self.age(jobs, started_at=3600)
        self.env["sync.watchdog"]._report(clock.now())
        card = self.cards()
        self.assertIn(self.lane.name, card.message)
        self.assertIn("60 minutes", card.message)
        self.env["sync.watchdog"]._report(clock.now())
        self.assertEqual(len(self.cards()), 1)
        self.assertEqual(card, self.cards())
        jobs.state = "done"
        self.env["sync.watchdog"]._report(clock.now())
        self.assertEqual(card.state, "resolved")
        self.assertIn("By itself", card.resolution)

    def test_work_that_nobody_picks_up_is_reported(self):
        self.notify("Account", "a1")
        self.age(self.jobs(external_id="a1"), eta=3600)
        self.silence_lanes(hours=2)
        self.watch()
        self.assertIn("no lane picks them up", self.cards().message)

    def test_a_long_queue_that_advances_is_not_reported(self):
        self.notify("Account", "a1")
        self.age(self.jobs(external_id="a1"), eta=3600)
        self.lane.beat_at = clock.now()
        self.watch()
        self.assertFalse(self.cards())

    # === Polls follow each other ===#

    def test_a_poll_enqueues_the_next_one(self):
        self.flow.poll = True
        self.run_lane()
        waiting = self.jobs(flow_id=self.flow.id, kind="poll", state="pending")
        self.assertEqual(len(waiting), 1)
        self.assertGreater(waiting.eta, clock.now() + timedelta(minutes=4))

    def test_a_poll_that_fails_for_good_does_not_end_them(self):
        self.flow.write({"poll": True, "max_attempts": 1})
        self.remote.faults["poll"] = [ValueError()]
        self.run_lane()
        states = self.jobs(flow_id=self.flow.id, kind="poll").mapped("state")
        self.assertEqual(sorted(states), ["failed", "pending"])

    def test_poll_now_moves_the_waiting_poll_forward(self):
        self.flow.poll = True
        self.run_lane()
        self.flow.action_poll_now()
        waiting = self.jobs(flow_id=self.flow.id, kind="poll", state="pending")
        self.assertEqual(len(waiting), 1)
        self.assertLessEqual(waiting.eta, clock.now())

    # === The lanes wake for what comes later ===#

    def test_a_lane_without_due_work_is_woken_for_the_next(self):
        self.notify("Account", "a1")
        job = self.jobs(external_id="a1")
        job.eta = clock.now() + timedelta(hours=3)
        self.lane._cron_run()
        [trigger] = self.triggers(self.lane.cron_id).filtered(
            lambda found: found.call_at > fields.Datetime.now()
        )
        self.assertGreaterEqual(trigger.call_at, job.eta - timedelta(seconds=1))
        self.assertLess(trigger.call_at, job.eta + timedelta(seconds=3))

    def test_the_number_of_lanes_can_be_chosen(self):
        Lane = self.env["sync.lane"]
        Lane._set_count(4)
        lanes = Lane.search([])
        self.assertEqual(len(lanes), 4)
        self.assertEqual(lanes.mapped("express"), [True, False, False, False])
        self.assertTrue(all(lanes.cron_id.mapped("active")))
        Lane._set_count(1)
        self.assertEqual(len(Lane.search([])), 1)
        self.assertFalse(Lane.search([]).express, "the only lane takes everything")
        self.assertFalse(lanes[1:].cron_id.filtered("active"))
        with self.assertRaises(ValidationError):
            Lane._set_count(0)
