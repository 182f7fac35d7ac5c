from datetime import datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

import psycopg2
from odoo import Command, fields
from odoo.exceptions import UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from ..lib.errors import ERROR_CLASSES, AuthFailed, DataInvalid, LaneStalled
from ..models.sync_endpoint_gate import Blocked
from .common import SyncCase

LOGS = ("odoo.addons.crm_sync_base.models.ir_cron", "odoo.addons.crm_sync_base.models.sync_exception_desk")

RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"path": "Size", "field": "category_id", "transform": "value_map", "value_map": "Sizes", "label": "Size"},
    {"path": "Country", "field": "country_id", "transform": "lookup", "argument": "code", "label": "Country"},
]


class DeskCase(SyncCase):
    """A flow of accounts whose sizes must be mapped."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(RULES, name="Accounts")
        cls.map = cls.env["sync.value.map"].search([("connection_id", "=", cls.connection.id)])
        cls.tag = cls.env["res.partner.category"].create({"name": "Giant"})
        cls.desk = cls.env["sync.exception"]

    def break_accounts(self, *ids, **data):
        """Let accounts arrive that cannot be applied; returns the open cards."""
        for external_id in ids:
            self.remote.put("Account", external_id, **{"Name": f"Acme {external_id}", "Size": "XXL", **data})
        self.notify("Account", *ids)
        self.run_lane()
        return self.cards()

    def cards(self, *states):
        """Return the flow's cards in the given states (open ones by default)."""
        return self.desk.search(
            [("flow_id", "=", self.flow.id), ("state", "in", states or ("new", "acknowledged"))]
        )


