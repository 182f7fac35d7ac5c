from datetime import timedelta

from lxml import etree
from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools.safe_eval import safe_eval

from ..lib import clock
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestHold(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)

    def claim(self):
        return self.env["sync.job"]._claim(self.lane)

    def hold(self, **vals):
        return self.env["sync.hold"].create({"name": "Maintenance", **vals})

    def test_the_kill_switch_stops_everything_and_loses_nothing(self):
        hold = self.hold()
        self.notify("Account", "a1")
        self.assertFalse(self.claim())
        self.assertEqual((hold.state, hold.waiting_count), ("quiet", 1))
        hold.action_lift()
        self.assertEqual(hold.state, "over")
        self.assertTrue(self.claim())

    def test_a_flow_or_connection_is_held_alone(self):
        other = self.make_flow(ACCOUNT_RULES, remote_object="Person")
        for scope in ({"scope": "flow", "flow_id": self.flow.id},):
            hold = self.hold(**scope)
            self.notify("Account", "a1")
            self.notify("Person", "p1")
            self.assertEqual(self.claim().flow_id, other)
            self.assertFalse(self.claim())
            hold.action_lift()
        self.hold(scope="connection", connection_id=self.connection.id)
        self.assertFalse(self.claim())

    def test_a_window_holds_from_its_start_to_its_end(self):
        self.notify("Account", "a1")
        now = fields.Datetime.now()
        window = self.hold(date_start=now + timedelta(hours=1), date_end=now + timedelta(hours=2))
        self.assertEqual(window.state, "planned")
        jobs = self.claim()
        self.assertTrue(jobs)
        jobs._give_back()
        window.write({"date_start": now - timedelta(hours=1)})
        self.assertFalse(self.claim())
        window.write({"date_end": now - timedelta(minutes=1)})
        self.assertEqual(window.state, "over")
        self.assertTrue(self.claim())

    def test_what_ended_earlier_today_is_not_under_now_or_planned(self):
        now = fields.Datetime.now()
        over = self.hold(date_start=now - timedelta(minutes=2), date_end=now - timedelta(minutes=1))
        holds = self.hold() | self.hold(date_start=now + timedelta(hours=1), date_end=now + timedelta(hours=2))
        arch = etree.fromstring(self.env["sync.hold"].get_view(view_type="search")["arch"])
        [node] = arch.xpath("//filter[@name='current']")
        found = self.env["sync.hold"].search(safe_eval(node.get("domain")))
        self.assertEqual(found & (over | holds), holds)

    def test_what_had_started_is_drained(self):
        self.notify("Account", "a1")
        running = self.claim()
        hold = self.hold()
        self.assertEqual((hold.state, hold.running_count), ("draining", 1))
        running._settle_done([])
        running.state = "done"
        hold.invalidate_recordset()
        self.assertEqual(hold.state, "quiet")

    def test_the_lanes_wake_when_a_window_ends(self):
        end = fields.Datetime.now() + timedelta(minutes=30)
        self.hold(date_end=end)
        self.notify("Account", "a1")
        self.env["ir.cron.trigger"].search([]).unlink()
        self.lane._cron_run()
        triggers = self.env["ir.cron.trigger"].search([("cron_id", "=", self.lane.cron_id.id)])
        self.assertTrue(triggers.filtered(lambda trigger: end <= trigger.call_at <= end + timedelta(seconds=2)))
        self.assertGreater(end, clock.now())

    def test_operators_may_hold_and_users_may_not(self):
        for group, allowed in (("operator", True), ("user", False), ("auditor", False)):
            user = new_test_user(self.env, f"hold_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}")
            Hold = self.env["sync.hold"].with_user(user)
            if allowed:
                Hold.create({"name": "Stop"}).action_lift()
            else:
                with self.assertRaises(AccessError):
                    Hold.create({"name": "Stop"})
