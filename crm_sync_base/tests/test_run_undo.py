from datetime import timedelta
from unittest.mock import patch

import psycopg2
from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..lib import clock
from .test_run import RunCase


@tagged("post_install", "-at_install")
class TestUndo(RunCase):
    def setUp(self):
        super().setUp()
        self.put(3, Email="old@example.com")
        self.first = self.loaded()

    def changed(self):
        """Let a run change two records and create one."""
        self.remote.put("Account", "a0", Name="Renamed 0", Email="old@example.com")
        self.remote.put("Account", "a1", Name="Renamed 1", Email="new@example.com", Country="US")
        self.remote.put("Account", "new", Name="Brand New", Email="hello@brandnew.example")
        return self.loaded()

    def partner(self, external_id):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", external_id)]
        )
        return binding._record()

    def by_hand(self, partner, **values):
        """Let a person change a record, in a later transaction."""
        partner.with_user(self.env.ref("base.user_admin")).write(values)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_partner SET write_date = %s WHERE id = %s", [clock.now() + timedelta(seconds=1), partner.id]
        )
        partner.invalidate_recordset()

    def undo(self, run, **options):
        return self.finish(run._start_undo(**options))

    def state(self):
        fields_ = ("name", "email", "country_id", "active")
        everyone = self.env["res.partner"].with_context(active_test=False).browse(
            self.env["sync.binding"].search([("connection_id", "=", self.connection.id)], order="id").mapped("res_id")
        )
        return [tuple(partner[name] for name in fields_) for partner in everyone]

    def test_everything_goes_back(self):
        before = self.state()
        run = self.changed()
        undo = self.undo(run)
        self.assertEqual((undo.kind, undo.state, undo.undoes_id), ("undo", "done", run))
        self.assertEqual(self.counts(undo), {"update": 2})
        self.assertEqual((undo.withdraw_count, undo.left_count), (1, 0))
        self.assertEqual(self.state()[:3], before)
        self.assertFalse(self.partner("new").active, "archived, not deleted")
        changes = self.env["sync.change"].search([("run_id", "=", undo.id)])
        self.assertEqual(set(changes.mapped("operation")), {"update", "withdraw"})
        self.assertEqual(changes.reverts_id.run_id, run)

    def test_a_full_disk_leaves_nothing_behind_that_could_go_back(self):
        self.flow.base_wait = 0
        before = self.state()
        run = self.changed()
        undo = run._start_undo()
        full = psycopg2.errors.DiskFull("no space left")
        with patch.object(type(self.env["sync.handler.undo"]), "_plan_and_apply", side_effect=full):
            self.lane._run_once()
        self.assertFalse(undo.line_ids)
        self.assertEqual(self.jobs(run_id=undo.id).mapped("state"), ["pending"])
        self.jobs(run_id=undo.id).eta = clock.now() - timedelta(seconds=1)
        self.finish(undo)
        self.assertEqual((undo.state, undo.left_count), ("done", 0))
        self.assertEqual(self.state()[:3], before)

    def test_an_undo_can_be_undone_and_that_again(self):
        run = self.changed()
        after = self.state()
        undo = self.undo(run)
        undone = self.state()
        again = self.undo(undo)
        self.assertEqual((self.counts(again), again.restore_count), ({"update": 2}, 1))
        self.assertEqual(self.state(), after)
        self.undo(again)
        self.assertEqual(self.state(), undone)

    def test_what_somebody_changed_since_is_left_and_listed(self):
        run = self.changed()
        self.by_hand(self.partner("a1"), email="by.hand@example.com")
        self.by_hand(self.partner("new"), name="Mine Now")
        undo = self.undo(run)
        partner = self.partner("a1")
        left = (partner.name, partner.email, partner.country_id.code)
        self.assertEqual(left, ("Run Account 1", "by.hand@example.com", False))
        self.assertRegex(self.line(undo, "a1").reason, "changed it since: Email")
        self.assertTrue(self.partner("new").active)
        line = self.line(undo, "new")
        self.assertEqual(line.verdict, "left")
        self.assertRegex(line.reason, "changed it since: Name")

    def test_what_a_later_run_changed_is_left(self):
        run = self.changed()
        self.remote.put("Account", "a0", Name="Renamed Once More")
        later = self.loaded()
        self.by_hand(self.partner("a0"), comment="later transaction")
        self.assertEqual(self.line(self.undo(run), "a0").verdict, "left")
        self.assertEqual(self.partner("a0").name, "Renamed Once More")
        self.undo(later)
        self.assertEqual(self.partner("a0").name, "Renamed 0")

    def test_a_record_that_is_gone_stops_no_other(self):
        run = self.changed()
        self.partner("a0").unlink()
        undo = self.undo(run)
        self.assertEqual(undo.state, "done")
        self.assertIn("deleted in Odoo", undo.line_ids.filtered(lambda line: line.verdict == "left").reason)
        self.assertEqual(self.partner("a1").name, "Run Account 1")

    def refused(self, name):
        """Return a context manager in which Odoo refuses to give a contact this name."""
        partner_class = type(self.env["res.partner"])
        write = partner_class.write

        def refuse(partners, vals):
            if name in (vals.get("name") or ""):
                raise UserError("Not this one.")  # pylint: disable=translation-required
            return write(partners, vals)

        return patch.object(partner_class, "write", refuse)

    def test_what_odoo_refuses_stops_no_other(self):
        run = self.changed()
        with self.refused("Run Account 1"):
            undo = self.undo(run)
        self.assertEqual(self.counts(undo), {"update": 1, "blocked": 1})
        self.assertIn("Not this one.", self.line(undo, "a1").reason)
        self.assertEqual((self.partner("a0").name, self.partner("a1").name), ("Run Account 0", "Renamed 1"))

    def test_rules_hold_for_an_undo_too(self):
        run = self.changed()
        with self.changed_mapping(self.flow) as mapping:
            mapping.rule_ids.filtered(lambda rule: rule.field_name == "name").owner = "odoo"
        undo = self.undo(run)
        self.assertEqual(self.partner("a1").name, "Renamed 1", "Odoo owns the name by now")
        self.assertEqual(self.partner("a1").email, "old@example.com")
        self.assertIn("system of record", self.line(undo, "a1").reason)

    def test_what_needs_an_approval_is_proposed(self):
        run = self.changed()
        self.env["sync.approval.rule"].create(
            {"name": "Addresses", "field_ids": [(4, self.env.ref("base.field_res_partner__email").id)]}
        )
        with self.changed_mapping(self.flow) as mapping:
            rule = mapping.rule_ids.filtered(lambda rule: rule.field_name == "name")
            rule.write({"policy": "protected", "protected_domain": "[]"})
        undo = self.undo(run)
        partner = self.partner("a1")
        now = (partner.name, partner.email, bool(partner.country_id))
        self.assertEqual(now, ("Renamed 1", "new@example.com", False))
        proposals = self.env["sync.proposal"].search([("res_id", "=", partner.id)])
        asked = {name: pair for one in proposals for name, pair in one.sudo().values.items()}
        self.assertEqual(asked["email"], ["new@example.com", "old@example.com"])
        self.assertEqual(asked["name"], ["Renamed 1", "Run Account 1"])
        self.assertEqual(self.line(undo, "a0").verdict, "left")
        self.undo(run)
        self.assertEqual(self.env["sync.proposal"].search_count([("res_id", "=", partner.id)]), len(proposals))

    def test_what_a_rule_filled_is_emptied_again(self):
        with self.changed_mapping(self.flow) as mapping:
            mapping.rule_ids.filtered(lambda rule: rule.field_name == "email").policy = "fill_empty"
        self.partner("a2").email = False
        self.remote.put("Account", "a2", Name="Run Account 2", Email="filled@example.com")
        run = self.loaded()
        self.assertEqual(self.partner("a2").email, "filled@example.com")
        self.undo(run)
        self.assertFalse(self.partner("a2").email)

    def test_a_poll_does_not_bring_it_again_but_a_load_does(self):
        run = self.changed()
        self.undo(run)
        self.flow.poll_cursor = False
        self.flow._enqueue_poll()
        self.run_lane()
        self.assertEqual(self.partner("a1").name, "Run Account 1")
        plan = self.loaded(dry_run=True)
        self.assertEqual(self.counts(plan)["update"], 2)
        self.loaded()
        self.assertEqual(self.partner("a1").name, "Renamed 1")

    def test_an_undo_works_while_its_flow_is_off_and_a_hold_stops_it(self):
        run = self.changed()
        self.flow.action_switch_off()
        self.connection.state = "draft"
        hold = self.env["sync.hold"].create({"scope": "all", "name": "Kill switch"})
        undo = run._start_undo()
        self.run_lane()
        self.assertEqual(self.partner("a1").name, "Renamed 1")
        hold.unlink()
        self.finish(undo)
        self.assertEqual((undo.state, self.partner("a1").name), ("done", "Run Account 1"))

    def test_no_other_work_of_a_flow_that_is_off_is_done(self):
        run = self.changed()
        self.remote.put("Account", "a2", Name="Waits")
        self.notify("Account", "a2")
        self.flow.action_switch_off()
        self.undo(run)
        self.assertEqual(self.jobs(external_id="a2", kind="record", state="pending").external_id, "a2")

    def test_a_dry_run_of_an_undo_writes_nothing(self):
        run = self.changed()
        after = self.state()
        undo = self.undo(run, dry_run=True)
        self.assertEqual((self.counts(undo), undo.withdraw_count), ({"update": 2}, 1))
        self.assertEqual(self.state(), after)
        self.assertFalse(undo.can_undo)
        self.undo(undo.undoes_id)
        self.assertNotEqual(self.state(), after)

    def changed_twice(self):
        """Let one run change a record twice, and create one that it changes, too."""
        self.remote.put("Account", "a0", Name="Once", Email="once@example.com")
        self.remote.put("Account", "new", Name="Brand New", Email="hello@brandnew.example")
        run = self.start(external_ids=["a0", "new"])
        self.run_lane()
        self.remote.put("Account", "a0", Name="Twice", Email="once@example.com", Country="US")
        self.remote.put("Account", "new", Name="Brand Newer", Email="hello@brandnew.example")
        run._enqueue_pages(["a0", "new"])
        return self.finish(run)

    def test_a_record_that_one_run_changed_twice(self):
        before = self.state()
        run = self.changed_twice()
        after = self.state()
        handler = type(self.env["sync.handler.undo"])
        # Outside of tests, what was taken back a moment ago makes the record a touched one.
        with patch.object(handler, "_untouched", lambda *_args: False):
            plan = self.undo(run, dry_run=True)
            self.assertEqual(self.state(), after, "a dry run writes nothing")
            undo = self.undo(run)
        for one in (plan, undo):
            self.assertEqual((self.line(one, "a0").verdict, self.line(one, "a0").reason), ("update", False))
            self.assertEqual(self.line(one, "new").verdict, "withdraw", self.line(one, "new").reason)
            self.assertIn("Name: Twice → Once", self.line(one, "a0").summary)
            self.assertIn("Name: Once → Run Account 0", self.line(one, "a0").summary)
        self.assertEqual(self.state()[:3], before)
        self.assertFalse(self.partner("new").active)

    def test_a_dry_run_says_what_odoo_would_refuse(self):
        run = self.changed()
        with self.refused("Run Account 1"):
            undo = self.undo(run, dry_run=True)
        self.assertEqual(self.counts(undo), {"update": 1, "blocked": 1})
        self.assertIn("Not this one.", self.line(undo, "a1").reason)

    def test_an_executed_plan_is_undone_like_any_run(self):
        before = self.state()
        self.remote.put("Account", "a0", Name="Planned")
        plan = self.loaded(dry_run=True)
        self.assertFalse(plan.can_undo)
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.undo(run)
        self.assertEqual(self.state(), before)

    def test_who_may_undo(self):
        run = self.changed()
        for name in ("user", "operator", "approver", "auditor"):
            with self.subTest(name), self.assertRaises(AccessError):
                run.with_user(self.users[name])._start_undo()
            with self.subTest(name), self.assertRaises(AccessError):
                run.with_user(self.users[name]).action_undo()
        action = run.with_user(self.users["manager"]).action_undo()
        wizard = self.env["sync.run.undo.wizard"].with_user(self.users["manager"]).browse(action["res_id"])
        self.assertEqual((wizard.created_count, wizard.updated_count, wizard.outbound_count), (1, 2, 0))
        wizard.action_undo()
        self.assertEqual(run.undo_ids.create_uid, self.users["manager"])

    def test_it_is_undone_once_at_a_time(self):
        run = self.changed()
        run._start_undo()
        with self.assertRaisesRegex(UserError, "being undone already"):
            run._start_undo()
        vals = {"name": "x", "kind": "undo", "undoes_id": run.id}
        with self.assertRaises(Exception) as caught, self.cr.savepoint():
            self.env["sync.run"].create(vals)
        self.assertIn("sync_run_undo_once", str(caught.exception))

    def test_nothing_to_undo(self):
        empty = self.loaded()
        with self.assertRaisesRegex(UserError, "changed nothing"):
            empty._start_undo()
        with self.assertRaisesRegex(UserError, "still running"):
            self.start()._start_undo()

    def test_queries_do_not_grow_but_for_the_writes(self):
        self.flow.page_size = 100
        ids = [f"b{number}" for number in range(40)]
        for external_id in ids:
            self.remote.put("Account", external_id, Name=f"Load {external_id}")
        self.loaded(external_ids=ids)
        costs = []
        for part in (ids[:4], ids[4:]):
            for external_id in part:
                self.remote.put("Account", external_id, Name=f"Changed {external_id}")
            run = self.loaded(external_ids=part)
            run._start_undo()
            self.env.flush_all()
            before = self.env.cr.sql_log_count
            self.lane._run_once()
            costs.append(self.env.cr.sql_log_count - before)
        per_record = (costs[1] - costs[0]) / 32
        self.assertLess(per_record, 4, costs)