@tagged("post_install", "-at_install")
class TestExceptionDesk(DeskCase):
    """Cards: how they come, what they say, and how they go by themselves."""

    def test_one_card_for_a_cause_however_many_records(self):
        card = self.break_accounts("a1", "a2", "a3")
        self.assertEqual(len(card), 1)
        self.assertEqual((card.state, card.error_code, card.job_count), ("new", "mapping_missing", 3))
        self.assertIn("Acme", card.subject)
        self.assertTrue(card.explanation)
        self.assertIn("Fix and Retry", card.runbook)

    def test_several_cards_at_once(self):
        cards = self.break_accounts("a1", "a2") | self.break_accounts("b1", Size="", Country="??")
        self.assertEqual(len(cards), 2)
        cards.action_acknowledge()
        self.assertEqual(set(cards.mapped("state")), {"acknowledged"})

        def chosen(action, **values):
            wizard = self.env[action["res_model"]].with_context(**action["context"]).create(values)
            self.assertEqual(wizard.exception_ids, cards)
            return wizard

        chosen(cards.action_open_assign(), user_id=self.env.user.id).action_assign()
        self.assertEqual(cards.user_id, self.env.user)
        chosen(cards.action_open_snooze(), span="24").action_snooze()
        self.assertEqual(cards.mapped("is_snoozed"), [True, True])
        self.assertEqual(cards.action_retry()["params"]["message"], "3 records run again.")
        self.run_lane()
        cards.action_wake()
        self.assertEqual(cards.mapped("is_snoozed"), [False, False])
        cards.action_resolve()
        self.assertEqual(set(cards.mapped("state")), {"resolved"})
        cards.action_reopen()
        chosen(cards.action_open_ignore(), reason="Test data").action_ignore()
        self.assertEqual(set(cards.mapped("state")), {"ignored"})
        cards.action_reopen()
        self.assertEqual(set(cards.mapped("state")), {"new"})

    def test_the_count_is_searched_sorted_and_added_up_by_the_database(self):
        card = self.break_accounts("a1", "a2", "a3")
        other = self.break_accounts("b1", Size="", Country="??") - card
        both = card | other
        domain = [("id", "in", both.ids)]
        self.assertEqual(self.desk.search([*domain, ("job_count", ">", 1)]), card)
        self.assertEqual(self.desk.search(domain, order="job_count desc"), card | other)
        [[count]] = self.desk._read_group(domain, [], ["job_count:sum"])
        self.assertEqual(count, 4)
        described = self.desk.fields_get(["job_count", "amount_at_risk"], ["aggregator", "sortable"])
        self.assertEqual({row["aggregator"] for row in described.values()}, {"sum"})

    def test_ten_thousand_jobs_on_one_card_are_counted_and_retried_without_being_loaded(self):
        card = self.break_accounts("a1")
        self.env.cr.execute(
            """
            INSERT INTO sync_job (name, kind, state, flow_id, connection_id, company_id, idempotency_key,
                   lane_key, priority, eta, attempts, crashes, remote_object, external_id, error_code,
                   error_cause, correlation_id, done_at, create_date, amount_at_risk)
            SELECT 'n' || n, 'record', 'failed', flow_id, connection_id, company_id, 'many:' || n, 'many:' || n,
                   20, eta, 1, 0, 'Account', 'n' || n, error_code, error_cause, 'many', done_at, now(), 1.5
              FROM sync_job, generate_series(1, 10000) AS n WHERE exception_id = %s
            """,
            [card.id],
        )
        self.desk._tend()
        self.assertEqual(self.cards(), card)
        self.env.invalidate_all()
        with self.assertQueryCount(3):
            self.assertEqual(card.job_count, 10001)
            self.assertEqual(card.amount_at_risk, 15000)
        self.assertFalse(self.env.cache.get_records(self.env["sync.job"], self.env["sync.job"]._fields["state"]))
        self.assertEqual(card._retry_all(), 10001)
        self.assertEqual(card.retrying_count, 10001)
        self.assertLess(
            len(self.env.cache.get_records(self.env["sync.job"], self.env["sync.job"]._fields["payload"])), 2000
        )

    def test_it_closes_by_itself_when_the_records_went_through(self):
        card = self.break_accounts("a1", "a2")
        self.remote.put("Account", "a1", Name="Acme", Size="")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual((card.state, card.job_count), ("new", 1))
        self.remote.put("Account", "a2", Name="Acme", Size="")
        self.notify("Account", "a2")
        self.run_lane()
        self.assertEqual((card.state, card.closed_by), ("resolved", "self"))
        self.assertIn("By itself", card.resolution)
        self.assertTrue(card.closed_at)

    def test_it_says_so_when_something_else_is_in_the_way_now(self):
        card = self.break_accounts("a1")
        other = self.break_accounts("a1", Size="", Name="")
        self.assertNotEqual(card, other)
        self.assertEqual((card.state, card.closed_by), ("resolved", "moved"))
        self.assertIn(other.name, card.resolution)

    def test_the_same_cause_again_remembers_the_last_time(self):
        card = self.break_accounts("a1")
        card._ignore("A test")
        again = self.break_accounts("a2")
        self.assertNotEqual(card, again)
        self.assertEqual(again.previous_id, card)

    def test_a_failed_job_that_no_card_was_told_of_is_found(self):
        card = self.break_accounts("a1")
        job = card.job_ids
        job.exception_id = False
        self.desk._cron_desk()
        self.assertEqual(job.exception_id, card)

    def test_a_job_that_failed_while_its_card_was_closed_gets_a_new_one(self):
        card = self.break_accounts("a1")
        card._resolve_by_itself("it seemed so.")
        self.desk._tend()
        new = self.cards()
        self.assertEqual(len(new), 1)
        self.assertNotEqual(new, card)
        self.assertEqual(new.previous_id, card)

    def test_last_seen_follows_the_failures(self):
        card = self.break_accounts("a1")
        card.last_seen = card.first_seen = fields.Datetime.now() - timedelta(hours=3)
        self.break_accounts("a2")
        self.assertLess(fields.Datetime.now() - card.last_seen, timedelta(minutes=1))
        self.assertGreater(card.last_seen, card.first_seen)

    def test_texts_are_masked(self):
        card = self.desk._raise(
            self.flow, self.connection, DataInvalid("Contact jane.doe@example.com: the e-mail is wrong")
        )
        self.assertNotIn("jane.doe", card.name + card.message)

    def test_causes_without_jobs(self):
        stalled = LaneStalled("Nobody picks it up.", fingerprint="overlooked")
        nobody, nowhere = self.env["sync.flow"], self.env["sync.connection"]
        card = self.desk._raise(nobody, nowhere, stalled)
        self.assertEqual(self.desk._raise(nobody, nowhere, stalled), card)
        self.desk._tend()
        self.assertEqual((card.state, card.fix_kind), ("new", "schedule"))
        card._resolve_by_itself("Work advances again.")
        self.assertEqual(card.closed_by, "self")

    def test_cards_that_no_record_waits_for_have_nothing_to_retry(self):
        card = self.desk._raise(self.flow, self.connection, DataInvalid("A fault of no record"))
        nobody, nowhere = self.env["sync.flow"], self.env["sync.connection"]
        stalled = self.desk._raise(nobody, nowhere, LaneStalled("Nobody picks it up."))
        with self.assertRaisesRegex(UserError, "waits for this card. Open it"):
            card.action_retry()
        with self.assertRaisesRegex(UserError, "waits for these cards. Open each"):
            (card | stalled).action_retry()
        broken = self.break_accounts("a1")
        self.assertEqual((stalled | broken).action_retry()["params"]["message"], "The record runs again.")

    def test_refused_credentials_lead_to_the_connection(self):
        card = self.desk._raise_for_connection(self.connection, AuthFailed("The token is refused."))
        self.assertEqual(card.fix_kind, "connect")
        action = card.action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("sync.connection", self.connection.id))
        self.connection.action_connect()
        self.assertEqual((card.state, card.closed_by), ("resolved", "self"))

    def test_what_a_card_says_under_the_pointer_is_translated(self):
        view = self.env.ref("crm_sync_base.view_sync_exception_kanban")
        terms = view._fields["arch_db"].get_trans_terms(view.arch_db)
        self.assertLessEqual({"Until {{0}}", "First seen {{0}}"}, set(terms))

    def test_each_kind_of_error_is_explained_and_has_a_runbook(self):
        texts = self.desk._explanations()
        labels = dict(self.desk._selection_error_code())
        for code in ERROR_CLASSES:
            with self.subTest(code):
                self.assertTrue(texts.get(code))
                self.assertTrue(ERROR_CLASSES[code]("It went wrong.").hint)
                self.assertNotEqual(labels[code], code)
                html = self.env["sync.runbook"]._html(code)
                self.assertIn("<h2>What to do</h2>", html)
                self.assertIn("<ol><li>", html)


    def test_what_odoo_refuses_says_what_to_do(self):
        error = self.env["sync.job"]._as_sync_error(UserError("The name is taken."), "Deal D1")
        self.assertEqual(error.message, "Deal D1: Odoo refused it: The name is taken.")
        self.assertIn("Correct what Odoo objects to", error.hint)

    def test_unexpected_errors_of_one_place_are_one_cause(self):
        def of_a_name(name):
            return {}[name]

        def of_a_text(text):
            return datetime.strptime(text, "%Y")  # fails inside the library

        def print_of(function, value):
            try:
                function(value)
            except (KeyError, ValueError) as error:
                return self.env["sync.job"]._as_sync_error(error, "Deal D1").fingerprint

        self.assertEqual(print_of(of_a_name, "Jane"), "KeyError in test_exception_desk.py:of_a_name")
        self.assertEqual(print_of(of_a_name, "John"), print_of(of_a_name, "Jane"))
        self.assertEqual(print_of(of_a_text, "Jane"), "ValueError in test_exception_desk.py:of_a_text")
        self.assertNotEqual(print_of(lambda name: {}[name], "Jane"), print_of(of_a_name, "Jane"))
        self.assertEqual(self.env["sync.job"]._as_sync_error(KeyError("x"), "Deal D1").fingerprint, "KeyError")

    def test_an_error_without_a_hint_says_what_its_class_advises(self):
        self.remote.poisoned["p1"] = DataInvalid("The provider refuses it.")
        self.notify("Account", "p1")
        self.run_lane()
        job = self.jobs(external_id="p1")
        self.assertEqual((job.error_hint, job.exception_id.hint), (DataInvalid.advice, DataInvalid.advice))


