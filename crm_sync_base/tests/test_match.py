import psycopg2
from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import SyncCase

RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"path": "Company", "field": "is_company", "transform": "boolean", "label": "Company"},
    {"path": "Ref", "field": "ref", "label": "Number", "is_key": True},
    {"path": "Vat", "field": "vat", "label": "Tax number"},
    {"path": "Email", "field": "email", "label": "E-mail"},
    {"path": "Website", "field": "website", "label": "Website"},
    {"path": "Zip", "field": "zip", "label": "Postcode"},
    {"path": "Country", "field": "country_id", "transform": "country", "label": "Country"},
    {"path": "ParentId", "field": "parent_id", "transform": "reference", "argument": "Account", "label": "Parent"},
]


@tagged("post_install", "-at_install")
class MatchCase(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(RULES)
        cls.env.ref("base.partner_admin").email = "admin@here.example"
        cls.operator = cls.env["res.users"].create(
            {
                "name": "Olga Operator",
                "login": "match_operator",
                "group_ids": [
                    Command.link(cls.env.ref("crm_sync_base.group_sync_operator").id),
                    Command.link(cls.env.ref("base.group_partner_manager").id),
                ],
            }
        )

    def here(self, name="Zephyr Pumps GmbH", **vals):
        return self.env["res.partner"].create({"name": name, "is_company": True, **vals})

    def arrive(self, external_id="a1", name="Zephyr Pumps GmbH", **data):
        """Let a company arrive and run what follows; return its match, if there is one."""
        self.remote.put("Account", external_id, Name=name, Company=data.pop("Company", True), **data)
        self.notify("Account", external_id)
        self.run_lane()
        return self.match(external_id)

    def match(self, external_id="a1"):
        return self.env["sync.match"].search([("flow_id", "=", self.flow.id), ("external_id", "=", external_id)])

    def bound(self, external_id="a1"):
        binding = self.env["sync.binding"].search(
            [("connection_id", "=", self.connection.id), ("external_id", "=", external_id)]
        )
        return binding._record() if binding else self.env["res.partner"]

    def count(self, name):
        return self.env["res.partner"].search_count([("name", "ilike", name)])


class TestLadder(MatchCase):
    def test_each_rung_binds_what_is_certain(self):
        for number, (stored, said) in enumerate(
            (
                ({"ref": "C-77"}, {"Ref": "C-77"}),
                ({"vat": "XX12345678"}, {"Vat": "xx 1234.5678"}),
                ({"email": "Office@Zephyr.example"}, {"Email": "office@zephyr.example"}),
                ({"website": "https://www.pumps.example/de"}, {"Website": "pumps.example"}),
                ({"zip": "LS1 1UR"}, {"Zip": "ls11ur"}),
            )
        ):
            with self.subTest(said=said):
                partner = self.here(f"Zephyr{'abcde'[number] * 3} Pumps GmbH", **stored)
                match = self.arrive(f"a{number}", name=f"ZEPHYR{'abcde'[number] * 3} PUMPS", **said)
                self.assertEqual(self.bound(f"a{number}"), partner)
                self.assertEqual((match.state, match.automatic, match.res_id), ("bind", True, partner.id))
                self.assertGreaterEqual(match.best_score, 92)

    def test_an_imported_external_id_of_odoo_is_enough(self):
        partner = self.here("Entirely Other Name")
        self.env["ir.model.data"].create(
            {"module": "__import__", "name": "a1", "model": "res.partner", "res_id": partner.id}
        )
        self.arrive()
        self.assertEqual(self.bound(), partner)

    def test_a_typo_is_found_within_its_postcode(self):
        partner = self.here("Brandt Logistik GmbH", zip="20095")
        match = self.arrive(name="Brand Logistik GmbH", Zip="20095")
        self.assertIn(self.bound() or partner, partner)
        self.assertEqual(match.candidate_ids.res_id, partner.id)
        self.assertEqual(self.count("Logistik"), 1, "in no case there are two")

    def test_nobody_like_it_is_created_and_no_row_is_kept(self):
        self.here("Other Company", zip="20095", vat="XX11111111", website="other.example")
        match = self.arrive(Zip="20095", Vat="XX22222222", Website="zephyr.example")
        self.assertTrue(self.bound())
        self.assertFalse(match)

    def test_two_that_fit_wait_for_a_person(self):
        twins = self.here(ref="C-77") + self.here(ref="C-77")
        match = self.arrive(Ref="C-77")
        self.assertEqual((match.state, match.candidate_ids.mapped("res_id")), ("open", twins.ids))
        self.assertIn("same identifier", match.why)
        job = self.jobs(external_id="a1")
        self.assertEqual((job.state, job.error_code), ("failed", "ambiguous"))
        self.assertEqual(self.count("Zephyr"), 2)
        self.assertEqual(match.job_ids, job)
        self.assertEqual(job.exception_id.fix_kind, "match")
        self.assertEqual(job.exception_id.action_fix()["res_model"], "sync.match")

    def test_what_speaks_against_it_asks_a_person(self):
        self.here(zip="20095", vat="XX11111111")
        match = self.arrive(Zip="20095", Vat="XX22222222")
        self.assertEqual(match.state, "open")
        self.assertIn("another tax number", match.why)

    def test_an_archived_record_asks_a_person(self):
        self.here(vat="XX11111111", active=False)
        match = self.arrive(Vat="XX11111111")
        self.assertEqual(match.state, "open")
        self.assertIn("archived", match.why)

    def test_a_duplicate_at_the_source_asks_a_person(self):
        self.arrive("a1", Vat="XX11111111")
        match = self.arrive("a2", Vat="XX11111111")
        self.assertEqual((match.state, match.candidate_ids.taken_by), ("open", "a1"))
        self.assertEqual(self.count("Zephyr"), 1)
        with self.assertRaisesRegex(UserError, "bound to a1"):
            match.candidate_ids.with_user(self.operator).action_bind()

    def test_names_alike_of_what_is_bound_are_others(self):
        self.arrive("a1", name="Zephyr Pumps", Zip="20095")
        self.assertFalse(self.arrive("a2", name="Zephyr Pump Services", Zip="20095"))
        self.assertTrue(self.bound("a2"))

    def test_twins_in_one_batch_are_created_once(self):
        for external_id in ("a1", "a2"):
            self.remote.put("Account", external_id, Name="Zephyr", Company=True, Vat="XX11111111")
        for number in range(5):
            self.remote.put("Account", f"b{number}", Name=f"Bystander {number}", Company=True)
        self.notify("Account", "a1", "a2", *[f"b{number}" for number in range(5)])
        self.run_lane()
        self.assertEqual(self.count("Zephyr"), 1)
        self.assertEqual(self.count("Bystander"), 5)
        self.assertEqual((self.match("a1") + self.match("a2")).mapped("state"), ["open"])

    def test_people_of_one_company_and_of_others(self):
        company, other = self.here("Aurora"), self.here("Borealis")
        ann = self.env["res.partner"].create({"name": "Ann Archer", "parent_id": company.id, "email": "ann@x.example"})
        self.env["sync.binding"]._bind_many(
            [
                {"connection": self.connection, "remote_object": "Account", "external_id": key,
                 "model": "res.partner", "res_id": partner.id}
                for key, partner in (("acc1", company), ("acc2", other))
            ]
        )
        self.arrive("c1", name="Ann Archer", Company=False, ParentId="acc1", Email="ann@x.example")
        self.assertEqual(self.bound("c1"), ann)
        match = self.arrive("c2", name="Ann Archer", Company=False, ParentId="acc2", Email="ann@x.example")
        self.assertFalse(match, "Ann of Aurora is known as c1; this one works elsewhere")
        self.assertEqual(self.bound("c2").parent_id, other)

    def test_other_companies_records_are_not_proposed(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.here(vat="XX11111111", company_id=other.id)
        self.assertFalse(self.arrive(Vat="XX11111111"))
        self.assertTrue(self.bound())

    def test_a_dry_run_asks_and_binds_nothing(self):
        partner = self.here(vat="XX11111111")
        self.here("Twin", ref="C-1")
        self.here("Twin", ref="C-1")
        self.flow.action_dry_run()
        self.assertFalse(self.arrive("a1", Vat="XX11111111", Email="new@x.example"))
        self.assertEqual(self.arrive("a2", name="Twin", Ref="C-1").state, "open")
        self.assertFalse(self.env["sync.binding"].search([("external_id", "in", ("a1", "a2"))]))
        change = self.env["sync.change"].search([("external_id", "=", "a1")])
        self.assertEqual(change.res_id, partner.id)

    def test_queries_do_not_grow_with_the_batch(self):
        def cost(prefix, count):
            for number in range(count):
                name = f"{prefix}{'abcdefghij'[number % 10]}{number} Pumps"
                self.here(name, zip="20095", vat=f"XX{prefix}{number:06d}")
                self.remote.put("Account", f"{prefix}{number}", Name=name, Company=True, Zip="20095",
                                Vat=f"XX{prefix}{number:06d}", Website=f"{prefix}{number}.example")
            self.notify("Account", *[f"{prefix}{number}" for number in range(count)])
            self.flow.batch_size = count
            self.env.flush_all()
            self.env.invalidate_all()
            start = self.env.cr.sql_log_count
            self.run_lane()
            return self.env.cr.sql_log_count - start

        cost("W", 3)
        small, large = cost("S", 10), cost("L", 60)
        self.assertEqual(len(self.env["sync.match"].search([("automatic", "=", True)])), 73)
        # A partner's `write` (the website) asks Odoo three things about each partner.
        self.assertLess(large - small, 20 + 3 * 50)


class TestReview(MatchCase):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.here(ref="C-77", zip="20095"), self.here(ref="C-77", zip="20095")
        self.question = self.arrive(Ref="C-77").with_user(self.operator)

    def candidate(self, partner):
        return self.question.candidate_ids.filtered(lambda one: one.res_id == partner.id)

    def test_it_is_this_one(self):
        self.candidate(self.second).action_bind()
        self.assertEqual((self.question.state, self.question.decided_by_id), ("bind", self.operator))
        self.run_lane()
        self.assertEqual(self.bound(), self.second)
        self.assertEqual(self.jobs(external_id="a1").sorted("id")[-1].state, "done")
        self.assertEqual(self.count("Zephyr"), 2)

    def test_it_is_a_new_one(self):
        self.question.action_create()
        self.run_lane()
        self.assertNotIn(self.bound(), self.first + self.second)
        self.assertEqual(self.count("Zephyr"), 3)

    def test_it_is_left_out_and_stays_out(self):
        self.question.action_skip()
        self.run_lane()
        self.arrive(Ref="C-77", Email="again@x.example")
        self.assertFalse(self.bound())
        self.assertEqual(set(self.jobs(external_id="a1").mapped("state")), {"done", "cancelled"})
        self.assertIn("Left out", self.jobs(external_id="a1").sorted("id")[-1].summary)

    def test_what_needs_a_record_that_is_left_out_waits(self):
        self.question.action_skip()
        self.run_lane()
        self.arrive("child", name="Subsidiary", ParentId="a1")
        job = self.jobs(external_id="child")
        self.assertEqual((job.state, job.error_code), ("failed", "not_ready"))
        self.assertIn("Left out", job.error_message)
        self.assertFalse(self.bound("child"))

    def test_what_waits_for_the_decision_goes_on_by_itself(self):
        self.arrive("child", name="Subsidiary", ParentId="a1")
        self.assertEqual(self.jobs(external_id="child").state, "failed")
        self.candidate(self.first).action_bind()
        self.run_lane()
        self.assertEqual(self.bound("child").parent_id, self.first)

    def test_candidates_are_merged(self):
        self.question.action_merge()
        self.run_lane()
        self.assertEqual((self.first + self.second).exists(), self.bound())
        self.assertEqual(self.count("Zephyr"), 1)

    def test_merging_needs_the_right_to_merge(self):
        self.operator.group_ids -= self.env.ref("base.group_partner_manager")
        with self.assertRaises(AccessError):
            self.question.action_merge()

    def test_it_is_decided_once(self):
        self.question.action_create()
        for again in (self.question.action_skip, self.candidate(self.first).action_bind, self.question.action_merge):
            with self.assertRaisesRegex(UserError, "Olga Operator"):
                again()

    def test_a_decision_is_taken_back_until_it_is_carried_out(self):
        self.question.action_create()
        self.question.action_reopen()
        self.assertEqual((self.question.state, self.question.decided_by_id.id), ("open", False))
        self.run_lane()
        self.assertEqual(self.question.state, "open")
        self.candidate(self.first).action_bind()
        self.run_lane()
        with self.assertRaisesRegex(UserError, "bound already"):
            self.question.action_reopen()

    def test_a_chosen_record_that_was_deleted_is_asked_for_again(self):
        self.candidate(self.second).action_bind()
        self.second.unlink()
        self.run_lane()
        self.assertEqual(self.bound(), self.first, "the other one is certain now")

    def test_several_at_once(self):
        self.here("Boreas", ref="C-78")
        self.here("Boreas", ref="C-78")
        self.arrive("a2", name="Boreas", Ref="C-78")
        (self.question + self.match("a2")).with_user(self.operator).action_bind_best()
        self.run_lane()
        self.assertEqual((self.bound("a1").name, self.bound("a2").name), ("Zephyr Pumps GmbH", "Boreas"))

    def test_a_question_that_answers_itself_closes(self):
        (self.first + self.second).write({"ref": False, "name": "Renamed", "zip": False})
        self.arrive(Ref="C-77")
        self.assertEqual((self.question.state, self.question.automatic), ("create", True))
        self.assertTrue(self.bound())

    def test_looking_again_finds_what_was_corrected_since(self):
        self.second.ref = "C-99"
        self.question.action_look_again()
        self.run_lane()
        self.assertEqual((self.question.state, self.bound()), ("bind", self.first))

    def test_only_operators_decide(self):
        user = self.env["res.users"].create(
            {
                "name": "Ute User",
                "login": "match_user",
                "group_ids": [Command.link(self.env.ref("crm_sync_base.group_sync_user").id)],
            }
        )
        auditor = user.copy({"login": "match_auditor"})
        auditor.group_ids = [Command.set([self.env.ref("crm_sync_base.group_sync_auditor").id])]
        for person in (user, auditor):
            match = self.question.with_user(person)
            self.assertEqual(match.state, "open", "everybody may see it")
            calls = (match.action_create, match.action_skip, match.candidate_ids[0].action_bind, match.action_merge)
            for call in (*calls, match.action_reopen, match.action_look_again):
                with self.assertRaises(AccessError):
                    call()
        for person in (user, auditor, self.operator, self.env.ref("base.user_admin")):
            match = self.question.with_user(person)
            for write in (lambda m=match: m.write({"state": "create"}), lambda m=match: m.copy(), match.unlink):
                with self.assertRaises(AccessError):
                    write()

    def test_other_companies_do_not_see_it(self):
        other = self.env["res.company"].create({"name": "Elsewhere"})
        self.operator.write({"company_ids": [Command.set(other.ids)], "company_id": other.id})
        self.assertFalse(self.env["sync.match"].with_user(self.operator).search([]))
        self.assertFalse(self.env["sync.match.candidate"].with_user(self.operator).search([]))

    def test_the_database_keeps_one_row_for_each_document(self):
        with self.assertRaises(psycopg2.errors.UniqueViolation), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.question.sudo().copy()
            self.env.flush_all()

    def test_facts_are_masked_for_who_may_not_read_contacts(self):
        self.assertIn("C-77", self.question.facts_text)
        self.assertIn("20095", self.candidate(self.first).details)


class TestSteps(MatchCase):
    def test_a_flow_has_steps_of_its_own(self):
        partner = self.here("Zephyr Pumps", city="20095")
        self.flow.action_customise_ladder()
        self.assertEqual(len(self.flow.match_step_ids), 5)
        self.assertEqual(self.flow._match_ladder(), self.env["res.partner"]._sync_match_ladder())
        self.flow.match_step_ids.filtered(lambda step: step.kind != "name").unlink()
        self.flow.match_step_ids.write({"bind_score": 101})
        partner.zip = "20095"
        self.assertEqual(self.arrive(Zip="20095").state, "open", "never without a person")

    def test_any_model_is_matched_by_its_own_fields(self):
        flow = self.make_flow(
            [{"path": "Name", "field": "name", "required": True}], remote_object="Bank", model="res.bank"
        )
        flow.match_step_ids = [Command.create({"kind": "name", "field_name": "name", "bind_score": 90})]
        bank = self.env["res.bank"].create({"name": "Sparkasse Nordhausen"})
        self.remote.put("Bank", "b1", Name="Sparkasse Nordhausn")
        self.notify("Bank", "b1")
        self.run_lane()
        self.assertEqual(self.bound("b1"), bank)
        self.env.cr.execute(
            "SELECT count(*) FROM pg_indexes WHERE tablename = 'res_bank' AND indexname LIKE 'sync_match%'"
        )
        self.assertEqual(self.env.cr.fetchone(), (1,))

    def test_fields_that_cannot_be_compared_are_refused(self):
        for name in ("country_id", "nothing", "display_name", "barcode"):
            with self.assertRaisesRegex(ValidationError, name), self.cr.savepoint():
                self.flow.match_step_ids = [Command.create({"kind": "name", "field_name": name})]

    def test_limits_in_a_wrong_order_are_refused(self):
        with self.assertRaises(psycopg2.errors.CheckViolation), mute_logger("odoo.sql_db"), self.cr.savepoint():
            self.flow.match_step_ids = [Command.create({"kind": "name", "field_name": "name", "review_score": 99})]
            self.env.flush_all()

    def test_a_changed_function_makes_the_index_anew(self):
        index = self.env["sync.match.index"]
        rung = self.env["res.partner"]._sync_match_ladder()[-1]
        query = "SELECT indexname FROM pg_indexes WHERE tablename = 'res_partner' AND indexdef LIKE '%%name_keys%%'"
        self.env.cr.execute(query)
        [(name,)] = self.env.cr.fetchall()
        self.env.cr.execute(f'ALTER INDEX "{name}" RENAME TO "{name[:-12]}000000000000"')
        index._ensure(self.env["res.partner"], rung)
        self.env.cr.execute(query)
        self.assertEqual(self.env.cr.fetchall(), [(name,)])


class TestKeys(MatchCase):
    def keys(self, name, area=None):
        self.env.cr.execute("SELECT crm_sync_name_keys(%s, %s)", [name, area])
        return set(self.env.cr.fetchone()[0] or ())

    def test_spellings_share_keys(self):
        for one, other in (
            ("Müller & Söhne GmbH", "MUELLER SOEHNE"),
            ("Société Générale S.A.", "societe generale"),
            ("Straße AG", "Strasse"),
            ("Brandt Logistik", "Brand Logistics"),
            ("ДОМ ООО", "Дом"),
        ):
            self.assertTrue(self.keys(one, "LS1 1UR") & self.keys(other, "ls11ur"), (one, other))
        self.assertTrue(self.keys("Acme Inc.") & self.keys("ACME", "20095"), "the whole name, wherever it is")

    def test_others_share_none(self):
        for one, other in (
            (("Plant 1", "20095"), ("Plant 2", "20095")),
            (("Brandt Logistik", "20095"), ("Brandt Logistics", "20096")),
            (("Acme GmbH", "20095"), ("Apex GmbH", "20095")),
        ):
            self.assertFalse(self.keys(*one) & self.keys(*other), (one, other))
        self.assertEqual(self.keys("", "20095"), set())
