from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..lib import clock
from ..lib.errors import ERROR_CLASSES
from .common import ACCOUNT_RULES
from .test_metric import MetricCase

STATUS_RULES = [
    {"path": "Name", "field": "name", "direction": "outbound", "label": "Name"},
    {"path": "City", "field": "city", "direction": "outbound", "label": "City"},
]


@tagged("post_install", "-at_install")
class TestServiceLevel(MetricCase):
    def setUp(self):
        super().setUp()
        self.flow.write({"max_latency": 60, "sla_success_target": 90, "sla_recovery_hours": 4})
        self.flow.sla_since = clock.now() - timedelta(days=2)
        self.hour_ago = clock.now() - timedelta(hours=1)

    def ended_after(self, seconds, **values):
        job = self.ended(self.hour_ago, **values)
        job.flush_recordset()
        self.env.cr.execute(
            "UPDATE sync_job SET create_date = done_at - make_interval(secs => %s) WHERE id = %s",
            [seconds, job.id],
        )
        job.invalidate_recordset()
        return job

    def attainments(self):
        self.roll_up()
        return self.flow._attainments()[self.flow.id]

    def test_in_time_is_counted_to_the_tick(self):
        for seconds in (1, 59.999, 60, 60.001, 3000):
            self.ended_after(seconds)
        self.ended_after(1, state="failed", error_code="bug")
        self.ended_after(0, kind="page")
        self.ended_after(0, kind="poll")
        latency = self.attainments()["latency"]
        self.assertEqual((latency.good, latency.total), (3, 6))
        self.assertEqual(self.flow.sla_latency, 50)
        self.assertEqual(self.flow.sla_state, "breached")
        self.assertIn("the error budget is used up", self.flow.sla_text)

    def test_success_looks_at_what_ended(self):
        for _each in range(19):
            self.ended_after(1)
        self.ended_after(1, state="failed", error_code="bug")
        self.assertEqual(self.attainments()["success"].percent, 95)

    def test_a_new_promise_starts_a_new_count(self):
        self.ended_after(1)
        self.assertEqual(self.attainments()["latency"].total, 1)
        self.flow.max_latency = 30
        self.assertEqual(self.attainments()["latency"].total, 0)
        self.assertAlmostEqual(self.flow.sla_since, fields.Datetime.now(), delta=timedelta(seconds=5))
        self.flow.invalidate_recordset()
        since = self.flow.sla_since
        self.flow.write({"max_latency": 30})
        self.assertEqual(self.flow.sla_since, since)

    def test_exceptions_closed_in_time(self):
        def card(first_seen_hours, closed_hours=None, **values):
            now = clock.now()
            return self.env["sync.exception"].create(
                {
                    "name": "Cause",
                    "flow_id": self.flow.id,
                    "connection_id": self.connection.id,
                    "error_code": "bug",
                    "fingerprint": f"{first_seen_hours}-{closed_hours}",
                    "first_seen": now - timedelta(hours=first_seen_hours),
                    "closed_at": closed_hours is not None and now - timedelta(hours=closed_hours),
                    "state": "new" if closed_hours is None else "resolved",
                    **values,
                }
            )

        card(10, 8)  # after two hours
        card(10, 1)  # after nine
        card(10)  # open and too late
        card(1)  # open and in time: does not count yet
        card(24 * 60, 24 * 50)  # long ago
        card(10, 9, closed_by="moved")  # another card goes on with it
        recovery = self.attainments()["recovery"]
        self.assertEqual((recovery.good, recovery.total), (1, 3))

    def test_what_is_not_promised_is_not_judged(self):
        self.flow.write({"max_latency": 0, "sla_success_target": 0, "sla_recovery_hours": 0})
        self.ended_after(1, state="failed", error_code="bug")
        self.assertEqual(self.attainments(), {})
        self.assertEqual(self.flow.sla_state, "no_data")

    def test_flows_are_found_by_what_they_keep(self):
        self.ended_after(3000)
        self.roll_up()
        found = self.env["sync.flow"].search([("sla_state", "in", ("breached",))])
        self.assertIn(self.flow, found)
        found = self.env["sync.flow"].search([("sla_state", "=", "met")])
        self.assertNotIn(self.flow, found)

    def test_the_number_of_queries_does_not_grow(self):
        flows = self.flow
        flows._attainments()
        with self.assertQueryCount(3):
            flows._attainments()
        flows |= self.make_flow(ACCOUNT_RULES) | self.make_flow(ACCOUNT_RULES)
        self.env.flush_all()
        with self.assertQueryCount(3):
            flows._attainments()

    def test_a_broken_promise_becomes_one_task(self):
        owner = new_test_user(self.env, "ops", "crm_sync_base.group_sync_manager")
        self.flow.technical_owner_id = owner
        self.ended_after(3000)
        self.roll_up()
        for _day in range(2):
            self.env["sync.reminder.mixin"]._cron_remind()
        self.assertEqual(self.flow.activity_ids.user_id, owner)
        self.assertEqual(len(self.flow.activity_ids), 1)
        self.flow.sla_latency_target = 0.1
        self.flow.sla_since = False
        self.env.invalidate_all()
        self.env["sync.reminder.mixin"]._cron_remind()
        self.assertFalse(self.flow.activity_ids)