@tagged("post_install", "-at_install")
class TestExceptionMoney(DeskCase):
    """What the waiting records are worth, in the company's currency."""

    def fail_with(self, amount, code):
        """Let one more account fail that is worth something; returns its job."""
        self.patch(
            self.registry["sync.connector.testcrm"],
            "_amount",
            lambda connector, connection, name, document: (Decimal(amount), code),
        )
        self.break_accounts(f"m{amount}{code}")
        return self.jobs(external_id=f"m{amount}{code}", state="failed")

    def test_amounts_are_added_up(self):
        own = self.connection.company_id.currency_id.name
        first, second = self.fail_with("0.10", own), self.fail_with("0.20", own)
        self.assertEqual((first.amount, first.amount_currency), ("0.10", own))
        card = (first | second).exception_id
        self.assertEqual(len(card), 1)
        self.assertEqual(card.amount_at_risk, 0.3)
        self.assertEqual(self.desk.search([("amount_at_risk", ">", 0.29), ("id", "=", card.id)]), card)

    def test_other_currencies_count_at_their_rate(self):
        own = self.connection.company_id.currency_id
        other = self.env["res.currency"].create(
            {"name": "QQQ", "symbol": "Q", "rate_ids": [Command.create({"rate": 4.0, "name": "2020-01-01"})]}
        )
        company = self.connection.company_id
        expected = own.round(10 / other._get_conversion_rate(own, other, company, fields.Date.today()))
        job = self.fail_with("10.00", "qqq")
        self.assertEqual((job.amount, job.amount_currency), ("10.00", "QQQ"))
        self.assertEqual(job.amount_at_risk, expected)

    def test_an_unknown_currency_is_told_and_not_guessed(self):
        job = self.fail_with("12.34", "XQX")
        self.assertEqual((job.amount, job.amount_currency, job.amount_at_risk), ("12.34", "XQX", 0))

    def test_a_document_that_makes_no_sense_has_no_amount(self):
        def broken(connector, connection, name, document):
            return Decimal("not a number"), "EUR"

        self.patch(self.registry["sync.connector.testcrm"], "_amount", broken)
        card = self.break_accounts("m1")
        self.assertEqual((card.job_count, card.job_ids.amount), (1, False))