@tagged("post_install", "-at_install")
class TestUndoMadeUp(RunCase):
    """Records of models that somebody made up in Odoo, which no code knows."""

    def run_of(self, **more):
        """Make a model with these fields besides its name; return the run that created two records."""
        kinds = {"x_name": "char", **more}
        self.env["ir.model"].create({
            "name": "Tool", "model": "x_tool",
            "field_id": [
                Command.create({"name": name, "ttype": kind, "field_description": name}) for name, kind in kinds.items()
            ],
        })  # fmt: skip
        rules = [{"path": "Name", "field": "x_name"}]
        if "x_active" in more:
            self.env["ir.default"].set("x_tool", "x_active", True)
        flow = self.make_flow(rules, remote_object="Land", model="x_tool")
        for number in range(2):
            self.remote.put("Land", f"t{number}", Name=f"Tool {number}")
        return self.loaded(flow=flow)

    def tools(self):
        """Return `{name: whether it is in use}`."""
        found = self.env["x_tool"].with_context(active_test=False).search([])
        return {tool.x_name: tool.x_active for tool in found} if "x_active" in found._fields else found.mapped("x_name")

    def test_they_are_archived_and_come_back(self):
        undo = self.finish(self.run_of(x_active="boolean")._start_undo())
        self.assertEqual((undo.state, undo.withdraw_count, undo.left_count), ("done", 2, 0))
        self.assertEqual(self.tools(), {"Tool 0": False, "Tool 1": False})
        again = self.finish(undo._start_undo())
        self.assertEqual((again.state, again.restore_count), ("done", 2))
        self.assertEqual(self.tools(), {"Tool 0": True, "Tool 1": True})

    def test_what_cannot_be_archived_is_left_to_a_person(self):
        undo = self.finish(self.run_of()._start_undo())
        self.assertEqual((undo.withdraw_count, self.counts(undo)), (0, {"blocked": 2}))
        self.assertIn("can be neither archived nor cancelled", undo.line_ids[0].reason)
        self.assertEqual(sorted(self.tools()), ["Tool 0", "Tool 1"])
