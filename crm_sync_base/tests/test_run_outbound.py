from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, new_test_user, tagged

from ..lib.errors import Transient
from ..models.base import OUTBOX
from .common import SyncCase

LOAD = "odoo.addons.crm_sync_base.models.sync_handler_load"
RULES = [
    {"path": "Name", "field": "name", "direction": "outbound", "label": "Name", "required": True},
    {"path": "Mail", "field": "email", "direction": "outbound", "label": "Mail"},
    {"path": "Place", "field": "city", "direction": "outbound", "label": "Place", "required": True},
]
HERE = "Outgoing %"


class OutboundRunCase(SyncCase):
    """A flow that sends some companies of this test, and users of each group."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(
            RULES, direction="outbound", handler="outbound", domain=f"[('name', '=like', '{HERE}')]"
        )
        cls.flow.page_size = 3
        cls.known = 0  # what the provider was told before it is of interest
        cls.users = {
            name: new_test_user(cls.env, f"send_{name}", groups=f"crm_sync_base.group_sync_{name}")
            for name in ("operator", "manager", "auditor")
        }

    def companies(self, count, **vals):
        """Create records of the flow as if it had been off: no job waits for them."""
        records = self.env["res.partner"].create(
            [{"name": f"Outgoing {number}", "city": "Town", **vals} for number in range(count)]
        )
        self.env.flush_all()
        self.env.cr.precommit.data.pop(OUTBOX, None)
        return records

    def quietly(self, records, **vals):
        """Change records without the flow noticing."""
        records.write(vals)
        self.env.flush_all()
        self.env.cr.precommit.data.pop(OUTBOX, None)

    def start(self, dry_run=False, **options):
        return self.env["sync.run"]._start_pass(self.flow, dry_run=dry_run, **options)

    def finish(self, run):
        self.run_lane()
        self.env["sync.run"]._cron_replay()
        run.invalidate_recordset()
        return run

    def sent(self, **options):
        return self.finish(self.start(**options))

    def approved(self, plan):
        return self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))

    def counts(self, run):
        run.invalidate_recordset()
        names = ("create", "update", "unchanged", "not_needed", "skipped", "blocked", "conflict", "differs")
        return {name: run[f"{name}_count"] for name in names if run[f"{name}_count"]}

    def line(self, run, record):
        return run.line_ids.filtered(lambda line: line.res_id == record.id)

    def told(self):
        """Return `[(remote id, name)]` of what the provider was told, in order."""
        return [(external_id, values["Name"]) for _object, external_id, values in self.remote.written[self.known:]]

    def after(self, line):
        return {one["label"]: one["after"] for one in line.diff}

    def external_id(self, record):
        bindings = self.env["sync.binding"]._for_records(self.connection, "Account", record)
        return bindings[record.id].external_id if bindings else None


@tagged("post_install", "-at_install")
class TestOutboundRun(OutboundRunCase):
    def mixed(self):
        """Send four, then change one, add one, and add one that cannot be rendered."""
        records = self.companies(4)
        self.sent()
        self.known = len(self.remote.written)
        for record in records:
            self.remote.put("Account", self.external_id(record), Name=record.name, Place="Town")
        self.quietly(records[1], name="Outgoing Renamed")
        new, bad = self.companies(2)
        self.quietly(new, name="Outgoing New")
        self.quietly(bad, name="Outgoing Bad", city=False)
        return records, new, bad

    def test_all_records_of_the_flow_are_sent_once(self):
        records = self.companies(7)
        run = self.sent()
        self.assertEqual((run.kind, run.state, run.seen_count, run.progress), ("load", "done", 7, 100.0))
        self.assertEqual(self.counts(run), {"create": 7})
        self.assertEqual(sorted(name for _id, name in self.told()), sorted(records.mapped("name")))
        self.assertEqual(len(self.jobs(run_id=run.id, kind="page")), 3)
        line = self.line(run, records[0])
        self.assertEqual((line.external_id, line.record_name), (self.external_id(records[0]), "Outgoing 0"))
        self.assertEqual(self.after(line), {"Name": "Outgoing 0", "Mail": "∅", "Place": "Town"})
        again = self.sent()
        self.assertEqual((self.counts(again), len(self.told())), ({"unchanged": 7}, 7))
        self.assertFalse(self.jobs(run_id=again.id, kind="push"), "what is equal needs no job")

    def test_a_dry_run_says_everything_and_sends_nothing(self):
        records, new, bad = self.mixed()
        pushes = self.remote.calls["push"]
        run = self.sent(dry_run=True)
        self.assertEqual(self.counts(run), {"create": 1, "update": 1, "unchanged": 3, "blocked": 1})
        self.assertEqual(run.state, "done")
        self.assertEqual((self.remote.calls["push"], self.told()), (pushes, []))
        self.assertEqual(
            [(one["label"], one["before"], one["after"]) for one in self.line(run, records[1]).diff],
            [("Name", "Outgoing 1", "Outgoing Renamed")],
        )
        self.assertEqual(self.after(self.line(run, new))["Name"], "Outgoing New")
        self.assertIn("Place is empty", self.line(run, bad).reason)
        self.assertFalse(self.jobs(res_id=bad.id, kind="push"), "nothing waits on anybody's desk")
        rows = list(run._export_rows())
        self.assertIn(("Outgoing Renamed", self.external_id(records[1]), "Update", "Name", "Outgoing 1",
                       "Outgoing Renamed", ""), rows)

    def test_what_the_provider_has_already_is_said(self):
        (record,) = self.companies(1)
        self.remote.put("Account", "known", Name="Outgoing 0", Place="Town", Mail=None)
        self.env["sync.binding"]._bind_many([{
            "connection": self.connection, "remote_object": "Account", "external_id": "known",
            "model": "res.partner", "res_id": record.id,
        }])  # fmt: skip
        line = self.line(self.sent(dry_run=True), record)
        self.assertEqual((line.verdict, line.diff), ("update", False))
        self.assertIn("has all of it already", line.reason)

    def test_for_real_what_is_blocked_waits_on_the_desk_and_the_rest_is_sent(self):
        _records, new, bad = self.mixed()
        run = self.sent()
        self.assertEqual(self.counts(run), {"create": 1, "update": 1, "unchanged": 3, "blocked": 1})
        self.assertEqual((run.state, run.failed_count), ("failed", 1))
        self.assertTrue(self.jobs(res_id=bad.id, kind="push").exception_id)
        self.quietly(bad, city="Found")
        run.action_resume()
        self.finish(run)
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 2, "update": 1, "unchanged": 3}))
        self.assertTrue(self.external_id(new) and self.external_id(bad))

    # === Approved plans ===#

    def test_approved_it_sends_exactly_that(self):
        self.mixed()
        plan = self.sent(dry_run=True)
        run = self.approved(plan)
        self.assertEqual((run.kind, run.state, self.counts(run)), ("execution", "done", {"create": 1, "update": 1}))
        self.assertEqual(sorted(name for _id, name in self.told()), ["Outgoing New", "Outgoing Renamed"])
        with self.assertRaisesRegex(UserError, "approved already"):
            plan.action_approve()

    def test_approved_while_the_flow_itself_only_plans(self):
        self.flow.mode = "dry_run"
        (record,) = self.companies(1)
        plan = self.sent(dry_run=True)
        run = self.approved(plan)
        self.assertEqual((run.state, self.counts(run), len(self.told())), ("done", {"create": 1}, 1))
        record.name = "Outgoing Later"
        self.run_lane()
        self.assertEqual(len(self.told()), 1, "a change of its own is only planned")

    def test_what_changed_since_is_left_and_said(self):
        records, new, _bad = self.mixed()
        plan = self.sent(dry_run=True)
        self.quietly(records[1], name="Outgoing Renamed Again")
        self.quietly(new, name="Elsewhere")
        run = self.approved(plan)
        self.assertEqual((run.state, self.counts(run)), ("done", {"differs": 2}))
        self.assertIn("Not as planned any more: Name", self.line(run, records[1]).reason)
        self.assertIn("Nothing to write", self.line(run, new).reason)
        self.assertEqual(self.told(), [])

    def test_what_changes_between_the_page_and_its_job_is_left(self):
        (record,) = self.companies(1)
        plan = self.sent(dry_run=True)
        run = self.env["sync.run"].browse(plan.action_approve()["res_id"])
        self.assertEqual(self.lane._run_once(), 1)  # the page hands it over
        self.quietly(record, name="Outgoing Changed")
        self.finish(run)
        self.assertEqual((self.counts(run), self.told()), ({"differs": 1}, []))

    def test_another_mapping_version_is_another_plan(self):
        records, _new, _bad = self.mixed()
        plan = self.sent(dry_run=True)
        with self.changed_mapping(self.flow) as draft:
            draft.rule_ids.filtered(lambda rule: rule.remote_path == "Mail").unlink()
        run = self.approved(plan)
        self.assertEqual(self.counts(run), {"differs": 2})
        self.assertIn("Another mapping version", self.line(run, records[1]).reason)

    def test_what_became_known_since_is_not_created_again(self):
        _records, new, _bad = self.mixed()
        plan = self.sent(dry_run=True)
        self.env["sync.outbox"]._enqueue(self.flow, new.ids)
        self.run_lane()
        told = len(self.told())
        run = self.approved(plan)
        self.assertEqual(self.counts(run), {"update": 1, "unchanged": 1})
        self.assertEqual(len(self.told()), told + 1)

    # === Side by side with live work ===#

    def test_a_change_that_waits_sends_it_and_the_run_says_so(self):
        first, _second = self.companies(2)
        run = self.start()
        self.lane._run_once()  # lists
        self.env["sync.outbox"]._enqueue(self.flow, first.ids)
        waiting = self.jobs(kind="push", res_id=first.id)
        waiting.eta = fields.Datetime.now() + timedelta(hours=1)  # it failed a moment ago, say
        self.finish(run)
        waiting.eta = "2000-01-01"
        self.finish(run)
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 1, "skipped": 1}))
        self.assertIn("waits to be run already", self.line(run, first).reason)
        self.assertEqual(len(self.told()), 2)

    def test_a_change_of_a_record_that_the_plan_is_about_sends_the_present_state(self):
        (record,) = self.companies(1)
        plan = self.sent(dry_run=True)
        run = self.env["sync.run"].browse(plan.action_approve()["res_id"])
        self.lane._run_once()
        record.name = "Outgoing By Somebody"
        self.finish(run)
        self.assertEqual([name for _id, name in self.told()], ["Outgoing By Somebody"])

    def test_a_lost_answer_is_one_record_at_the_provider(self):
        (record,) = self.companies(1)
        self.remote.lose_answers = 1
        run = self.sent()
        self.assertEqual((run.state, self.line(run, record).verdict), ("running", "blocked"))
        job = self.jobs(run_id=run.id, kind="push")
        run.action_cancel()
        self.assertEqual(job.state, "pending", "what may have reached the provider goes on")
        job.eta = "2000-01-01"
        self.run_lane()
        self.assertEqual(len({external_id for external_id, _name in self.told()}), 1)
        self.assertEqual(self.line(run, record).verdict, "create")

    def test_news_of_the_other_side_is_only_said_by_a_dry_run(self):
        self.make_flow([{"path": "Name", "field": "name", "label": "Name", "owner": "shared", "conflict": "newest"}])
        with self.changed_mapping(self.flow) as draft:
            draft.rule_ids.filtered(lambda rule: rule.remote_path == "Name").write(
                {"owner": "shared", "conflict": "newest"}
            )
        (record,) = self.companies(1)
        self.sent()
        external_id = self.external_id(record)
        self.remote.put("Account", external_id, Name="Outgoing 0", Place="Town")
        self.notify("Account", external_id)
        self.run_lane()
        self.remote.put("Account", external_id, Name="Outgoing News", Place="Town")
        run = self.sent(dry_run=True)
        self.assertEqual(self.counts(run), {"conflict": 1})
        self.assertIn("looked at first", self.line(run, record).reason)
        self.assertEqual(record.name, "Outgoing 0")
        self.assertFalse(self.jobs(state="pending", kind="record"))

    # === Listing ===#

    def test_a_lister_that_dies_goes_on_at_its_cursor(self):
        self.flow.base_wait = 3600  # of which a random part is waited: never over by itself here
        records = self.companies(5)
        handler = type(self.env["sync.handler.load"])
        original, starts = handler._odoo_page, []

        def page(lister, flow, run, start):
            starts.append(start)
            if len(starts) == 2:
                raise Transient("the worker died")
            return original(lister, flow, run, start)

        with patch.object(handler, "_odoo_page", page), patch(f"{LOAD}.LISTED", 2):
            run = self.start()
            self.run_lane()
            listing = self.jobs(run_id=run.id, kind="load")
            self.assertEqual((listing.state, run.cursor, run.listed), ("pending", str(records[1].id), False))
            listing.eta = fields.Datetime.now() - timedelta(seconds=1)
            self.finish(run)
        self.assertEqual(starts, ["", str(records[1].id), str(records[1].id), str(records[3].id)])
        self.assertEqual((run.state, self.counts(run)), ("done", {"create": 5}))

    def test_how_much_there_is_to_do_is_known_at_once(self):
        self.companies(5)
        with patch(f"{LOAD}.LISTED", 2), patch(f"{LOAD}.POLL_SECONDS", -1):
            run = self.start()
            self.lane._run_once()
            self.assertEqual((run.seen_count, run.total_count, run._total()), (0, 5, 5))
        self.finish(run)
        self.assertEqual((run.seen_count, run.progress), (5, 100.0))

    def test_cancelled_it_stops_and_resumed_it_goes_on(self):
        self.companies(5)
        run = self.start()
        self.lane._run_once()  # lists
        self.lane._run_once()  # a page: its records wait to be sent
        run.with_user(self.users["operator"]).action_cancel()
        self.run_lane()
        self.assertEqual((run.state, self.told()), ("cancelled", []))
        run.with_user(self.users["manager"]).action_resume()
        self.finish(run)
        self.assertEqual((run.state, self.counts(run), len(self.told())), ("done", {"create": 5}, 5))

    def test_an_approved_plan_that_was_cancelled_stays_the_plan(self):
        (record,) = self.companies(1)
        run = self.env["sync.run"].browse(self.sent(dry_run=True).action_approve()["res_id"])
        self.lane._run_once()
        run.action_cancel()
        self.quietly(record, name="Outgoing Changed")
        run.action_resume()
        self.finish(run)
        self.assertEqual((self.counts(run), self.told()), ({"differs": 1}, []))

    def test_conditions_and_ids(self):
        records = self.companies(3)
        self.quietly(records[0], email="one@outgoing.example")
        run = self.sent(odoo_scope="[('email', '!=', False)]")
        self.assertEqual((run.seen_count, self.counts(run)), (1, {"create": 1}))
        other = self.env["res.partner"].create({"name": "Not of the flow"})
        run = self.sent(external_ids=[records[1].id, other.id])
        self.assertEqual(self.counts(run), {"create": 1, "skipped": 1})

    def test_records_of_other_companies_stay_here(self):
        other = self.env["res.company"].create({"name": "Other"})
        self.companies(2, company_id=other.id)
        self.assertEqual(self.sent(dry_run=True).seen_count, 0)

    def test_flows_that_create_on_demand_leave_unknown_records(self):
        self.flow.create_policy = "on_demand"
        self.companies(2)
        for dry_run in (True, False):
            self.assertEqual(self.counts(self.sent(dry_run=dry_run)), {"not_needed": 2})
        self.assertEqual(self.told(), [])

    # === People ===#

    def test_it_cannot_be_undone_and_says_what_to_do(self):
        self.companies(1)
        run = self.sent()
        self.assertFalse(run.can_undo)
        with self.assertRaisesRegex(UserError, "cannot be taken back from Odoo"):
            run.action_undo()

    def test_who_may_start_what(self):
        Run, operator, auditor = self.env["sync.run"], self.users["operator"], self.users["auditor"]
        with self.assertRaises(AccessError):
            Run.with_user(auditor)._start_pass(self.flow.with_user(auditor), dry_run=True)
        with self.assertRaises(AccessError):
            self.flow.with_user(operator).action_send_all()
        run = Run.with_user(operator)._start_pass(self.flow.with_user(operator), dry_run=True)
        self.finish(run)
        with self.assertRaises(AccessError):
            run.with_user(operator).action_approve()
        action = self.flow.with_user(self.users["manager"]).action_send_all()
        self.assertEqual(Run.browse(action["res_id"]).kind, "load")

    def test_the_wizard(self):
        record, _other = self.companies(2)
        context = {"active_model": "sync.flow", "active_ids": self.flow.ids}
        with Form(self.env["sync.run.wizard"].with_context(**context)) as form:
            self.assertTrue(form.sends)
            form.part = "scope"
            form.odoo_scope = f"[('id', '=', {record.id})]"
        wizard = form.record
        run = self.finish(self.env["sync.run"].browse(wizard.action_start()["res_id"]))
        self.assertEqual((run.kind, self.counts(run)), ("dry_run", {"create": 1}))
        for part, vals, message in (
            ("ids", {"external_ids": "001A"}, "by their ids in Odoo"),
            ("scope", {"odoo_scope": "[('nonsense', '=', 1)]"}, "cannot be read"),
            ("scope", {"odoo_scope": "[]"}, "State the condition"),
        ):
            wizard.write({"part": part, **vals})
            with self.assertRaisesRegex(ValidationError, message):
                wizard.action_start()
        wizard.write({"part": "ids", "external_ids": str(record.id)})
        run = self.finish(self.env["sync.run"].browse(wizard.action_start()["res_id"]))
        self.assertEqual(self.counts(run), {"create": 1})

    def test_queries_do_not_grow_with_a_page(self):
        self.flow.page_size = 100
        records = self.companies(66)
        self.sent(external_ids=records[:33].ids)
        self.quietly(records[:33], city="Elsewhere")
        self.sent(dry_run=True, external_ids=records[:1].ids)  # warm
        costs = []
        for few in (records[:3] + records[63:], records[3:63]):
            self.start(dry_run=True, external_ids=few.ids)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.lane._run_once()
            costs.append(self.env.cr.sql_log_count - before)
        self.assertLessEqual(costs[1], costs[0] + 5)