@tagged("post_install", "-at_install")
class TestCatalogue(MetricCase):
    def test_from_where_to_where_started_by_what(self):
        self.assertEqual(self.flow.source_label, "Test CRM · Account")
        self.assertEqual(self.flow.target_label, "Odoo · Contact")
        self.assertEqual(self.flow.trigger_text, "webhooks")
        self.flow.write({"poll": True, "poll_interval": 7})
        self.assertEqual(self.flow.trigger_text, "webhooks, and a look every 7 minutes")
        out = self.make_flow(STATUS_RULES, direction="outbound", handler="outbound")
        self.assertEqual(out.source_label, "Odoo · Contact")
        self.assertEqual(out.trigger_text, "a change of Name, City")
        self.assertEqual(out.mapping_version, 1)

    def test_the_scope_is_counted_live(self):
        out = self.make_flow(
            STATUS_RULES, direction="outbound", handler="outbound", domain="[('ref', '=', 'in-scope')]"
        )
        self.assertEqual(out.scope_count, 0)
        self.env["res.partner"].create([{"name": "A", "ref": "in-scope"}, {"name": "B", "ref": "other"}])
        out.invalidate_recordset(["scope_count"])
        self.assertEqual(out.scope_count, 1)

    def test_a_provider_that_cannot_count_says_so(self):
        with self.assertRaisesRegex(UserError, "Test CRM cannot say"):
            self.flow.action_count_remote()
        self.assertEqual(self.flow.remote_count_text, "not counted yet")

    def test_the_remote_count_is_kept_with_its_moment(self):
        connector = type(self.env["sync.connector.testcrm"])
        self.patch(connector, "_count", lambda _self, _connection, _flow: 42)
        self.flow.action_count_remote()
        self.assertEqual(self.flow.remote_count, 42)
        self.assertTrue(self.flow.remote_count_at)
        reader = new_test_user(self.env, "reader", "crm_sync_base.group_sync_auditor")
        with self.assertRaises(AccessError):
            self.flow.with_user(reader).action_count_remote()

    def test_the_help_says_what_the_engine_does(self):
        self.flow.write({"max_attempts": 3, "base_wait": 10, "on_step_failure": "undo"})
        rows = {row["code"]: row for row in self.flow._failure_rows()}
        self.assertEqual(rows.keys(), ERROR_CLASSES.keys())
        self.assertIn("10 s, 20 s; after 3 attempts", rows["transient"]["what"])
        self.assertIn("10 s, 40 s; after 3 attempts", rows["worker_killed"]["what"])
        self.assertIn("a person is asked at once", rows["data_invalid"]["what"])
        self.assertIn("no attempt is counted", rows["circuit_open"]["what"])
        self.assertIsNone(rows["circuit_open"]["hours"])
        self.assertEqual(rows["auth_failed"]["hours"], 4)
        html = str(self.flow.failure_help)
        self.assertIn("/crm_sync/runbook/transient", html)
        self.assertIn("taken back, the last one first", html)
        self.flow.on_step_failure = "wait"
        self.assertIn("goes on at", str(self.flow.failure_help))

    def test_the_help_names_who_is_asked(self):
        business = new_test_user(self.env, "biz", "crm_sync_base.group_sync_user", name="Berta")
        technical = new_test_user(self.env, "tec", "crm_sync_base.group_sync_operator", name="Theo")
        self.flow.write({"owner_id": business.id, "technical_owner_id": technical.id})
        rows = {row["code"]: row for row in self.flow._failure_rows()}
        self.assertEqual(rows["data_invalid"]["who"], "Berta")
        self.assertEqual(rows["bug"]["who"], "Theo")

    def test_the_printed_catalogue(self):
        self.flow.owner_id = new_test_user(self.env, "biz", "crm_sync_base.group_sync_user", name="Berta")
        action = self.flow.action_print_catalogue()
        self.assertEqual(action["report_name"], "crm_sync_base.flow_catalogue")
        html, _kind = self.env["ir.actions.report"]._render_qweb_html(
            "crm_sync_base.report_sync_flow_catalogue", self.flow.ids
        )
        text = html.decode()
        for expected in ("Integration Catalogue", self.flow.name, "Test CRM · Account", "Berta", "Tax number"):
            self.assertIn(expected, text)

    def test_the_ownership_matrix_has_a_row_for_each_field(self):
        out = self.make_flow(STATUS_RULES, direction="outbound", handler="outbound")
        [table] = (self.flow | out)._ownership()
        rows = {row["name"]: row for row in table["rows"]}
        self.assertEqual(rows.keys(), {"name", "email", "ref", "country_id", "city"})
        self.assertEqual([cell["direction"] for cell in rows["name"]["cells"]], ["Into Odoo", "Out of Odoo"])

    def test_changes_of_a_flow_leave_a_trace(self):
        self.flow.write({"remote_scope": "[('Type', '=', 'Customer')]", "priority": 5})
        self.flow.flush_recordset()
        self.env.cr.precommit.run()
        tracked = self.flow.message_ids.sudo().tracking_value_ids
        self.assertEqual(set(tracked.field_id.mapped("name")) >= {"remote_scope", "priority"}, True)