@tagged("post_install", "-at_install")
class TestExceptionWork(DeskCase):
    """What people do with a card."""

    def setUp(self):
        super().setUp()
        self.card = self.break_accounts("a1", "a2")
        self.operator = new_test_user(
            self.env,
            "desk_operator",
            groups="base.group_user,crm_sync_base.group_sync_operator,base.group_partner_manager",
        )

    def test_map_and_retry_is_one_dialog(self):
        card = self.card.with_user(self.operator)
        self.assertEqual((card.fix_kind, card.fix_ids.name), ("dialog", "Size: say what “XXL” is in Odoo"))
        action = card.action_fix()
        wizard = self.env[action["res_model"]].with_user(self.operator).browse(action["res_id"])
        self.assertEqual(
            [(line.label, line.remote_value, line.model) for line in wizard.line_ids],
            [("Size", "XXL", "res.partner.category")],
        )
        with self.assertRaises(UserError):
            wizard.action_apply()
        wizard.line_ids.res_id = self.tag.id
        notice = wizard.action_apply()
        self.assertIn("2 records run again", notice["params"]["message"])
        self.assertEqual(self.map.line_ids.record_ref, self.tag)
        self.assertTrue(card.fix_ids.is_done)
        self.run_lane()
        self.assertEqual((card.state, card.closed_by, card.job_count), ("resolved", "self", 0))
        partners = self.env["res.partner"].search([("name", "like", "Acme a")])
        self.assertEqual(partners.category_id, self.tag)

    def told(self, card):
        """Say in the dialog of a card what its size is; returns what is told then."""
        wizard = self.env["sync.exception.fix.wizard"].browse(card.action_fix()["res_id"])
        wizard.line_ids.res_id = self.tag.id
        return wizard.action_apply()["params"]["message"]

    def test_of_one_record_is_spoken_as_of_one(self):
        self.card._ignore("not now")
        card = self.break_accounts("o1")
        self.flow.paused = True
        self.assertEqual(self.told(card), f"Saved. The record waits: The flow {self.flow.name} is paused.")

    def test_of_several_records_is_spoken_as_of_several(self):
        self.flow.paused = True
        self.assertEqual(self.told(self.card), f"Saved. 2 records wait: The flow {self.flow.name} is paused.")

    def test_a_fix_that_no_record_waits_for_any_more_is_saved(self):
        self.card.job_ids.exception_id = False
        self.assertEqual(self.told(self.card), "Saved. No record waits for this any more.")
        self.assertEqual(self.map.line_ids.record_ref, self.tag)

    def test_a_record_is_found_by_what_identifies_it(self):
        self.card._ignore("not now")
        card = self.break_accounts("c1", Size="", Country="QQ")
        self.assertEqual([(fix.kind, fix.model, fix.field, fix.value) for fix in card.fix_ids],
                         [("identify", "res.country", "code", "QQ")])
        self.assertEqual(card.fix_ids._choice_defaults(), {"default_code": "QQ", "default_name": "QQ"})
        wizard = self.env["sync.exception.fix.wizard"].browse(card.action_fix()["res_id"])
        wizard.line_ids.res_id = self.env.ref("base.be").id
        with self.assertRaisesRegex(UserError, "known as “BE” already"):
            wizard.action_apply()
        wizard.line_ids.res_id = self.env["res.country"].create({"name": "Quidistan", "code": "QX"}).id
        with self.assertRaises(UserError):
            wizard.action_apply()
        self.env["res.country"].create({"name": "Quidland", "code": "QQ"})
        self.assertTrue(card.fix_ids.is_done)
        self.assertEqual(card.fix_kind, "retry")
        card.action_retry()
        self.run_lane()
        self.assertEqual(card.closed_by, "self")

    def test_what_helps_one_card_helps_all_that_lack_the_same(self):
        other_flow = self.make_flow(RULES, name="Deals", remote_object="Deal")
        self.remote.put("Deal", "d1", Name="A deal", Size="XXL")
        self.notify("Deal", "d1")
        self.run_lane()
        other = self.desk.search([("flow_id", "=", other_flow.id)])
        self.assertEqual(other.state, "new")
        wizard = self.env["sync.exception.fix.wizard"].browse(self.card.action_fix()["res_id"])
        wizard.line_ids.res_id = self.tag.id
        self.assertIn("3 records", wizard.action_apply()["params"]["message"])
        self.run_lane()
        self.assertEqual({self.card.state, other.state}, {"resolved"})

    def test_half_of_what_is_missing_is_kept_but_nothing_is_retried(self):
        self.card._ignore("not now")
        card = self.break_accounts("h1", Country="QQ")
        wizard = self.env["sync.exception.fix.wizard"].browse(card.action_fix()["res_id"])
        self.assertEqual(len(wizard.line_ids), 2)
        wizard.line_ids.filtered(lambda line: line.label == "Size").res_id = self.tag.id
        self.assertIn("Still missing", wizard.action_apply()["params"]["message"])
        self.assertTrue(self.map.line_ids)
        self.assertFalse(self.jobs(state="pending", external_id="h1"))

    def test_retry_all_runs_each_record_once(self):
        self.assertEqual(self.card._retry_all(), 2)
        self.card._retry_all()
        self.assertEqual(len(self.jobs(state="pending", flow_id=self.flow.id)), 2)
        self.assertEqual(self.card.retrying_count, 2)
        self.run_lane()
        self.card.invalidate_recordset(["retrying_count"])
        self.assertEqual((self.card.state, self.card.job_count, self.card.retrying_count), ("new", 2, 0))

    def test_retry_asks_first_when_something_is_in_the_way(self):
        self.connection.action_pause()
        wizard = self.asked(self.card.action_retry())
        self.assertFalse(self.jobs(state="pending", flow_id=self.flow.id))
        self.assertIn("Test CRM is not connected", wizard.obstacles)
        self.assertEqual(wizard.job_count, 2)
        told = wizard.action_retry()["params"]["message"]
        self.assertEqual(told, "2 jobs run by themselves as soon as they can.")
        self.assertEqual(len(self.jobs(state="pending", flow_id=self.flow.id)), 2)
        self.connection.action_connect()
        self.map.line_ids = [
            Command.create({"remote_value": "XXL", "record_ref": f"res.partner.category,{self.tag.id}"})
        ]
        self.run_lane()
        self.assertEqual(self.card.state, "resolved")

    def asked(self, action):
        """Return the dialog that a button opened instead of doing what it says."""
        self.assertEqual(action["res_model"], "sync.job.retry.wizard")
        return self.env[action["res_model"]].browse(action["res_id"])

    def test_retry_of_one_record_asks_first_too(self):
        job = self.card.sample_ids[0]
        self.flow.paused = True
        wizard = self.asked(job.with_user(self.operator).action_retry())
        self.assertEqual(wizard.obstacles, f"The flow {self.flow.name} is paused.")
        self.assertEqual(wizard.job_count, 1)
        self.assertFalse(self.jobs(state="pending", flow_id=self.flow.id))
        self.assertEqual(wizard.action_retry()["params"]["message"], "The job runs by itself as soon as it can.")
        self.assertEqual(self.jobs(state="pending", flow_id=self.flow.id).replay_of_id, job)
        self.flow.paused = False
        other = self.card.sample_ids - job
        self.assertEqual(other.action_retry()["params"]["message"], "The record runs again.")

    def test_a_value_map_asks_first_too(self):
        self.env["sync.hold"].create({"name": "Year end", "scope": "all"})
        self.map.connection_id = self.connection
        wizard = self.asked(self.map.action_retry_waiting())
        self.assertEqual((wizard.obstacles, wizard.job_count), ("Held back: Year end", 2))

    def test_a_value_map_that_nothing_waits_for_says_so(self):
        self.card._ignore("not now")
        self.jobs(state="failed").write({"state": "cancelled"})
        self.map.connection_id = self.connection
        told = self.map.action_retry_waiting()["params"]["message"]
        self.assertEqual(told, "There is nothing to run again.")

    def obstacles(self):
        return self.env["sync.job"]._obstacles(self.card._failed_domain())

    def test_holds_are_in_the_way_too(self):
        self.env["sync.hold"].create({"name": "Year end", "scope": "all"})
        self.assertEqual(self.obstacles(), ["Held back: Year end"])

    def test_everything_in_the_way_is_told(self):
        self.connection.action_pause()
        self.flow.paused = True
        self.env["sync.hold"].create({"name": "Year end", "scope": "flow", "flow_id": self.flow.id})
        connection, flow, hold = self.obstacles()
        self.assertIn("Paused by", connection)
        self.assertIn(self.flow.name, flow)
        self.assertIn("Year end", hold)

    def test_a_breaker_held_open_is_in_the_way_too(self):
        endpoint = self.connection.endpoint_ids
        endpoint._override("open", "They are down")
        self.assertIn("Test CRM fails or has no calls left", self.asked(self.card.action_retry()).obstacles)

    def test_a_provider_that_takes_no_calls_is_in_the_way_too(self):
        until = fields.Datetime.now() + timedelta(minutes=5)
        later = until + timedelta(hours=1)
        answers = [Blocked(self.flow.id, "record", 0, until), Blocked(self.flow.id, "poll", 0, later)]
        self.patch(self.registry["sync.endpoint"], "_blocked", lambda endpoint: answers)
        [told] = self.obstacles()
        self.assertIn("Test CRM fails or has no calls left", told)
        self.assertIn(until.strftime(":%M"), told)
        # Only what is less urgent waits.
        answers[0] = Blocked(self.flow.id, "record", self.card.sample_ids[0].priority + 1, until)
        self.assertFalse(self.obstacles())

    def test_assigning_acknowledges_and_stops_the_first_clock(self):
        self.card.with_user(self.operator).action_assign_to_me()
        self.assertEqual((self.card.state, self.card.user_id), ("acknowledged", self.operator))
        self.assertTrue(self.card.acknowledged_at)
        wizard = self.env["sync.exception.assign.wizard"].create(
            {"exception_ids": self.card.ids, "user_id": self.env.user.id}
        )
        wizard.action_assign()
        self.assertEqual(self.card.user_id, self.env.user)

    def test_the_clock_measures_both_times(self):
        start = fields.Datetime.now() - timedelta(hours=6)
        self.card.first_seen = start
        self.card.acknowledged_at = start + timedelta(hours=1)
        self.assertEqual(self.card.hours_to_acknowledge, 1)
        self.card.action_resolve()
        self.assertAlmostEqual(self.card.hours_to_resolve, 6, places=1)
        open_card = self.desk._raise(self.flow, self.connection, DataInvalid("Another"))
        [[average]] = self.desk._read_group(
            [("id", "in", (self.card | open_card).ids)], [], ["hours_to_resolve:avg"]
        )
        self.assertAlmostEqual(average, 6, places=1)  # what is not resolved yet does not count

    def test_deadlines_by_kind_and_criticality(self):
        Sla = self.env["sync.exception.sla"]
        Sla.search([]).unlink()
        owner = self.operator
        Sla.create([
            {"hours": 50},
            {"hours": 10, "error_code": "mapping_missing", "user_id": owner.id},
            {"hours": 2, "error_code": "mapping_missing", "criticality": "3"},
            {"hours": 1, "error_code": "bug"},
        ])
        self.flow.criticality = "1"
        self.card._ignore("again")
        card = self.break_accounts("s1")
        self.assertEqual(card.deadline - card.first_seen, timedelta(hours=10))
        self.assertEqual(card.user_id, owner)
        card._ignore("again")
        self.flow.criticality = "3"
        card = self.break_accounts("s2")
        self.assertEqual(card.deadline - card.first_seen, timedelta(hours=2))

    def test_overdue_is_found_and_escalated_once_by_the_clock(self):
        technician = new_test_user(self.env, "technician", groups="base.group_user,crm_sync_base.group_sync_operator")
        self.flow.technical_owner_id = technician
        self.desk._cron_desk()
        self.assertFalse(self.card.escalated_at)
        self.card.deadline = fields.Datetime.now() - timedelta(minutes=1)
        self.assertTrue(self.card.is_late)
        self.assertIn(self.card, self.desk.search([("is_late", "=", True)]))
        self.desk._cron_desk()
        self.desk._cron_desk()
        self.assertEqual(self.card.priority, "1")
        self.assertEqual(self.card.activity_ids.user_id, technician)
        self.assertEqual(len(self.card.activity_ids), 1)
        self.card.action_resolve()
        self.assertFalse(self.card.activity_ids)

    def test_trouble_with_one_part_of_the_desk_delays_no_other(self):
        cron = self.env.ref("crm_sync_base.ir_cron_exception_desk")
        triggers = [("cron_id", "=", cron.id)]
        for part, error in (("_tend", ZeroDivisionError), ("_wake_snoozed", psycopg2.errors.DiskFull)):
            self.card.write({"escalated_at": False, "deadline": fields.Datetime.now() - timedelta(minutes=1)})
            self.env["ir.cron.trigger"].search(triggers).unlink()
            with patch.object(type(self.desk), part, autospec=True, side_effect=error), mute_logger(*LOGS):
                self.desk._cron_desk()
            self.assertTrue(self.card.escalated_at, part)
            soon = fields.Datetime.now() + timedelta(seconds=62)
            self.assertTrue(self.env["ir.cron.trigger"].search([*triggers, ("call_at", "<=", soon)]), part)

    def test_the_clock_is_armed_for_the_next_deadline(self):
        cron = self.env.ref("crm_sync_base.ir_cron_exception_desk")
        self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)]).unlink()
        self.card.deadline = fields.Datetime.now() + timedelta(hours=2)
        self.desk._arm_next()
        trigger = self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])
        self.assertLess(abs(trigger.call_at - self.card.deadline), timedelta(seconds=5))
        self.desk._arm_next()
        self.assertEqual(len(self.env["ir.cron.trigger"].search([("cron_id", "=", cron.id)])), 1)

    def test_nobody_to_escalate_to_means_a_manager(self):
        self.assertTrue(self.card._escalation_user().has_group("crm_sync_base.group_sync_manager"))

    def test_snoozing_stops_the_clock_and_returns_by_itself(self):
        self.card.deadline = fields.Datetime.now() + timedelta(hours=5)
        wizard = self.env["sync.exception.snooze.wizard"].create(
            {"exception_ids": self.card.ids, "span": "24", "note": "Waiting for Finance"}
        )
        wizard.action_snooze()
        left = self.card.deadline - self.card.snooze_until
        self.assertAlmostEqual(left.total_seconds(), 5 * 3600, delta=5)
        self.assertTrue(self.card.is_snoozed)
        self.assertIn("Waiting for Finance", " ".join(self.card.message_ids.mapped("body")))
        self.desk._cron_desk()
        self.assertEqual(self.card.state, "acknowledged")
        self.card.snooze_until = fields.Datetime.now() - timedelta(minutes=1)
        self.desk._cron_desk()
        self.assertEqual((self.card.state, self.card.snooze_until), ("new", False))
        self.assertIn("Back on the desk", self.card.message_ids[0].body + self.card.message_ids[1].body)

    def test_waking_early_gives_the_time_back(self):
        self.card.deadline = fields.Datetime.now() + timedelta(hours=5)
        self.card._snooze(fields.Datetime.now() + timedelta(hours=24))
        self.card.action_wake()
        left = self.card.deadline - fields.Datetime.now()
        self.assertAlmostEqual(left.total_seconds(), 5 * 3600, delta=5)
        with self.assertRaises(UserError):
            self.card._snooze(fields.Datetime.now() - timedelta(hours=1))

    def test_ignoring_can_be_undone(self):
        self.card._ignore("A test")
        self.assertEqual((self.card.state, self.card.closed_by), ("ignored", "ignored"))
        self.card.action_reopen()
        self.assertEqual((self.card.state, self.card.resolution, self.card.closed_at), ("new", False, False))
        self.assertEqual(self.card.job_count, 2)

    def test_reopening_joins_the_open_card_of_the_same_cause(self):
        self.card._ignore("A test")
        again = self.break_accounts("a3")
        self.card.action_reopen()
        self.assertEqual((self.card.state, self.card.job_count), ("ignored", 0))
        self.assertEqual(again.job_count, 3)

    def test_an_ignored_record_that_goes_through_later_leaves_the_card_alone(self):
        self.card._ignore("A test")
        self.remote.put("Account", "a1", Name="Acme", Size="")
        self.notify("Account", "a1")
        self.run_lane()
        self.assertEqual((self.card.state, self.card.job_count), ("ignored", 1))

    def test_buttons_of_closed_cards_say_so(self):
        self.card.action_resolve()
        for button in ("action_escalate", "action_open_snooze", "action_open_ignore", "action_resolve"):
            with self.subTest(button), self.assertRaises(UserError):
                getattr(self.card, button)()

    def test_the_source_is_opened_where_its_address_is_known(self):
        self.card._ignore("not now")
        card = self.break_accounts("e1", Size="", Name="")
        self.assertEqual(card.fix_kind, "source")
        self.assertEqual(card.action_fix()["res_model"], "sync.job")
        self.patch(
            self.registry["sync.connector.testcrm"],
            "_record_url",
            lambda connector, connection, name, external_id: f"https://crm.example/{name}/{external_id}",
        )
        self.assertEqual(card.action_fix()["url"], "https://crm.example/Account/e1")

    def test_the_dialog_says_when_the_source_must_be_corrected_too(self):
        self.card._ignore("not now")
        card = self.break_accounts("w1", Name="")
        wizard = self.env["sync.exception.fix.wizard"].browse(card.action_fix()["res_id"])
        self.assertEqual(len(wizard.line_ids), 1)
        self.assertIn("Name is empty", wizard.elsewhere)

    def test_overdue_comes_first(self):
        other = self.break_accounts("o1", Size="", Name="") - self.card
        self.card.deadline = fields.Datetime.now() + timedelta(hours=9)
        other.deadline = fields.Datetime.now() - timedelta(hours=1)
        self.assertEqual(self.desk.search([("id", "in", (self.card | other).ids)]), other | self.card)
        self.assertIn("overdue for 1 h", other.clock)
        self.assertIn("due in 9 h", self.card.clock)


