from datetime import timedelta
from pathlib import Path

from odoo import fields
from odoo.exceptions import AccessError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..lib.errors import ERROR_CLASSES
from .test_exception_desk import DeskCase

HERE = Path(__file__).parents[1]


@tagged("post_install", "-at_install")
class TestExceptionAccess(DeskCase):
    """Users work on their own cards, operators on all of their companies, auditors on none."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            name: new_test_user(cls.env, f"desk_{name}", groups=f"base.group_user,crm_sync_base.group_sync_{name}")
            for name in ("user", "operator", "approver", "auditor")
        }

    def setUp(self):
        super().setUp()
        self.card = self.break_accounts("a1")

    def as_user(self, name):
        """Return the card as somebody sees it."""
        return self.card.with_user(self.users[name])

    def test_a_user_takes_what_is_nobodys_but_not_what_is_somebodys(self):
        card = self.as_user("user")
        card.action_acknowledge()
        self.assertEqual((card.state, card.user_id), ("acknowledged", self.users["user"]))
        card._snooze(fields.Datetime.now() + timedelta(hours=1))
        card.action_wake()
        card.action_escalate()
        self.assertTrue(card.activity_ids)
        self.card.user_id = self.users["operator"]
        self.assertTrue(card.name)
        with self.assertRaises(AccessError):
            card.action_assign_to_me()

    def test_a_user_neither_retries_nor_ignores_nor_maps(self):
        card = self.as_user("user")
        for attempt in (card.action_retry, card._retry_all, lambda: self.env["sync.exception.fix.wizard"].with_user(
                self.users["user"])._action(card)):
            with self.assertRaises(AccessError):
                attempt()
        with self.assertRaises(AccessError):
            self.env["sync.exception.ignore.wizard"].with_user(self.users["user"]).create(
                {"exception_ids": card.ids, "reason": "No"}
            )

    def test_an_operator_works_on_everybodys(self):
        self.card.user_id = self.users["user"]
        card = self.as_user("operator")
        card.action_assign_to_me()
        self.assertEqual(card._retry_all(), 1)
        card._ignore("A test")
        card.action_reopen()
        self.assertEqual(card.state, "new")

    def test_an_auditor_reads_everything_and_changes_nothing(self):
        card = self.as_user("auditor")
        card.read()
        card.fix_ids.read()
        self.assertTrue(card.runbook)
        self.env["sync.exception.sla"].with_user(self.users["auditor"]).search([]).read()
        later = fields.Datetime.now() + timedelta(hours=1)
        for attempt in (
            card.action_acknowledge,
            card.action_assign_to_me,
            card.action_escalate,
            card.action_resolve,
            card.action_retry,
            card._retry_all,
            lambda: card._snooze(later),
            lambda: card._ignore("No"),
        ):
            with self.assertRaises(AccessError):
                attempt()
        self.assertEqual(self.card.state, "new")
        self.card._ignore("A test")
        with self.assertRaises(AccessError):
            card.action_reopen()

    def test_other_companies_cards_are_not_seen(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "desk_elsewhere",
            groups="base.group_user,crm_sync_base.group_sync_operator",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.desk.with_user(stranger).search([("id", "=", self.card.id)]))
        self.assertFalse(self.env["sync.exception.fix"].with_user(stranger).search([]) & self.card.fix_ids)
        with self.assertRaises(AccessError):
            self.card.with_user(stranger).action_acknowledge()

    def test_everybody_who_may_look_can_open_every_view(self):
        for name, user in self.users.items():
            with self.subTest(name):
                Card = self.desk.with_user(user)
                kinds = ("kanban", "list", "form", "graph", "pivot", "activity", "search")
                views = Card.get_views([(False, kind) for kind in kinds])
                Card.browse(self.card.id).web_read(
                    {field: {} for field in views["models"]["sync.exception"]["fields"]}
                )
                Card.search_panel_select_multi_range("connection_id", enable_counters=True)
                Card.search_panel_select_multi_range("error_code", enable_counters=True)


@tagged("post_install", "-at_install")
class TestRunbooks(HttpCase):
    """The runbooks are served by every installation."""

    def test_runbooks_are_pages_for_those_who_see_exceptions(self):
        new_test_user(self.env, "book_reader", groups="base.group_user,crm_sync_base.group_sync_auditor")
        new_test_user(self.env, "book_stranger", groups="base.group_user")
        self.authenticate("book_reader", "book_reader")
        for code in ERROR_CLASSES:
            with self.subTest(code):
                answer = self.url_open(f"/crm_sync/runbook/{code}")
                self.assertEqual(answer.status_code, 200)
                self.assertIn("What to do", answer.text)
        with mute_logger("odoo.http"):
            self.assertEqual(self.url_open("/crm_sync/runbook/../../etc/passwd").status_code, 404)
            self.assertEqual(self.url_open("/crm_sync/runbook/nonsense").status_code, 404)
            self.authenticate("book_stranger", "book_stranger")
            self.assertEqual(self.url_open("/crm_sync/runbook/bug").status_code, 404)

    def test_the_runbooks_in_the_docs_are_those_that_are_installed(self):
        docs = HERE.parent / "docs" / "runbooks"
        if not docs.is_dir():
            self.skipTest("the module was installed without the repository's docs")
        for code in ERROR_CLASSES:
            with self.subTest(code):
                installed = (HERE / "runbooks" / f"{code}.md").read_text()
                self.assertEqual((docs / f"{code}.md").read_text(), installed)
                self.assertIn(f"({code}.md)", (docs / "README.md").read_text())
