from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, new_test_user, tagged

from .common import SalesforceCase


@tagged("post_install", "-at_install")
class TestApiTrial(SalesforceCase):
    """Another version of the API is tried against the mappings before it is used."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flows = cls.env["sync.flow.template"]._install(cls.connection)
        cls.accounts = cls.flows.filtered(lambda flow: flow.remote_object == "Account")[:1]
        cls.admin.post("/salesforce/settings", {"ended_fields": {"Account.Phone": 68, "Account.Industry": 68}})

    def trial(self, version=None):
        """Return the wizard after a try."""
        action = self.env.ref("crm_sync_base.action_sync_api_trial")
        form = Form(self.env[action.res_model].with_context(default_connection_id=self.connection.id))
        if version:
            form.version = version
        wizard = form.save()
        wizard.action_try()
        return wizard

    def test_what_would_break_is_told_with_the_flows_that_it_hits(self):
        wizard = self.trial("68.0")
        self.assertEqual((wizard.verdict, wizard.tried), ("breaks", "68.0"))
        line = wizard.line_ids[0]
        self.assertEqual((line.severity, line.flow_ids), ("wrong", self.accounts))
        self.assertIn("Phone", line.summary)
        self.assertIn("Phone", line.rules)
        industry = wizard.line_ids.filtered(lambda line: "Industry" in line.summary)
        self.assertEqual(set(industry.mapped("severity")), {"harmless"})
        self.assertFalse(industry.flow_ids, "no mapping reads it")

    def test_trying_changes_nothing(self):
        self.env["sync.schema.watch"]._read_connection(self.connection)
        changes = self.env["sync.schema.change"].search_count([])
        self.trial("68.0")
        self.assertEqual(self.connection.api_version, "67.0")
        self.assertEqual(self.env["sync.schema.change"].search_count([]), changes)
        self.assertFalse(self.env["sync.hold"]._schema_hold_of(self.accounts))
        self.assertIn("/v67.0/", self.called_paths(lambda: self.connector._describe(self.connection, "Account")))

    def called_paths(self, call):
        """Return the paths that a call leads to, in one text."""
        before = self.calls_since(0)["last_seq"]
        call()
        return " ".join(one["path"] for one in self.calls_since(before)["calls"])

    def test_a_version_that_fits_can_be_used(self):
        wizard = self.trial("66.0")
        self.assertEqual((wizard.verdict, wizard.line_ids.ids), ("fits", []))
        wizard.action_use()
        self.assertEqual(self.connection.api_version, "66.0")
        self.assertIn("/v66.0/", self.called_paths(lambda: self.connector._describe(self.connection, "Account")))

    def test_only_what_was_tried_is_used(self):
        wizard = self.trial("66.0")
        wizard.version = "68.0"
        with self.assertRaises(UserError):
            wizard.action_use()
        self.assertEqual(self.connection.api_version, "67.0")

    def test_the_version_that_the_connector_knows_is_suggested(self):
        self.connection.api_version = "60.0"
        wizard = self.trial()
        self.assertEqual((wizard.present, wizard.tried, wizard.verdict), ("60.0", "67.0", "fits"))

    def test_versions_that_nobody_has(self):
        with self.assertRaisesRegex(UserError, "does not know version 99.0"):
            self.trial("99.0")
        with self.assertRaisesRegex(UserError, "retired"):
            self.trial("21.0")
        self.assertEqual(self.connection.state, "connected")

    def test_only_managers(self):
        operator = new_test_user(self.env, "trial_operator", groups="base.group_user,crm_sync_base.group_sync_operator")
        with self.assertRaises(AccessError):
            self.env["sync.api.trial"].with_user(operator).create(
                {"connection_id": self.connection.id, "version": "66.0"}
            )
