import base64
import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..lib import package
from .test_package import PackageCase


@tagged("post_install", "-at_install")
class TestTakeBack(PackageCase):
    """What a package replaced is a package, too."""

    def content(self):
        """Return what an export says now."""
        return json.loads(self.text(self.export()))["content"]

    def sealed(self, content):
        data = base64.b64encode(package.seal(content, self.env["sync.package"]._signing_key()).encode())
        return {"name": "made.json", "data": data.decode()}

    def flow_of(self, content):
        [flow] = [one for one in content["records"] if one["kind"] == "flow"]
        return flow["values"]

    def taken_back(self, brought):
        """Press the button; return the package that waits."""
        return self.Package.browse(brought.with_user(self.author).action_take_back()["res_id"])

    def test_taking_back_restores_what_was_there(self):
        before = self.content()["records"]
        content = self.content()
        values = self.flow_of(content)
        values["max_attempts"] = 8
        values["rules"][0]["required"] = False
        brought = self.bring(self.sealed(content))
        self.approve(brought)
        self.assertEqual((self.flow.max_attempts, self.flow.mapping_id.rule_ids[0].required), (8, False))
        self.assertEqual(brought.replaced_id.state, "exported")
        self.assertEqual(brought.replaced_id.signer_name, "this database")
        waiting = self.taken_back(brought)
        self.assertEqual((waiting.state, self.flow.max_attempts), ("review", 8), "nothing has changed yet")
        self.assertEqual(self.paths(waiting)[("Accounts", "Max Attempts")], ("8", "3"))
        with self.assertRaisesRegex(UserError, "You brought"):
            waiting.with_user(self.author).action_approve()
        self.approve(waiting)
        self.assertEqual(self.content()["records"], before)
        # That can be taken back as well.
        self.approve(self.taken_back(waiting))
        self.assertEqual(self.flow.max_attempts, 8)

    def test_what_a_package_made_is_put_out_of_use(self):
        content = self.content()
        made = json.loads(json.dumps(self.flow_of(content)))
        content["records"].append(
            {"kind": "flow", "connection": content["connections"][0]["key"], "key": "new_one", "name": "New One",
             "values": {**made, "name": "New One", "rules": made["rules"][:1]}}
        )
        brought = self.bring(self.sealed(content))
        self.approve(brought)
        new = self.connection.flow_ids.filtered(lambda flow: flow.code == "new_one")
        self.assertEqual((new.mode, new.active), ("off", True))
        new.mode = "live"
        waiting = self.taken_back(brought)
        self.assertEqual(waiting.state, "blocked")
        self.assertIn("it is archived", waiting.problems)
        new.mode = "off"
        waiting.action_check()
        self.approve(waiting)
        self.assertFalse(new.active)

    def test_it_goes_to_the_connections_of_the_first_one(self):
        content = self.content()
        content["connections"][0]["name"] = "called otherwise"
        content["connections"][0]["key"] = "testcrm/called otherwise"
        for record in content["records"]:
            record["connection"] = record["connection"] and "testcrm/called otherwise"
        self.flow_of(content)["max_attempts"] = 8
        other = self.connection.copy({"name": "Another"})
        brought = self.bring(self.sealed(content))
        self.assertFalse(brought.connection_ids.connection_id, "there are two")
        brought.connection_ids.connection_id = self.connection
        self.approve(brought)
        waiting = self.taken_back(brought)
        self.assertEqual(waiting.connection_ids.connection_id, self.connection)
        self.assertNotEqual(waiting.connection_ids.connection_id, other)
        self.approve(waiting)
        self.assertEqual(self.flow.max_attempts, 3)

    def test_nothing_to_take_back(self):
        brought = self.bring(self.export())
        self.approve(brought)
        self.assertFalse(brought.replaced_id)
        with self.assertRaisesRegex(UserError, "changed nothing"):
            brought.with_user(self.author).action_take_back()

    def test_managers_only(self):
        content = self.content()
        self.flow_of(content)["max_attempts"] = 8
        brought = self.bring(self.sealed(content))
        self.approve(brought)
        operator = new_test_user(self.env, "pkg_undo_op", "crm_sync_base.group_sync_operator")
        with self.assertRaises(AccessError):
            brought.with_user(operator).action_take_back()
        with self.assertRaises(AccessError):
            brought.with_user(self.author).write({"replaced_id": False})

    def test_rules_that_cannot_work_are_shown_before_anybody_approves(self):
        content = self.content()
        rules = self.flow_of(content)["rules"]
        rules.append({**json.loads(json.dumps(rules[0])), "label": "Twice → name", "name": "Twice"})
        brought = self.bring(self.sealed(content))
        self.assertEqual(brought.state, "blocked")
        self.assertIn("Twice: Name fills name already", brought.problems)
