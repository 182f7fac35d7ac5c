from datetime import timedelta

from lxml import etree
from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools.safe_eval import safe_eval

from ..lib.errors import Transient
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestConsole(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES, name="Console flow")

    def setUp(self):
        super().setUp()
        # Something of each kind: done, failed, retried, planned, due.
        self.remote.put("Account", "good", Name="Good")
        self.remote.put("Account", "bad", Name="")
        self.notify("Account", "good", "bad")
        self.run_lane()
        self.remote.faults["read"] = [Transient("The network is down.")]
        self.notify("Account", "again")
        self.lane._run_once()
        later = fields.Datetime.now() + timedelta(hours=1)
        self.jobs(external_id="again").eta = later
        self.notify("Account", "planned")
        self.jobs(external_id="planned").eta = later
        self.notify("Account", "due", "due too")

    def console(self, user=None):
        return self.env["sync.console"].with_user(user or self.env.user).get_console()

    def filtered(self, *names):
        """Return the jobs that the list shows under filters of its search view."""
        arch = etree.fromstring(self.env["sync.job"].get_view(view_type="search")["arch"])
        domain = [("flow_id", "=", self.flow.id)]
        for name in names:
            [node] = arch.xpath(f"//filter[@name='{name}']")
            domain += safe_eval(node.get("domain"))
        return self.env["sync.job"].search(domain)

    def test_each_figure_is_what_its_link_shows(self):
        others = self.env["sync.job"].search([("flow_id", "!=", self.flow.id)])
        self.assertFalse(others, "the console counts everything, this test only its own")
        figures = self.console()["figures"]
        expected = {
            "due": self.filtered("due"),
            "running": self.filtered("running"),
            "retries": self.filtered("retries"),
            "planned": self.filtered("planned"),
            "failed": self.filtered("failed"),
            "minute": self.filtered("done", "last_minute", "no_polls"),
            "hour": self.filtered("done", "last_hour", "no_polls"),
            "failed_hour": self.filtered("failed", "last_hour", "no_polls"),
        }
        self.assertEqual(
            {key: figures[key] for key in expected}, {key: len(jobs) for key, jobs in expected.items()}
        )
        self.assertEqual(expected["retries"].external_id, "again")
        self.assertEqual(expected["planned"].external_id, "planned")
        self.assertEqual(set(expected["due"].mapped("external_id")), {"due", "due too"})
        self.assertEqual(figures["due_urgent"], 2)

    def test_what_ended_long_ago_is_not_counted(self):
        self.jobs(external_id="good").done_at -= timedelta(hours=2)
        console = self.console()
        self.assertEqual(console["figures"]["hour"], 0)
        self.assertEqual(console["times"]["count"], 1, "the failed one")

    def test_what_runs_is_told_of_its_lane(self):
        self.env["sync.job"]._claim(self.lane)
        self.flow.invalidate_recordset()
        console = self.console()
        [lane] = [row for row in console["lanes"] if row["id"] == self.lane.id]
        self.assertEqual((lane["state"], lane["running"]), ("running", console["figures"]["running"]))
        self.assertGreater(lane["running"], 0)

    def test_flows_tell_their_times(self):
        jobs = self.jobs(external_id="good") + self.jobs(external_id="bad")
        jobs.write({"run_seconds": 2.0, "wait_seconds": 4.0})
        console = self.console()
        self.assertEqual(console["times"]["run"], [2.0, 2.0, 2.0])
        [row] = console["flows"]
        self.assertEqual((row["name"], row["run"], row["wait"]), ("Console flow", 2.0, 4.0))
        self.assertEqual((row["due"], row["retries"], row["failed"], row["hour"]), (2, 1, 1, 1))

    def test_the_number_of_queries_does_not_grow(self):
        self.console()
        self.env.invalidate_all()
        with self.assertQueryCount(40):  # far from tight: it must not follow the rows
            self.console()
        self.notify("Account", *[f"more{number}" for number in range(200)])
        self.env.invalidate_all()
        with self.assertQueryCount(40):
            self.assertEqual(self.console()["figures"]["due"], 202)

    def test_why_a_job_waits(self):
        job = self.jobs(external_id="due")
        retry, planned = self.jobs(external_id="again"), self.jobs(external_id="planned")
        self.assertIn("free lane", job.waiting_for)
        self.assertIn("Tries again", retry.waiting_for)
        self.assertIn("Planned", planned.waiting_for)
        self.assertFalse(self.jobs(external_id="good").waiting_for)
        job.depends_on_id = retry
        self.assertIn(retry.name, job.waiting_for)
        self.flow.paused = True
        job.invalidate_recordset()
        self.assertIn("paused", job.waiting_for)
        hold = self.env["sync.hold"].create({"name": "Month-end"})
        self.flow.paused = False
        job.invalidate_recordset()
        self.assertIn("Month-end", job.waiting_for)
        console = self.console()
        self.assertEqual([row["name"] for row in console["holds"]], ["Month-end"])
        self.assertIn("Month-end", console["oldest"][0]["reason"])
        hold.action_lift()
        self.connection.action_pause()
        job.invalidate_recordset()
        self.assertIn(self.connection.name, job.waiting_for)

    def test_retries_say_why_and_when(self):
        [row] = self.console()["retries"]
        self.assertEqual((row["attempts"], row["message"]), (1, "The network is down."))
        self.assertGreater(row["at"], fields.Datetime.now().isoformat())

    def test_other_companies_and_strangers(self):
        other = self.env["res.company"].create({"name": "Other"})
        operator = new_test_user(
            self.env, "console_operator", groups="crm_sync_base.group_sync_operator",
            company_ids=[(6, 0, other.ids)], company_id=other.id,
        )
        console = self.env["sync.console"].with_user(operator).with_company(other).get_console()
        self.assertEqual((console["figures"]["due"], console["flows"], console["oldest"]), (0, [], []))
        stranger = new_test_user(self.env, "console_stranger", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.console(stranger)

    def test_run_now(self):
        self.jobs(external_id="planned").action_run_now()
        self.assertIn(self.jobs(external_id="planned"), self.filtered("due"))

    def searched(self, name, value):
        """Return the jobs that the list shows for what somebody typed into, or chose in, a search field."""
        arch = etree.fromstring(self.env["sync.job"].get_view(view_type="search")["arch"])
        [node] = arch.xpath(f"//search/field[@name='{name}']")
        if node.get("filter_domain"):
            domain = safe_eval(node.get("filter_domain"), {"self": value})
        elif self.env["sync.job"]._fields[name].type == "selection":
            domain = [(name, "=", value)]
        else:
            domain = [(name, node.get("operator", "ilike"), value)]
        return self.env["sync.job"].search(domain)

    def test_jobs_are_found_by_what_the_list_searches(self):
        bad, planned = self.jobs(external_id="bad"), self.jobs(external_id="planned")
        elsewhere = self.connection.copy({"name": "Second CRM"})
        other = self.make_flow(ACCOUNT_RULES, name="Contacts of another", connection_id=elsewhere.id)
        moved = self.jobs(external_id="due")
        moved.write({"flow_id": other.id, "connection_id": elsewhere.id})
        bad.subject = "Acme of Ghent"
        for name, value, expected in (
            ("flow_id", "of another", moved),
            ("connection_id", "second", moved),
            ("name", "bad", bad),
            ("name", "of ghent", bad),
            ("external_id", "planned", planned),
            ("external_id", "plan", self.env["sync.job"]),
            ("correlation_id", planned.correlation_id, planned),
            ("error_code", bad.error_code, bad),
            ("error_message", "Name", bad),
        ):
            with self.subTest(name=name, value=value):
                self.assertTrue(value)
                self.assertEqual(self.searched(name, value), expected)
