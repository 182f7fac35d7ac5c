from lxml import etree
from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged
from odoo.tools.safe_eval import safe_eval

from ..lib.errors import DataInvalid
from .common import ACCOUNT_RULES, SyncCase

GOVERNANCE = {"menu_sync_governance", "menu_sync_proposal", "menu_sync_package"}
APPROVE = GOVERNANCE | {"menu_sync_mapping_review", "menu_sync_approval_rule", "menu_sync_approval_delegation"}
DESK = {"menu_sync_overview", "menu_sync_trace", "menu_sync_exception"}
LEDGERS = {
    "menu_sync_ledger", "menu_sync_event", "menu_sync_job", "menu_sync_change", "menu_sync_run", "menu_sync_binding",
    "menu_sync_saga", "menu_sync_reporting", "menu_sync_metric",
}
AUDIT = {
    "menu_sync_governance", "menu_sync_audit_root", "menu_sync_audit", "menu_sync_change_export",
    "menu_sync_binding_former",
}
VERIFY = {"menu_sync_seal", "menu_sync_seal_check"}
JOBS = {"menu_sync_jobs", "menu_sync_console", "menu_sync_job_all", "menu_sync_job_edit"}
WORK = DESK | LEDGERS | JOBS | AUDIT | GOVERNANCE | {
    "menu_sync_matrix", "menu_sync_violation",
    "menu_sync_flow", "menu_sync_connection", "menu_sync_configuration", "menu_sync_value_map", "menu_sync_hold",
    "menu_sync_endpoint", "menu_sync_schema_object", "menu_sync_schema_change", "menu_sync_match", "menu_sync_phase",
}
ALL = WORK | VERIFY | {
    "menu_sync_approval_rule", "menu_sync_mapping_review", "menu_sync_mapping", "menu_sync_exception_sla",
    "menu_sync_lane", "menu_sync_package_signer",
}
REPLAY = {"menu_sync_replay", "menu_sync_run_new"}
MENUS = {
    "user": DESK, "approver": DESK | APPROVE, "operator": WORK | REPLAY, "manager": ALL | REPLAY,
    "auditor": ALL | APPROVE,
}

ACTIONS = [
    "binding_former",
    "connection", "flow", "exception", "job", "event", "change", "binding", "run", "value_map", "mapping", "lane",
    "mapping_review", "saga", "job_edit", "proposal", "approval_rule", "approval_delegation",
    "violation",
    "metric", "endpoint", "audit", "seal", "seal_check",
    "schema_object", "schema_change", "match",
]

#: documents and what people changed of them are not for everybody
HIDDEN = {
    "user": {"job_edit", "seal", "seal_check", "proposal", "approval_rule", "approval_delegation", "violation"},
    "approver": {"job_edit", "seal", "seal_check", "violation"},
    "operator": {"seal", "seal_check", "approval_delegation"},
    "manager": {"approval_delegation"},
}


