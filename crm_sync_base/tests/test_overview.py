from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..lib.errors import DataInvalid
from .common import SyncCase

RULES = [{"path": "Name", "field": "name", "required": True, "label": "Name"}]


@tagged("post_install", "-at_install")
class TestOverview(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.deals = cls.make_flow(RULES, remote_object="Deal", is_document=True)
        cls.other = cls.make_flow(RULES, remote_object="Account")
        # Modules on top narrow down what a deal is; here it is whatever the test says.
        ids = cls.deals.ids
        cls.startClassPatcher(
            patch.object(
                type(cls.env["sync.overview"]),
                "_deal_flows",
                lambda self: self.env["sync.flow"].search([("id", "in", ids)]),
            )
        )

    def overview(self, user=None):
        """Return the page's figures, about our own connection only where it can be told."""
        self.env.flush_all()
        return self.env["sync.overview"].with_user(user or self.env.user).get_overview()

    def rows(self, stories):
        """Return `{story: row}` of the deals on the page."""
        rows = self.overview()["deals"]["rows"]
        return {row["correlation_id"]: row for row in rows if row["correlation_id"] in stories}

    def test_a_deal_is_under_way_until_all_its_work_is_done(self):
        before = self.overview()["deals"]["count"]
        self.remote.put("Deal", "d1", Name="Fleet rollout")
        [job] = self.notify("Deal", "d1")
        story = job["correlation_id"]
        self.assertEqual(self.overview()["deals"]["count"], before + 1)
        self.assertEqual(self.rows([story])[story]["state"], "waiting")
        self.run_lane()
        row = self.rows([story])[story]
        self.assertEqual((row["state"], row["name"], row["detail"]), ("done", "Fleet rollout", "d1"))
        self.assertEqual(self.overview()["deals"]["count"], before)

    def test_a_deal_with_a_failure_says_so(self):
        self.remote.put("Deal", "d2")  # no name: the record is not created
        [job] = self.notify("Deal", "d2")
        self.run_lane()
        row = self.rows([job["correlation_id"]])[job["correlation_id"]]
        self.assertEqual((row["state"], row["failed"], row["waiting"]), ("failed", 1, 0))
        self.assertEqual((row["name"], row["detail"]), ("Deal d2", "d2"))

    def test_what_is_no_deal_is_not_counted_as_one(self):
        before = self.overview()["deals"]["count"]
        [job] = self.notify("Account", "a1")
        self.deals._enqueue_poll()
        self.assertEqual(self.overview()["deals"]["count"], before)
        self.assertFalse(self.rows([job["correlation_id"]]))

    def test_jobs_are_counted_by_state(self):
        before = self.overview()["jobs"]
        self.remote.put("Account", "a1", Name="One")
        self.remote.put("Account", "a2")
        self.notify("Account", "a1", "a2")
        self.assertEqual(self.overview()["jobs"]["waiting"], before["waiting"] + 2)
        self.run_lane()
        after = self.overview()["jobs"]
        self.assertEqual(after["waiting"], before["waiting"])
        self.assertEqual(after["failed"], before["failed"] + 1)

    def test_exceptions_are_counted_by_class(self):
        before = self.overview()["exceptions"]
        Exc = self.env["sync.exception"]
        error = DataInvalid("Deal d3 has no customer.", hint="Choose one.")
        exception = Exc._raise(self.deals, self.connection, error)
        exception.write({"user_id": self.env.uid, "deadline": fields.Datetime.now() - timedelta(hours=1)})
        after = self.overview()["exceptions"]
        for figure in ("open", "late", "mine"):
            self.assertEqual(after[figure], before[figure] + 1, figure)
        classes = {row["code"]: row for row in after["classes"]}
        earlier = {row["code"]: row["count"] for row in before["classes"]}
        self.assertEqual(classes["data_invalid"]["count"], earlier.get("data_invalid", 0) + 1)
        self.assertEqual(classes["data_invalid"]["label"], "Data to correct")
        exception.action_resolve()
        self.assertEqual(self.overview()["exceptions"]["open"], before["open"])

    def test_every_error_class_has_words_for_people(self):
        for code, label in self.env["sync.job"]._selection_error_code():
            self.assertNotEqual(code, label)

    def test_connections_say_why_they_do_not_work(self):
        self.connection.action_pause()
        row = next(row for row in self.overview()["connections"] if row["id"] == self.connection.id)
        self.assertEqual((row["state"], row["state_label"]), ("paused", "Paused"))
        self.assertIn(self.env.user.name, row["reason"])

    def test_lanes_that_nobody_runs_are_told(self):
        self.notify("Account", "a1")
        self.assertEqual(self.overview()["stuck_minutes"], 0)
        self.jobs(external_id="a1").eta = fields.Datetime.now() - timedelta(minutes=12)
        lanes = self.env["sync.lane"].search([])
        lanes.beat_at = fields.Datetime.now()
        self.assertEqual(self.overview()["stuck_minutes"], 0, "there is much to do, that is all")
        self.silence_lanes(hours=1)
        self.assertEqual(self.overview()["stuck_minutes"], 12)

    def test_what_is_held_is_told(self):
        self.assertFalse(self.overview()["holds"])
        hold = self.env["sync.hold"].create({"name": "Month-end"})
        [row] = self.overview()["holds"]
        self.assertEqual((row["scope"], row["name"], row["until"]), ("Everything", "Month-end", ""))
        hold.action_lift()
        self.assertFalse(self.overview()["holds"])

    def test_the_number_of_queries_does_not_grow(self):
        def measure():
            self.overview()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.overview()
            return self.env.cr.sql_log_count - before

        def win(first, last):
            ids = [f"q{number}" for number in range(first, last)]
            for external_id in ids:
                self.remote.put("Deal", external_id, Name=f"Deal {external_id}")
            self.notify("Deal", *ids)
            self.run_lane()

        win(0, 2)
        few = measure()
        win(2, 8)
        self.assertLessEqual(measure(), few)

    def test_who_has_nothing_to_do_with_it_sees_nothing(self):
        stranger = new_test_user(self.env, "stranger", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.overview(stranger)

    def test_a_reader_sees_his_companies_only(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        reader = new_test_user(
            self.env,
            "elsewhere",
            groups="base.group_user,crm_sync_base.group_sync_user",
            company_id=company.id,
            company_ids=[fields.Command.set(company.ids)],
        )
        self.notify("Deal", "d1")
        overview = self.overview(reader)
        self.assertEqual((overview["deals"]["count"], overview["deals"]["rows"]), (0, []))
        self.assertNotIn(self.connection.id, [row["id"] for row in overview["connections"]])
