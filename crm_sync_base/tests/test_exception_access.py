import re
from datetime import timedelta
from pathlib import Path

from lxml import etree
from odoo import fields
from odoo.exceptions import AccessError, RedirectWarning
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..lib.errors import ERROR_CLASSES, AuthFailed
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

    def buttons(self, name, kind):
        """Return the methods behind the buttons that somebody sees above a view."""
        arch = etree.fromstring(self.desk.with_user(self.users[name]).get_view(view_type=kind)["arch"])
        return {button.get("name") for button in arch.xpath("/*/header/button")}

    def test_who_may_press_a_button_on_one_card_may_on_many(self):
        for name in self.users:
            with self.subTest(name):
                bound = self.env["ir.actions.actions"].with_user(self.users[name]).get_bindings("sync.exception")
                actions = self.env["ir.actions.server"].browse([one["id"] for one in bound.get("action", ())]).sudo()
                one = self.buttons(name, "form")
                many = self.buttons(name, "list") | set(re.findall(r"records\.(\w+)", " ".join(actions.mapped("code"))))
                alone = {"action_fix", "action_assign_to_me"}  # a list has *Assign*
                self.assertEqual(many - {"action_open_assign"}, one - alone)

    def wizard_of(self, card):
        """Return the dialog that the card's main button opens, as its reader."""
        return self.env["sync.exception.fix.wizard"].with_env(card.env).browse(card.action_fix()["res_id"])

    def test_who_may_not_change_the_record_is_told_who_may(self):
        self.card._ignore("not now")
        self.card = self.break_accounts("c1", Size="", Country="QQ")
        clerk = new_test_user(
            self.env, "desk_clerk", groups="crm_sync_base.group_sync_operator,base.group_system"
        )
        wizard = self.wizard_of(self.as_user("operator"))
        self.assertFalse(wizard.can_apply)
        self.assertIn("Country: you may neither create nor change a Country", wizard.refusals)
        self.assertIn(clerk, wizard.helper_ids)
        self.assertNotIn(self.users["operator"], wizard.helper_ids)
        self.assertIn(wizard.action_assign()["context"]["default_user_id"], wizard.helper_ids.ids)
        wizard = self.wizard_of(self.card.with_user(clerk))
        self.assertTrue(wizard.can_apply)
        self.assertFalse(wizard.refusals)
        self.assertIn("Country Code", wizard.note)
        offered = self.env["res.country"].search(wizard.line_ids.choices)
        self.assertFalse(offered.filtered("code"), "a country that has another code is not offered")

    def test_a_value_may_be_mapped_by_who_may_not_create_its_counterpart(self):
        wizard = self.wizard_of(self.as_user("operator"))
        self.assertIn("if none fits, a new Partner Tags is needed", wizard.refusals)
        self.assertTrue(wizard.can_apply)
        wizard.line_ids.res_id = self.tag.id
        self.assertIn("The record runs again", wizard.action_apply()["params"]["message"])

    def test_who_may_not_correct_the_record_is_told_who_may(self):
        fix = self.env["sync.exception.fix"].create({
            "exception_id": self.card.id, "kind": "open", "model": "res.country", "res_id": self.env.ref("base.be").id,
        })
        clerk = new_test_user(
            self.env, "desk_clerk", groups="crm_sync_base.group_sync_operator,base.group_system"
        )
        with self.assertRaisesRegex(RedirectWarning, "Belgium.*no right.*desk_clerk"):
            fix.with_user(self.users["operator"]).action_fix()
        self.assertEqual(fix.with_user(clerk).action_fix()["res_model"], "res.country")

    def test_an_operator_asks_a_manager_to_reconnect_once(self):
        self.card = self.desk._raise_for_connection(self.connection, AuthFailed("The token is refused."))
        card = self.as_user("operator")
        self.assertEqual(card.fix_kind, "ask")
        self.assertEqual(self.card.fix_kind, "connect")
        self.assertIn("got a task", card.action_fix()["params"]["message"])
        self.assertTrue(card.activity_ids.user_id.has_group("crm_sync_base.group_sync_manager"))
        self.assertIn("already", card.action_fix()["params"]["message"])
        self.assertEqual(len(card.activity_ids), 1)

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