@tagged("post_install", "-at_install")
class TestAccess(SyncCase):
    """Who sees which menu, can open what is behind it, and may press which button."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = {
            name: new_test_user(
                cls.env, f"access_{name}", groups=f"base.group_user,crm_sync_base.group_sync_{name}"
            )
            for name in MENUS
        }
        cls.flow = cls.make_flow(ACCOUNT_RULES)

    def setUp(self):
        super().setUp()
        self.remote.put("Account", "a1", Name="Alpha")
        self.remote.put("Account", "a2")  # no name: fails
        self.notify("Account", "a1", "a2")
        self.run_lane()
        self.exception = self.env["sync.exception"].search([("flow_id", "=", self.flow.id)])

    def visible(self, user):
        """Return the names of our menus that a user's web client shows."""
        menus = self.env["ir.ui.menu"].with_user(user).load_web_menus(False).values()
        app = self.env.ref("crm_sync_base.menu_root").id
        xmlids = {menu["xmlid"] for menu in menus if menu["appID"] == app}
        ours = {xmlid.split(".")[1] for xmlid in xmlids if xmlid.startswith("crm_sync_base.")}
        return ours - {"menu_root", "menu_reconciliation"}

    def test_an_empty_menu_is_not_shown(self):
        menu = self.env.ref("crm_sync_base.menu_reconciliation")
        menu.child_id.unlink()
        shown = self.env["ir.ui.menu"].with_user(self.users["manager"]).load_web_menus(False)
        self.assertNotIn(menu.id, shown)
        self.assertIn(self.env.ref("crm_sync_base.menu_sync_ledger").id, shown)

    def test_menus_of_each_group(self):
        for name, expected in MENUS.items():
            with self.subTest(name):
                self.assertEqual(self.visible(self.users[name]), expected)

    def test_strangers_see_no_menu(self):
        stranger = new_test_user(self.env, "stranger", groups="base.group_user")
        self.assertFalse(self.visible(stranger))

    def test_every_reader_can_open_every_action_in_every_view(self):
        for name, user in self.users.items():
            for action_name in set(ACTIONS) - HIDDEN.get(name, set()):
                with self.subTest(f"{name}: {action_name}"):
                    self.open_action(user, self.env.ref(f"crm_sync_base.action_sync_{action_name}"))

    def test_every_list_is_searched_by_fields_filters_and_groups_of_its_own(self):
        actions = self.env["ir.actions.act_window"].search([("res_model", "=like", "sync.%")])
        for model in {action.res_model for action in actions if "list" in action.view_mode}:
            with self.subTest(model):
                Model = self.env[model]
                view = Model.get_view(view_type="search")
                self.assertTrue(view["id"], "it has no search view")
                search = etree.fromstring(view["arch"])
                for node in search.xpath("//filter[@domain]"):
                    Model.search(safe_eval(node.get("domain"), {"uid": self.env.uid}), limit=1)
                for node in search.xpath("//group/filter[@context]"):
                    Model._read_group([], [safe_eval(node.get("context"))["group_by"]], ["__count"])

    def test_the_console_for_everybody_who_may_look(self):
        for name, user in self.users.items():
            with self.subTest(name):
                figures = self.env["sync.console"].with_user(user).get_console()["figures"]
                self.assertEqual(figures["failed"], 1)

    def open_action(self, user, action):
        """Load the views and read the records as the web client does."""
        Model = self.env[action.res_model].with_user(user)
        views = [(False, kind) for kind in action.view_mode.split(",")]
        loaded = Model.get_views([*views, (False, "search")])
        names = loaded["models"][Model._name]["fields"]
        records = Model.search([], limit=20)
        records.web_read({field: {} for field in names if field in Model._fields})

    def test_the_trace_for_everybody_who_may_look(self):
        for name, user in self.users.items():
            with self.subTest(name):
                trace = self.env["sync.trace"].with_user(user).get_trace("a1")
                self.assertEqual([line["kind"] for line in trace["lines"]], ["change", "job"])

    def test_the_trace_tells_what_nothing_came_of_in_a_low_voice(self):
        self.flow.is_document = True
        self.notify("Account", "a1")
        self.run_lane()
        lines = self.env["sync.trace"].get_trace("a1")["lines"]
        jobs = [line for line in lines if line["kind"] == "job"]
        self.assertEqual([line["quiet"] for line in jobs], [False, True])
        self.assertEqual([line["system"] for line in jobs], ["Odoo", "Odoo"])
        [change] = [line for line in lines if line["kind"] == "change"]
        self.assertIn(["Name", "∅", "Alpha"], change["values"])

    def test_auditors_change_nothing(self):
        auditor = self.users["auditor"]
        failed = self.jobs(state="failed", flow_id=self.flow.id).with_user(auditor)
        for attempt in (
            failed.action_retry,
            self.exception.with_user(auditor).action_acknowledge,
            self.exception.with_user(auditor).action_resolve,
            self.connection.with_user(auditor).action_pause,
            self.connection.with_user(auditor).action_poll_now,
            self.flow.with_user(auditor).action_poll_now,
            self.flow.with_user(auditor).action_send_all,
            self.flow.with_user(auditor).action_switch_off,
            self.flow.with_user(auditor).action_pause,
            self.flow.with_user(auditor).action_resume,
            self.flow.mapping_id.with_user(auditor).action_new_version,
        ):
            with self.subTest(attempt.__name__), self.assertRaises(AccessError):
                attempt()

    def test_operators_work_but_do_not_configure(self):
        operator = self.users["operator"]
        self.exception.with_user(operator).action_acknowledge()
        self.assertEqual((self.exception.state, self.exception.user_id), ("acknowledged", operator))
        self.exception.with_user(operator).action_retry()
        self.assertTrue(self.jobs(state="pending", external_id="a2"))
        for attempt in (
            self.connection.with_user(operator).action_pause,
            self.flow.with_user(operator).action_go_live,
            self.flow.mapping_id.copy().with_user(operator).action_to_review,
        ):
            with self.subTest(attempt.__name__), self.assertRaises(AccessError):
                attempt()

    def test_the_reason_is_kept_when_something_is_ignored(self):
        operator = self.users["operator"]
        action = self.exception.with_user(operator).action_open_ignore()
        Wizard = self.env[action["res_model"]].with_user(operator).with_context(**action["context"])
        wizard = Wizard.create({"reason": "A test record"})
        self.assertEqual(wizard.job_count, 1)
        wizard.action_ignore()
        self.assertEqual(self.exception.state, "ignored")
        self.assertEqual(self.exception.resolution, f"Ignored by {operator.name}: A test record")
        self.assertEqual(self.jobs(external_id="a2").state, "failed")

    def test_users_do_not_ignore(self):
        with self.assertRaises(AccessError):
            self.env["sync.exception.ignore.wizard"].with_user(self.users["user"]).create(
                {"exception_ids": self.exception.ids, "reason": "No time"}
            )

    def test_records_that_a_reader_may_not_see_have_no_name(self):
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        self.assertEqual(binding.record_name, "Alpha")
        self.env["ir.rule"].create(
            {
                "name": "nobody sees Alpha",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": f"[('id', '!=', {binding.res_id})]",
            }
        )
        self.assertEqual(binding.with_user(self.users["user"]).record_name, "")
        trace = self.env["sync.trace"].with_user(self.users["user"]).get_trace("a1")
        self.assertNotIn("Alpha", [document["name"] for document in trace["documents"]])

    def test_a_change_shows_its_fields_by_their_names(self):
        change = self.env["sync.change"].search([("external_id", "=", "a1")])
        rows = {row["field"]: row for row in change.diff}
        self.assertEqual(rows["name"], {"field": "name", "label": "Name", "before": "∅", "after": "Alpha"})
        self.assertIn("Name: ∅ → Alpha", change.summary)

    def planned(self, values):
        """Return a change of the account with these values."""
        binding = self.env["sync.binding"].search([("external_id", "=", "a1")])
        self.env["sync.change"]._record_many(
            [{"job": self.jobs(external_id="a1", state="done"), "direction": "inbound", "operation": "update",
              "verdict": "planned", "model": "res.partner", "res_id": binding.res_id, "values": values}]
        )
        return self.env["sync.change"].search([], limit=1)

    def test_a_change_shows_linked_records_and_choices_in_words(self):
        be = self.env.ref("base.be")
        change = self.planned({
            "country_id": [None, be.id],
            "category_id": [[], [be.id]],  # no such tag: the number is all there is
            "type": ["contact", "invoice"],
            "credit_limit": [0, 12.5],
            "is_company": [False, True],
            "child_ids": [None, "2 lines"],
        })
        rows = {row["field"]: (row["before"], row["after"]) for row in change.diff}
        self.assertEqual(rows["country_id"], ("∅", be.name))
        self.assertEqual(rows["type"], ("Contact", "Invoice"))
        self.assertEqual(rows["credit_limit"], ("0", "12.5"))
        self.assertEqual(rows["is_company"], ("∅", "Yes"))
        self.assertEqual(rows["child_ids"], ("∅", "2 lines"))
        self.assertIn("Address Type: Contact → Invoice", change.digest)
        self.assertIn(f"Country: {be.name}", change.digest)

    def test_personal_data_is_for_those_who_may_see_the_record(self):
        change = self.planned({"email": [None, "alpha@example.com"], "ref": [None, "7"]})
        reader = self.users["user"]
        self.assertIn("alpha@example.com", change.with_user(reader).summary)
        self.env["ir.rule"].create(
            {
                "name": "nobody sees Alpha",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": f"[('id', '!=', {change.res_id})]",
            }
        )
        self.env.invalidate_all()
        shown = change.with_user(reader).summary.splitlines()
        self.assertCountEqual(shown, ["Email: ∅ → •••", "Reference: ∅ → 7"])
        with self.assertRaises(AccessError):
            change.with_user(self.users["manager"]).read(["values"])

    def test_connection_exceptions_are_readable_without_a_flow(self):
        exception = self.env["sync.exception"]._raise_for_connection(
            self.connection, DataInvalid("The account is closed.")
        )
        self.assertFalse(exception.flow_id)
        self.assertEqual(exception.with_user(self.users["user"]).action_open_jobs()["domain"], [
            ("exception_id", "in", exception.ids)
        ])
