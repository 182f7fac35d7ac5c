from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, HttpCase, new_test_user, tagged

from ..lib.declarations import Page, Ref
from ..lib.errors import DataInvalid, Transient
from .common import ACCOUNT_RULES, SyncCase

PARENT = {
    "path": "ParentId",
    "field": "parent_id",
    "transform": "reference",
    "argument": "Account",
    "label": "Parent",
}


class RunCase(SyncCase):
    """A flow over accounts, users of each group, and short words for runs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow([*ACCOUNT_RULES, PARENT])
        cls.flow.page_size = 3
        cls.users = {
            name: new_test_user(cls.env, f"run_{name}", groups=f"crm_sync_base.group_sync_{name}")
            for name in ("user", "operator", "manager", "approver", "auditor")
        }

    def put(self, count, **data):
        for number in range(count):
            self.remote.put("Account", f"a{number}", Name=f"Run Account {number}", **data)

    def start(self, dry_run=False, flow=None, **options):
        return self.env["sync.run"]._start_pass(flow or self.flow, dry_run=dry_run, **options)

    def finish(self, run):
        """Run everything that waits, then what looks whether runs are over."""
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        return run

    def loaded(self, **options):
        return self.finish(self.start(**options))

    def cost_of_dry_run(self, count):
        """Return the queries that it takes to try out so many records."""
        self.start(dry_run=True, external_ids=[f"a{number}" for number in range(count)])
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        self.lane._run_once()
        return self.env.cr.sql_log_count - before

    def partners(self):
        bindings = self.env["sync.binding"].search([("connection_id", "=", self.connection.id)])
        return self.env["res.partner"].browse(bindings.mapped("res_id")).exists()

    def counts(self, run):
        run.invalidate_recordset()
        names = (
            "create", "update", "bind", "unchanged", "not_needed", "skipped", "blocked", "conflict", "differs"
        )  # fmt: skip
        return {name: run[f"{name}_count"] for name in names if run[f"{name}_count"]}

    def line(self, run, external_id):
        return run.line_ids.filtered(lambda line: line.external_id == external_id)


@tagged("post_install", "-at_install")
class TestFirstLoad(RunCase):
    def test_a_whole_object_is_loaded_page_by_page(self):
        self.put(7)
        run = self.loaded()
        self.assertEqual((run.kind, run.state, run.seen_count, run.progress), ("load", "done", 7, 100.0))
        self.assertEqual(self.counts(run), {"create": 7})
        self.assertEqual(len(self.partners()), 7)
        self.assertEqual(len(self.jobs(run_id=run.id, kind="page")), 3)
        again = self.loaded()
        self.assertEqual(self.counts(again), {"unchanged": 7})
        self.assertEqual(len(self.partners()), 7)

    def test_its_cursor_is_not_that_of_the_poll(self):
        self.put(2)
        self.flow.poll_cursor = "00000009"
        run = self.loaded()
        self.assertEqual((self.flow.poll_cursor, run.cursor), ("00000009", "00000002"))

    def test_what_is_blocked_waits_on_the_desk_and_the_rest_is_loaded(self):
        self.put(4)
        self.remote.put("Account", "bad", Name="")
        run = self.loaded()
        self.assertEqual(self.counts(run), {"create": 4, "blocked": 1})
        self.assertEqual((run.state, run.failed_count), ("failed", 1))
        self.assertIn("Name is empty", self.line(run, "bad").reason)
        self.assertTrue(self.jobs(external_id="bad").exception_id)
        self.remote.put("Account", "bad", Name="Corrected")
        run.action_resume()
        self.finish(run)
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 5}))

    def test_parents_come_along_once_and_are_counted_once(self):
        self.remote.put("Account", "p", Name="Parent")
        for number in range(5):
            self.remote.put("Account", f"c{number}", Name=f"Child {number}", ParentId="p")
        # The parent is listed last: every page before needs it.
        self.remote.put("Account", "p", Name="Parent")
        run = self.loaded()
        self.assertEqual(self.counts(run), {"create": 6})
        self.assertFalse(self.line(run, "p").needed)

    def test_a_condition_and_a_list_of_ids(self):
        self.put(3, Country="DE")
        self.remote.put("Account", "us", Name="Elsewhere", Country="US")
        run = self.loaded(remote_scope="[('Country', '=', 'US')]")
        self.assertEqual(self.counts(run), {"create": 1, "skipped": 3})
        run = self.loaded(external_ids=["a1", "a1", "gone"])
        self.assertEqual(self.counts(run), {"create": 1, "skipped": 1})
        self.assertEqual(set(self.partners().mapped("name")), {"Elsewhere", "Run Account 1"})

    def test_cancelled_it_stops_and_resumed_it_goes_on(self):
        self.put(9)
        run = self.start()
        self.lane._run_once()  # lists
        self.lane._run_once()  # a first page
        run.with_user(self.users["operator"]).action_cancel()
        self.run_lane()
        self.assertEqual((run.state, len(self.partners())), ("cancelled", 3))
        run.with_user(self.users["manager"]).action_resume()
        self.finish(run)
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 9}))
        self.assertEqual(len(self.partners()), 9)
        with self.assertRaisesRegex(UserError, "not been interrupted"):
            run.action_resume()

    def test_a_lister_that_dies_goes_on_at_its_cursor(self):
        self.flow.base_wait = 3600  # of which a random part is waited: never over by itself here
        starts = []

        def poll(_self, _connection, _flow, cursor):
            starts.append(cursor)
            if len(starts) == 2:
                raise Transient("the worker died")
            page = int(cursor or 0) + 1
            refs = tuple(Ref(f"a{number}", "1") for number in range(page * 3 - 3, page * 3))
            return Page(refs, str(page), done=page == 3)

        self.put(9)
        with patch.object(type(self.env["sync.connector.testcrm"]), "_poll", poll):
            run = self.start()
            self.run_lane()
            listing = self.jobs(run_id=run.id, kind="load")
            self.assertEqual((listing.state, run.cursor, run.listed), ("pending", "1", False))
            listing.eta = fields.Datetime.now() - timedelta(seconds=1)
            self.finish(run)
        self.assertEqual(starts, ["", "1", "1", "2"])
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 9}))

    def assert_resumes(self, run, count):
        """Resume a run and see that it ends well, with so many records."""
        run.action_resume()
        self.finish(run)
        self.assertEqual((run.state, len(self.partners())), ("done", count))

    def test_a_listing_that_fails_ends_the_run_which_can_be_resumed(self):
        self.put(3)
        self.remote.faults["poll"] = [DataInvalid("no such object")]
        run = self.start()
        run.total_count = 3
        self.finish(run)
        self.assertEqual((run.state, run.listed), ("failed", False))
        self.assertIn("1 of its jobs failed", run.message)
        self.assert_resumes(run, 3)

    def test_a_listing_that_is_discarded_ends_the_run_which_can_be_resumed(self):
        self.put(3)
        run = self.start()
        self.jobs(run_id=run.id, kind="load")._discard("Not today")
        self.finish(run)
        self.assertEqual((run.state, run.message), (
            "failed", "Its records were not all listed, because that job was given up: resume the run.",
        ))
        self.assert_resumes(run, 3)

    def test_a_page_that_is_discarded_is_not_forgotten(self):
        self.put(9)
        run = self.start()
        self.lane._run_once()
        page = self.jobs(run_id=run.id, kind="page", state="pending")[:1]
        page._discard("Not today")
        self.finish(run)
        self.assertEqual((run.state, run.message), (
            "failed", "One of its jobs was given up: resume the run to do its work after all.",
        ))
        self.assertEqual(len(self.partners()), 6)
        self.assert_resumes(run, 9)

    def test_cancelled_while_it_lists(self):
        self.put(3)
        run = self.start()
        run.action_cancel()
        self.run_lane()
        self.assertEqual((self.remote.calls["poll"], len(self.partners())), (0, 0))
        self.assert_resumes(run, 3)

    def test_speed_and_time_left(self):
        self.put(9)
        run = self.start()
        self.assertEqual((run.progress, run.rate, run.time_left), (0.0, 0.0, "More records are being listed."))
        self.lane._run_once()
        self.lane._run_once()
        run.started_at -= timedelta(seconds=9)
        run.invalidate_recordset()
        self.assertAlmostEqual(run.progress, 100 / 3)
        self.assertGreater(run.rate, 0.2)
        self.assertEqual(run.time_left, "Less than a minute left")

    def test_a_provider_that_counts_says_how_much_there_is_to_do(self):
        self.put(9)
        connector = type(self.env["sync.connector.testcrm"])

        def one_page(_self, _connection, _flow, cursor):
            page = int(cursor or 0) + 1
            refs = tuple(Ref(f"a{number}", "1") for number in range(page * 3 - 3, page * 3))
            return Page(refs, str(page), done=page == 3)

        with (
            patch.object(connector, "_count", lambda *_args: 9, create=True),
            patch.object(connector, "_poll", one_page),
            patch("odoo.addons.crm_sync_base.models.sync_handler_load.POLL_SECONDS", -1),
        ):
            run = self.start()
            self.lane._run_once()
            self.assertEqual((run.seen_count, run.total_count, run._total()), (0, 9, 9))
        self.finish(run)
        self.assertEqual((run.seen_count, run.progress, run._total()), (9, 100.0, 9))

    def test_who_may_start_what(self):
        self.put(1)
        Run = self.env["sync.run"]
        for name in ("user", "approver", "auditor"):
            with self.subTest(name), self.assertRaises(AccessError):
                Run.with_user(self.users[name])._start_pass(self.flow.with_user(self.users[name]), dry_run=True)
        operator = self.users["operator"]
        with self.assertRaisesRegex(AccessError, "Only integration managers"):
            Run.with_user(operator)._start_pass(self.flow.with_user(operator), dry_run=False)
        run = Run.with_user(operator)._start_pass(self.flow.with_user(operator), dry_run=True)
        self.assertEqual((run.kind, run.create_uid), ("dry_run", operator))

    def test_the_wizard_says_what_is_in_the_way(self):
        manager = self.users["manager"]
        Wizard = self.env["sync.run.wizard"].with_user(manager)
        context = {"active_model": "sync.flow", "active_ids": self.flow.ids}
        wizard = Wizard.with_context(**context).create({})
        self.assertEqual((wizard.flow_ids, wizard.mode, wizard.obstacle), (self.flow, "dry_run", False))
        self.flow.mode = "dry_run"
        wizard.mode = "load"
        self.assertIn("only plans so far", wizard.obstacle)
        self.flow.mode = "off"
        wizard.mode = "dry_run"
        wizard.invalidate_recordset()
        self.assertEqual((wizard.will_switch, wizard.obstacle), ("Test flow", False))
        action = wizard.action_start()
        self.assertEqual((self.flow.mode, action["res_model"]), ("dry_run", "sync.run"))

    def test_the_wizard_refuses_what_cannot_be_read(self):
        wizard = self.env["sync.run.wizard"].create({"flow_ids": self.flow.ids, "part": "scope"})
        for text, message in (("", "State the condition"), ("[('a',)]", "cannot be read")):
            wizard.remote_scope = text
            with self.assertRaisesRegex(ValidationError, message):
                wizard.action_start()
        wizard.write({"part": "ids", "external_ids": " , ;"})
        with self.assertRaisesRegex(ValidationError, "at least one record"):
            wizard.action_start()

    def test_the_form_of_the_wizard_opens(self):
        with Form(self.env["sync.run.wizard"].with_context(active_model="sync.flow", active_ids=self.flow.ids)) as form:
            form.mode = "load"
            self.assertFalse(form.obstacle)

    def test_other_companies_runs_are_not_seen(self):
        self.put(1)
        run = self.loaded()
        other = self.env["res.company"].create({"name": "Other"})
        manager = self.users["manager"]
        manager.write({"company_ids": [(6, 0, other.ids)], "company_id": other.id})
        for records in (run, run.line_ids):
            with self.assertRaises(AccessError):
                records.with_user(manager).with_company(other).read(["id"])


@tagged("post_install", "-at_install")
class TestDryRun(RunCase):
    def mixed(self):
        """Bring four records in, then change one and add a new and a bad one."""
        self.put(4)
        self.loaded()
        self.remote.put("Account", "a1", Name="Renamed")
        self.remote.put("Account", "new", Name="Brand New", Email="new@brandnew.example")
        self.remote.put("Account", "bad", Name="")

    def books(self):
        """Return all that a dry run must leave alone."""
        self.env.flush_all()
        self.env.cr.execute(
            """SELECT (SELECT array_agg((id, name, email, write_date) ORDER BY id) FROM res_partner),
                      (SELECT array_agg((id, version, fingerprint_in, remote_deleted, synced_at) ORDER BY id)
                         FROM sync_binding),
                      (SELECT count(*) FROM sync_change WHERE verdict = 'applied'),
                      (SELECT count(*) FROM sync_exception)"""
        )
        return self.env.cr.fetchone()

    def test_it_says_everything_and_writes_nothing(self):
        self.mixed()
        self.remote.delete("Account", "a3")
        books = self.books()
        run = self.loaded(dry_run=True)
        self.assertEqual(self.books(), books)
        self.assertEqual(run.state, "done")
        self.assertEqual(
            self.counts(run), {"create": 1, "update": 1, "unchanged": 2, "skipped": 1, "blocked": 1}
        )
        line = self.line(run, "a1")
        self.assertEqual(line.diff, [{"field": "name", "label": "Name", "before": "Run Account 1", "after": "Renamed"}])
        self.assertIn("Name is empty", self.line(run, "bad").reason)
        self.assertFalse(self.jobs(external_id="bad"), "nothing waits on anybody's desk")

    def test_what_many_need_is_planned_once(self):
        for number in range(7):
            self.remote.put("Account", f"c{number}", Name=f"Child {number}", ParentId="p")
        self.remote.put("Account", "p", Name="Parent")
        run = self.loaded(dry_run=True)
        self.assertEqual(self.counts(run), {"create": 8})
        changes = self.env["sync.change"].search([("run_id", "=", run.id)])
        self.assertEqual((len(changes), set(changes.mapped("verdict"))), (8, {"planned"}))

    def test_a_webhook_during_a_dry_run_is_applied(self):
        self.put(1)
        run = self.start(dry_run=True)
        self.notify("Account", "a0")
        self.finish(run)
        self.assertEqual(self.partners().name, "Run Account 0")

    def test_approved_it_does_exactly_that(self):
        self.mixed()
        plan = self.loaded(dry_run=True)
        action = plan.with_user(self.users["manager"]).action_approve()
        run = self.finish(self.env["sync.run"].browse(action["res_id"]))
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 1, "update": 1}))
        self.assertEqual((run.plan_id, run.approved_by_id), (plan, self.users["manager"]))
        self.assertIn("Renamed", self.partners().mapped("name"))
        planned, applied = (
            self.env["sync.change"].search([("run_id", "=", one.id)], order="external_id").mapped(
                lambda change: (change.external_id, change.operation, change.values)
            )
            for one in (plan, run)
        )
        self.assertEqual(planned, applied)
        with self.assertRaisesRegex(UserError, "approved already"):
            plan.action_approve()

    def test_approved_with_parents_over_several_pages(self):
        for number in range(7):
            self.remote.put("Account", f"c{number}", Name=f"Child {number}", ParentId="p")
        self.remote.put("Account", "p", Name="Parent")
        plan = self.loaded(dry_run=True)
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"create": 8})
        self.assertEqual(len(self.partners()), 8)

    def test_what_changed_since_is_left_and_said(self):
        self.mixed()
        plan = self.loaded(dry_run=True)
        self.remote.put("Account", "a1", Name="Renamed Again")  # the source
        self.remote.put("Account", "new", Name="Brand New", Email="other@brandnew.example")
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual((run.state, self.counts(run)), ("done", {"differs": 2}))
        self.assertIn("Not as planned any more: Name", self.line(run, "a1").reason)
        self.assertIn("Email", self.line(run, "new").reason)
        self.assertNotIn("Brand New", self.partners().mapped("name"))
        self.assertNotIn("Renamed Again", self.partners().mapped("name"))

    def test_what_changed_in_odoo_since_is_left_and_said(self):
        self.mixed()
        plan = self.loaded(dry_run=True)
        self.partners().filtered(lambda p: p.name == "Run Account 1").name = "By Hand"
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"create": 1, "differs": 1})
        self.assertIn("By Hand", self.partners().mapped("name"))

    def test_what_exists_by_now_is_not_created_again(self):
        self.put(1)
        plan = self.loaded(dry_run=True)
        self.notify("Account", "a0")
        self.run_lane()
        self.partners().name = "By Hand"
        self.env["sync.binding"].search([("external_id", "=", "a0")]).fingerprint_in = False
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"differs": 1})
        self.assertIn("in Odoo by now", self.line(run, "a0").reason)
        self.assertEqual(self.partners().name, "By Hand")

    def test_a_parent_that_changed_since_keeps_its_children_back(self):
        self.remote.put("Account", "p", Name="Parent")
        self.remote.put("Account", "c", Name="Child", ParentId="p")
        plan = self.loaded(dry_run=True, external_ids=["c"])
        self.assertEqual(self.counts(plan), {"create": 2})
        self.remote.put("Account", "p", Name="Another Parent")
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"differs": 1})
        self.assertIn("Another Parent", self.line(run, "c").reason)
        self.assertFalse(self.partners())

    def test_another_mapping_version_is_another_plan(self):
        self.put(1)
        plan = self.loaded(dry_run=True)
        with self.changed_mapping(self.flow) as mapping:
            mapping.note = "The same rules once more."
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"differs": 1})
        self.assertIn("mapping version", self.line(run, "a0").reason)

    def test_an_approved_plan_is_carried_out_while_its_flow_only_plans(self):
        self.flow.mode = "dry_run"
        self.put(2)
        plan = self.loaded(dry_run=True)
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual((self.counts(run), len(self.partners())), ({"create": 2}, 2))
        self.remote.put("Account", "a0", Name="Later")
        self.notify("Account", "a0")
        self.run_lane()
        self.assertNotIn("Later", self.partners().mapped("name"), "what arrives is still only planned")

    def test_a_plan_is_approved_once_whoever_races(self):
        self.put(1)
        plan = self.loaded(dry_run=True)
        vals = {"name": "x", "kind": "execution", "plan_id": plan.id, "flow_id": self.flow.id}
        self.env["sync.run"].create(vals)
        with self.assertRaises(Exception) as caught, self.cr.savepoint():
            self.env["sync.run"].create(vals)
        self.assertIn("sync_run_plan_once", str(caught.exception))

    def test_who_may_approve(self):
        self.put(1)
        plan = self.loaded(dry_run=True)
        for name in ("user", "operator", "approver", "auditor"):
            with self.subTest(name), self.assertRaises(AccessError):
                plan.with_user(self.users[name]).action_approve()

    def test_only_a_finished_plan_with_changes_is_approved(self):
        run = self.loaded(dry_run=True)
        with self.assertRaisesRegex(UserError, "planned no change"):
            run.action_approve()
        with self.assertRaisesRegex(UserError, "no finished dry run"):
            self.start(dry_run=True).action_approve()

    def test_a_plan_is_not_carried_out_before_its_phase(self):
        self.flow.mode = "dry_run"
        self.put(1)
        plan = self.loaded(dry_run=True)
        Phase = self.env["sync.phase"]
        Phase.search([("company_id", "=", self.flow.company_id.id)]).signed_off = True
        _first, second = Phase.create(
            [{"name": name, "company_id": self.flow.company_id.id, "sequence": 900 + number}
             for number, name in enumerate(("First", "Second"))]
        )  # fmt: skip
        self.flow.phase_id = second
        with self.assertRaisesRegex(UserError, "Locked: First must be signed off"):
            plan.action_approve()

    def test_lines_are_forgotten_in_the_end(self):
        self.put(2)
        old, fresh = self.loaded(dry_run=True), self.loaded(dry_run=True)
        old.done_at -= timedelta(days=4000)
        self.env.flush_all()
        self.assertEqual(self.env["sync.run.line"]._gc_lines(), (2, False))
        self.assertEqual((len(old.line_ids), len(fresh.line_ids)), (0, 2))

    def test_its_jobs_are_not_replayed(self):
        self.put(1)
        plan = self.loaded(dry_run=True)
        page = self.jobs(run_id=plan.id, kind="page")
        self.assertFalse(page._replay())
        with self.assertRaisesRegex(UserError, "start that run again"):
            page.action_replay()

    def test_rows_of_the_export(self):
        self.mixed()
        run = self.loaded(dry_run=True)
        rows = list(run._export_rows())
        self.assertIn(("Account Renamed", "a1", "Update", "Name", "Run Account 1", "Renamed", ""), rows)
        self.assertTrue(any(row[1] == "bad" and "Name is empty" in row[6] for row in rows))

    def test_queries_do_not_grow_with_a_page(self):
        self.flow.page_size = 100
        self.put(60)
        self.loaded(dry_run=True, external_ids=["a0"])  # warm
        costs = [self.cost_of_dry_run(count) for count in (5, 60)]
        # Some bookkeeping is due once a minute or a transaction, whatever its size.
        self.assertLessEqual(costs[1], costs[0] + 5)


@tagged("post_install", "-at_install")
class TestRunExport(HttpCase):
    def test_the_spreadsheet_is_for_who_may_see_the_records(self):
        run = self.env["sync.run"].create({"name": "Plan", "kind": "dry_run", "state": "done"})
        self.env["sync.run.line"].create(
            {"run_id": run.id, "key": "A:1", "record_name": "=cmd()", "verdict": "blocked", "reason": "Name is empty"}
        )
        for name, status in (("operator", 200), ("user", 403)):
            new_test_user(self.env, f"export_{name}", groups=f"crm_sync_base.group_sync_{name}")
            self.authenticate(f"export_{name}", f"export_{name}")
            answer = self.url_open(f"/crm_sync/run/{run.id}/differences.xlsx")
            self.assertEqual(answer.status_code, status, name)
            if status == 200:
                self.assertEqual(answer.content[:2], b"PK")