@tagged("post_install", "-at_install")
class TestExceptionOutbound(SyncCase):
    """What Odoo could not send: the record to correct is Odoo's, the value to map is Odoo's, too."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        rules = [
            {"path": "Name", "field": "name", "label": "Name"},
            {"path": "Mail", "field": "email", "label": "Mail", "required": True},
            {"path": "Market", "field": "country_id", "transform": "value_map", "value_map": "Markets",
             "label": "Market"},
            {"path": "Grade", "field": "ref", "transform": "value_map", "value_map": "Grades", "label": "Grade"},
        ]
        cls.flow = cls.make_flow(
            [dict(rule, direction="outbound") for rule in rules],
            name="Customers out", direction="outbound", handler="outbound", domain="[('is_company', '=', True)]",
        )
        tables = cls.env["sync.value.map"].search([("connection_id", "=", cls.connection.id)])
        cls.markets = tables.filtered(lambda table: table.name == "Markets")
        cls.grades = tables - cls.markets
        cls.belgium = cls.env.ref("base.be")
        cls.operator = new_test_user(
            cls.env, "desk_outbound", groups="base.group_user,crm_sync_base.group_sync_operator"
        )

    def send(self, **vals):
        """Let Odoo send a customer that cannot be sent; returns the customer and the card, as an operator."""
        partner = self.env["res.partner"].create(
            {"name": "Acme Out", "is_company": True, "email": "acme@example.com", **vals}
        )
        self.run_lane()
        job = self.jobs(flow_id=self.flow.id, res_id=partner.id)
        self.assertEqual(job.state, "failed")
        return partner, job.exception_id.with_user(self.operator)

    def wizard(self, card):
        """Return the dialog that the card's main button opens."""
        action = card.action_fix()
        self.assertEqual(action["res_model"], "sync.exception.fix.wizard")
        return self.env[action["res_model"]].with_user(self.operator).browse(action["res_id"])

    def test_the_odoo_record_is_opened(self):
        partner, card = self.send(email=False)
        self.assertEqual((card.error_code, card.fix_kind), ("data_invalid", "record"))
        self.assertEqual(card.hint, "Correct the record in Odoo, then retry.")
        self.assertIn("Nothing of it was sent", card.explanation)
        action = card.action_fix()
        self.assertEqual((action["res_model"], action["res_id"]), ("res.partner", partner.id))
        partner.email = "acme@example.com"
        self.env.flush_all()
        self.run_lane()
        self.assertEqual((card.state, card.closed_by), ("resolved", "self"))

    def test_a_value_without_a_counterpart_is_named_mapped_and_sent(self):
        _partner, card = self.send(country_id=self.belgium.id)
        self.assertEqual((card.error_code, card.fix_kind), ("mapping_missing", "dialog"))
        self.assertEqual(card.message, f"Market: the value “{self.belgium.name}” has no counterpart yet")
        self.assertIn("Odoo uses a value", card.explanation)
        self.assertIn("called at the other system", card.hint)
        self.assertEqual(card.fix_ids.name, f"Market: say what “{self.belgium.name}” is called at the other end")
        wizard = self.wizard(card)
        line = wizard.line_ids
        self.assertTrue(wizard.is_outbound)
        self.assertEqual(
            (line.label, line.model, line.res_id, line.remote_value),
            ("Market", "res.country", self.belgium.id, False),
        )
        self.assertFalse(wizard.refusals)
        line.remote_value = " "
        with self.assertRaises(UserError):
            wizard.action_apply()
        line.remote_value = "Benelux "
        self.assertIn("The record runs again", wizard.action_apply()["params"]["message"])
        self.assertEqual((self.markets.line_ids.remote_value, self.markets.line_ids.record_ref),
                         ("Benelux", self.belgium))
        self.assertTrue(card.fix_ids.is_done)
        self.run_lane()
        self.assertEqual(self.remote.written[-1][2]["Market"], "Benelux")
        self.assertEqual((card.state, card.closed_by), ("resolved", "self"))

    def test_a_plain_value_is_mapped_beside_a_record(self):
        _partner, card = self.send(country_id=self.belgium.id, ref="A+")
        self.assertIn("Grade: the value “A+” has no counterpart yet", card.message)
        wizard = self.wizard(card)
        self.assertEqual(len(wizard.line_ids), 2)
        for line in wizard.line_ids:
            line.remote_value = f"Our {line.label}"
        wizard.action_apply()
        self.assertEqual((self.grades.line_ids.odoo_value, self.grades.line_ids.remote_value), ("A+", "Our Grade"))
        self.run_lane()
        values = self.remote.written[-1][2]
        self.assertEqual((values["Market"], values["Grade"]), ("Our Market", "Our Grade"))

    def test_a_remote_value_stands_for_one_of_odoo_only(self):
        self.markets.line_ids = [
            Command.create({"remote_value": "Benelux", "record_ref": f"res.country,{self.env.ref('base.nl').id}"})
        ]
        _partner, card = self.send(country_id=self.belgium.id)
        wizard = self.wizard(card)
        wizard.line_ids.remote_value = "Benelux"
        with self.assertRaisesRegex(UserError, "In Markets, “Benelux” stands for Netherlands already"):
            wizard.action_apply()
