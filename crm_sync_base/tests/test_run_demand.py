from odoo import Command
from odoo.tests import tagged

from .common import ACCOUNT_RULES
from .test_run import PARENT, RunCase


@tagged("post_install", "-at_install")
class TestLoadOnDemand(RunCase):
    """First loads of flows that create a record only when another one needs it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow.create_policy = "on_demand"

    def here(self, name, **vals):
        return self.env["res.partner"].create({"name": name, **vals})

    def count(self):
        return self.env["res.partner"].search_count([("name", "=like", "Run %")])

    def bound(self, external_id):
        binding = self.env["sync.binding"]._lookup(self.connection, "Account", [external_id]).get(external_id)
        return binding and self.env["res.partner"].browse(binding.res_id)

    def people(self):
        """Put an equal, a differing, an unknown and an incomplete account; return the two that are here."""
        self.remote.put("Account", "equal", Name="Run Equal", VAT="E1")
        self.remote.put("Account", "other", Name="Run Renamed", VAT="O1")
        self.remote.put("Account", "unknown", Name="Run Unknown", VAT="U1")
        self.remote.put("Account", "incomplete", Name="", Email="nobody@nowhere.example")
        return self.here("Run Equal", ref="E1"), self.here("Run Other", ref="O1")

    def test_what_is_here_is_bound_and_the_rest_is_set_aside(self):
        equal, other = self.people()
        count = self.count()
        run = self.loaded()
        self.assertEqual((run.state, run.seen_count), ("done", 4))
        self.assertEqual(self.counts(run), {"bind": 1, "update": 1, "not_needed": 2})
        self.assertEqual((self.bound("equal"), self.bound("other")), (equal, other))
        self.assertEqual((other.name, self.count()), ("Run Renamed", count))
        self.assertFalse(self.bound("unknown"))
        self.assertEqual(self.line(run, "unknown").reason, "Not needed in Odoo yet; nothing to do")
        self.assertFalse(self.jobs(external_id="incomplete"), "nobody is asked about what nobody needs")
        self.assertEqual(self.counts(self.loaded()), {"unchanged": 2, "not_needed": 2})

    def test_planned_and_approved_it_is_the_same(self):
        equal, other = self.people()
        plan = self.loaded(dry_run=True)
        self.assertEqual(self.counts(plan), {"bind": 1, "update": 1, "not_needed": 2})
        self.assertFalse(self.partners())
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual((run.seen_count, self.counts(run)), (2, {"bind": 1, "update": 1}))
        self.assertEqual((self.bound("equal"), self.bound("other")), (equal, other))

    def test_an_approved_recognition_that_no_longer_holds_is_left(self):
        equal, _other = self.people()
        plan = self.loaded(dry_run=True, external_ids=["equal"])
        equal.write({"ref": "X", "name": "Somebody Else"})
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.counts(run), {"differs": 1})
        self.assertIn("its Odoo record is gone", self.line(run, "equal").reason)
        self.assertFalse(self.bound("equal"))

    def test_what_is_ambiguous_goes_to_the_review_list(self):
        twins = self.here("Run Twin", ref="T1") + self.here("Run Twin", ref="T1")
        self.remote.put("Account", "twin", Name="Run Twin", VAT="T1")
        for dry_run in (True, False):
            run = self.loaded(dry_run=dry_run)
            self.assertEqual(self.counts(run), {"blocked": 1})
        match = self.env["sync.match"].search([("flow_id", "=", self.flow.id), ("external_id", "=", "twin")])
        self.assertEqual((match.state, match.candidate_count), ("open", 2))
        match._decide_bind(twins[1].id)
        self.finish(run)
        self.assertEqual(self.bound("twin"), twins[1])
        run.action_resume()
        self.assertEqual(self.finish(run).state, "done")

    def test_a_decision_after_a_dry_run_is_carried_out_although_nothing_needs_it(self):
        twins = self.here("Run Twin", ref="T1") + self.here("Run Twin", ref="T1")
        self.remote.put("Account", "twin", Name="Run Twin", VAT="T1")
        self.remote.put("Account", "new", Name="Run Twin", VAT="T1")
        self.loaded(dry_run=True)
        matches = {
            match.external_id: match for match in self.env["sync.match"].search([("flow_id", "=", self.flow.id)])
        }
        matches["twin"]._decide_bind(twins[0].id)
        matches["new"].action_create()
        self.run_lane()
        self.assertEqual(self.bound("twin"), twins[0])
        self.assertTrue(self.bound("new"))
        self.assertNotIn(self.bound("new"), twins)

    def test_outside_of_a_load_nothing_is_looked_for(self):
        self.people()
        self.notify("Account", "equal")
        self.run_lane()
        self.assertFalse(self.bound("equal"))
        self.assertEqual(self.jobs(external_id="equal").summary, "Not needed in Odoo yet; nothing to do")

    def family(self, page_size):
        """A known child whose parent nobody knows, and another parent that nobody needs."""
        self.flow.page_size = page_size
        child = self.here("Run Child", ref="C1")
        self.remote.put("Account", "child", Name="Run Child", VAT="C1", ParentId="parent")
        self.remote.put("Account", "orphan", Name="Run Orphan", ParentId="idle")
        self.remote.put("Account", "parent", Name="Run Parent")
        self.remote.put("Account", "idle", Name="Run Idle")
        return child

    def test_what_a_known_record_needs_comes_along_on_one_page_and_over_several(self):
        for page_size in (10, 1):
            with self.subTest(page_size), self.env.cr.savepoint() as savepoint:
                child = self.family(page_size)
                plan = self.loaded(dry_run=True)
                expected = {"update": 1, "create": 1, "not_needed": 2}
                self.assertEqual(self.counts(plan), expected)
                self.assertTrue(self.line(plan, "parent").needed)
                run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
                self.assertEqual(self.counts(run), {"update": 1, "create": 1})
                self.assertEqual(child.parent_id.name, "Run Parent")
                self.assertFalse(self.bound("idle") or self.bound("orphan"))
                savepoint.rollback()
                self.env.invalidate_all()
            with self.subTest(page_size, real=True), self.env.cr.savepoint() as savepoint:
                child = self.family(page_size)
                run = self.loaded()
                self.assertEqual(self.counts(run), expected)
                self.assertEqual(child.parent_id, self.bound("parent"))
                self.assertEqual(self.count(), 2)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_what_needs_it_fails_and_nothing_is_created(self):
        self.here("Run Child", ref="C1")
        self.remote.put("Account", "child", Name="", VAT="C1", ParentId="parent")
        self.remote.put("Account", "parent", Name="Run Parent")
        run = self.loaded()
        self.assertEqual(self.counts(run), {"blocked": 1, "not_needed": 1})
        self.assertEqual(self.count(), 1)

    def test_a_flow_that_never_creates_recognises_too(self):
        self.flow.create_policy = "never"
        equal, _other = self.people()
        run = self.loaded()
        self.assertEqual(self.counts(run), {"bind": 1, "update": 1, "not_needed": 2})
        self.assertEqual(self.bound("equal"), equal)

    def test_nor_does_it_create_what_a_known_record_needs(self):
        self.flow.create_policy = "never"
        self.family(page_size=1)
        run = self.loaded()
        self.assertEqual(self.counts(run), {"blocked": 1, "not_needed": 3})
        self.assertIn("Parent", self.line(run, "child").reason)
        self.assertEqual(self.count(), 1)

    def test_queries_do_not_grow_with_a_page(self):
        self.flow.page_size = 100
        self.put(60)
        for number in range(60):
            self.remote.records["Account"][f"a{number}"]["data"]["VAT"] = f"V{number}"
        self.env["res.partner"].create([{"name": f"Run Account {n}", "ref": f"V{n}"} for n in range(0, 60, 2)])
        self.loaded(dry_run=True, external_ids=["a0"])  # warm
        costs = [self.cost_of_dry_run(count) for count in (6, 60)]
        self.assertLessEqual(costs[1], costs[0] + 5)


ASK = {"path": "Phone", "field": "phone", "label": "Phone", "owner": "shared", "conflict": "ask"}
GATED = {"path": "Vat", "field": "vat", "label": "VAT"}


@tagged("post_install", "-at_install")
class TestForeseenProposals(RunCase):
    """A dry run says how many people would be asked, and its approval asks exactly them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow([*ACCOUNT_RULES, PARENT, GATED, ASK], remote_object="Deal", code="asking")
        field = cls.env.ref("base.field_res_partner__vat")
        cls.env["sync.approval.rule"].create({"name": "Tax numbers", "field_ids": [Command.link(field.id)]})

    def proposals(self):
        return self.env["sync.proposal"].search([("flow_id", "=", self.flow.id), ("state", "=", "pending")])

    def questions(self):
        """Bring five in, then let one wait for an approval, one for a choice, one for both, one for nobody."""
        for number in range(5):
            self.remote.put("Deal", f"d{number}", Name=f"Run {number}", Vat="DE1", Phone="1")
        self.loaded()
        for number, vat, phone in ((0, "DE2", "1"), (1, "DE1", "2"), (2, "DE2", "2"), (3, "DE1", "1")):
            self.remote.put("Deal", f"d{number}", Name=f"Run {number} B", Vat=vat, Phone=phone)
        self.remote.put("Deal", "d0", Name="Run 0", Vat="DE2", Phone="1")
        for partner in self.partners().filtered(lambda one: one.name in ("Run 1", "Run 2")):
            partner.phone = "9"

    def said(self, run):
        return {line.external_id: line.asks for line in run.line_ids if line.asks}

    def test_it_says_how_many_would_be_asked_and_asks_nobody(self):
        self.questions()
        plan = self.loaded(dry_run=True)
        self.assertEqual(self.said(plan), {"d0": 1, "d1": 1, "d2": 2})
        self.assertEqual((plan.ask_count, plan.state), (4, "done"))
        self.assertFalse(self.proposals())
        shown = self.env["sync.run.line"].search(plan.action_open_asks()["domain"])
        self.assertEqual(set(shown.mapped("external_id")), {"d0", "d1", "d2"})

    def test_approved_exactly_these_are_raised(self):
        self.questions()
        plan = self.loaded(dry_run=True)
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.said(run), self.said(plan))
        self.assertEqual((run.ask_count, len(self.proposals())), (4, 4))
        self.assertEqual(
            {(one.external_id, one.kind) for one in self.proposals()},
            {("d0", "approval"), ("d1", "conflict"), ("d2", "approval"), ("d2", "conflict")},
        )
        self.assertIn("Run 1 B", self.partners().mapped("name"), "what needs nobody is written")

    def test_what_waits_already_is_not_counted_again(self):
        self.questions()
        self.loaded()
        self.assertEqual(len(self.proposals()), 4)
        plan = self.loaded(dry_run=True)
        self.assertEqual((plan.ask_count, len(self.proposals())), (0, 4))

    def test_another_question_than_planned_is_not_asked(self):
        self.questions()
        plan = self.loaded(dry_run=True)
        self.partners().filtered(lambda one: one.name == "Run 0").vat = "DE7"
        run = self.finish(self.env["sync.run"].browse(plan.action_approve()["res_id"]))
        self.assertEqual(self.line(run, "d0").verdict, "differs")
        self.assertEqual(self.said(run), {"d1": 1, "d2": 2})
        self.assertNotIn("d0", self.proposals().mapped("external_id"))
