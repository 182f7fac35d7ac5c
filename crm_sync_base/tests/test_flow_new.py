from odoo.exceptions import AccessError
from odoo.tests import Form, new_test_user, tagged

from .common import ACCOUNT_RULES, SyncCase

GROUP = "base.group_user,crm_sync_base.group_sync_"


@tagged("post_install", "-at_install")
class TestNewFlow(SyncCase):
    """A flow that nobody ships is made by an integration manager alone."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # Somebody who works for a company that the manager does not see, too.
        other = cls.env["res.company"].create({"name": "Somewhere Else"})
        cls.owner = new_test_user(cls.env, "owner_new", groups="base.group_user", name="Olga Owner")
        cls.owner.company_ids |= other
        cls.manager = new_test_user(cls.env, "manager_new", groups=GROUP + "manager")

    def new_flow(self, **values):
        form = Form(self.env["sync.flow"].with_user(self.manager))
        form.name = "Anything"
        form.connection_id = self.connection
        form.remote_object = "Account"
        form.model_id = self.env["ir.model"]._get("res.partner")
        for name, value in values.items():
            form[name] = value
        return form.save()

    def test_the_connection_and_the_model_are_found(self):
        described = self.env["sync.flow"].with_user(self.manager).fields_get(["connection_id"], ["domain"])
        # Compared with the company that the flow gets from its connection, none would be found.
        self.assertIn(described["connection_id"]["domain"], ([], "[]"))
        self.assertTrue(self.env["ir.model"].with_user(self.manager).name_search("Contact"))
        # An operator reads flows and makes none: he needs no list of models.
        operator = new_test_user(self.env, "operator_new", groups=GROUP + "operator")
        with self.assertRaises(AccessError):
            self.env["ir.model"].with_user(operator).name_search("Contact")

    def test_the_form_shows_whom_it_asks_without_his_other_companies(self):
        flow = self.new_flow(owner_id=self.owner)
        self.assertEqual(flow.company_id, self.connection.company_id)
        self.assertIn("Olga Owner", str(flow.failure_help))

    def test_the_handler_follows_the_direction(self):
        self.assertEqual(self.new_flow().handler, "inbound")
        self.assertEqual(self.new_flow(direction="outbound").handler, "outbound")

    def test_one_button_leads_to_the_version_to_work_on(self):
        flow = self.new_flow()
        first = self.env["sync.mapping"].browse(flow.action_edit_mapping()["res_id"])
        self.assertEqual((first.flow_id, first.state, first.version), (flow, "draft", 1))
        self.assertEqual(first.author_ids, self.manager)
        self.assertEqual(flow.action_edit_mapping()["res_id"], first.id)
        live = self.make_flow(ACCOUNT_RULES).with_user(self.manager)
        second = self.env["sync.mapping"].browse(live.action_edit_mapping()["res_id"])
        self.assertEqual((second.state, second.origin_id), ("draft", live.mapping_id))
        self.assertEqual(len(second.rule_ids), len(live.mapping_id.rule_ids))
        self.assertEqual(live.action_edit_mapping()["res_id"], second.id)