@tagged("post_install", "-at_install")
class TestApiSunset(MetricCase):
    def setUp(self):
        super().setUp()
        self.env.user.tz = "UTC"  # the reminder's day is the reader's

    def test_a_version_that_ends_soon_becomes_one_task(self):
        today = fields.Date.today()
        self.connection.api_sunset_date = today + timedelta(days=91)
        self.assertFalse(self.connection.api_sunset_text)
        self.env["sync.reminder.mixin"]._cron_remind()
        self.assertFalse(self.connection.activity_ids)
        self.connection.api_sunset_date = today + timedelta(days=90)
        for _day in range(2):
            self.env["sync.reminder.mixin"]._cron_remind()
        self.assertEqual(len(self.connection.activity_ids), 1)
        self.assertIn("90 more days", self.connection.api_sunset_text)
        self.connection.api_sunset_date = today + timedelta(days=400)
        self.env["sync.reminder.mixin"]._cron_remind()
        self.assertFalse(self.connection.activity_ids)

    def test_a_version_that_has_ended(self):
        self.connection.api_sunset_date = fields.Date.today() - timedelta(days=1)
        self.assertIn("no longer", self.connection.api_sunset_text)

    def test_a_published_end_follows_the_version(self):
        connector = type(self.env["sync.connector.testcrm"])
        end = fields.Date.today() + timedelta(days=10)
        self.patch(connector, "_api_sunset", lambda _self, version: end if version == "2" else None)
        self.connection.api_version = "2"
        self.assertEqual(self.connection.api_sunset_date, end)
        self.connection.api_version = "3"
        self.assertFalse(self.connection.api_sunset_date)
