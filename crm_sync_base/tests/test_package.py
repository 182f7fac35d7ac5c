import base64
import json

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger
from psycopg2.errors import CheckViolation

from ..lib import package
from .common import SECRET, SyncCase

RULES = [
    {"path": "Name", "field": "name", "required": True, "label": "Name"},
    {"path": "VAT", "field": "ref", "label": "Tax number", "is_key": True},
    {"path": "Tag", "field": "category_id", "label": "Tag", "transform": "value_map", "value_map": "Tags"},
    {
        "path": "Contacts",
        "field": "child_ids",
        "label": "Contacts",
        "transform": "lines",
        "argument": "Id",
        "child_object": "Contact",
        "children": [{"path": "Name", "field": "name", "label": "Name"}],
    },
]


class PackageCase(SyncCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(RULES, code="accounts", name="Accounts", mode="live", max_attempts=3)
        cls.table = cls.env["sync.value.map"].search(
            [("connection_id", "=", cls.connection.id), ("name", "=", "Tags")]
        )
        cls.gold = cls.env["res.partner.category"].create({"name": "Gold of this test"})
        cls.table.line_ids = [
            fields.Command.create({"remote_value": "gold", "record_ref": f"res.partner.category,{cls.gold.id}"}),
            fields.Command.create({"remote_value": "text", "odoo_value": "plain"}),
        ]
        cls.author = new_test_user(cls.env, "package_author", "crm_sync_base.group_sync_manager")
        cls.approver = new_test_user(
            cls.env, "package_approver", "crm_sync_base.group_sync_approver,base.group_partner_manager"
        )
        cls.Package = cls.env["sync.package"].with_user(cls.author)

    def export(self, **values):
        return self.Package.export_configuration([self.connection.id], **values)

    def text(self, made):
        return base64.b64decode(made["data"]).decode()

    def bring(self, made, **values):
        package_id = self.Package.import_configuration(made["data"], made["name"], **values)
        return self.Package.browse(package_id)

    def paths(self, brought):
        return {(line.name, line.path): (line.before, line.after) for line in brought.line_ids}

    def approve(self, brought):
        result = brought.with_user(self.approver).action_approve()
        self.env.invalidate_all()
        return result


@tagged("post_install", "-at_install")
class TestExport(PackageCase):
    def test_neither_secrets_nor_ids_nor_people_are_carried(self):
        self.flow.owner_id = self.author
        text = self.text(self.export())
        for secret in (SECRET, self.connection.secret_tokens, self.connection.webhook_token, self.author.login):
            self.assertNotIn(secret, text)
        for record in (self.flow, self.table, self.flow.mapping_id, self.gold):
            self.assertNotRegex(text, rf'"(id|res_id|\w+_id)": {record.id}\b')
        content = json.loads(text)["content"]
        [flow] = [one for one in content["records"] if one["kind"] == "flow"]
        self.assertEqual(flow["key"], "accounts")
        self.assertNotIn("mode", flow["values"])
        self.assertNotIn("owner_id", flow["values"])
        self.assertEqual(flow["values"]["model_id"], {"model": "ir.model", "name": "res.partner"})
        labels = [rule["label"] for rule in flow["values"]["rules"]]
        self.assertEqual(labels[0], "Name → name")
        self.assertEqual([rule["label"] for rule in flow["values"]["rules"][3]["lines"]], ["Name → name"])

    def test_records_go_by_their_names(self):
        [table] = [one for one in json.loads(self.text(self.export()))["content"]["records"] if one["key"] == "Tags"]
        rows = {row["label"]: row for row in table["values"]["lines"]}
        self.assertEqual(rows["gold"]["record_ref"], {"model": "res.partner.category", "name": "Gold of this test"})
        self.assertEqual(rows["text"]["odoo_value"], "plain")

    def test_equal_configurations_make_equal_records(self):
        records = [json.loads(self.text(self.export()))["content"]["records"] for _again in range(2)]
        self.assertEqual(*records)

    def test_a_flow_that_was_made_by_hand_gets_a_code(self):
        self.flow.code = False
        self.flow.name = "Größe & Äpfel → here"
        self.export()
        self.assertEqual(self.flow.code, "gr_e_pfel_here")
        other = self.flow.copy()
        self.export()
        self.assertEqual(other.code, "gr_e_pfel_here_2")

    def test_conditions_that_name_ids_are_refused(self):
        self.flow.domain = "[('parent_id', '=', 5)]"
        with self.assertRaisesRegex(UserError, "by its id"):
            self.export()
        self.flow.domain = "[('id', 'in', [1, 2])]"
        with self.assertRaisesRegex(UserError, "by its id"):
            self.export()
        self.flow.domain = "[('color', '=', 5), ('active', '=', True), ('parent_id', '=', False)]"
        self.export()

    def test_managers_only(self):
        for group in ("operator", "auditor", "approver"):
            user = new_test_user(self.env, f"pkg_{group}", f"crm_sync_base.group_sync_{group}")
            Package = self.env["sync.package"].with_user(user)
            with self.assertRaises(AccessError):
                Package.export_configuration([self.connection.id])
            with self.assertRaises(AccessError):
                Package.import_configuration("", "x")

    def test_the_private_key_is_not_in_the_clear(self):
        self.export()
        stored = self.env["ir.config_parameter"].sudo().get_param("crm_sync_base.package_key")
        private = self.env["sync.package"]._signing_key()
        self.assertNotIn(private, stored)
        self.assertNotIn(private, self.text(self.export()))


@tagged("post_install", "-at_install")
class TestImport(PackageCase):
    def test_what_is_equal_has_no_difference_and_changes_nothing(self):
        brought = self.bring(self.export())
        self.assertEqual(brought.state, "review")
        self.assertFalse(brought.line_ids)
        before = self.flow.mapping_id, self.flow.write_date
        self.approve(brought)
        self.assertEqual(brought.state, "applied")
        self.assertEqual((self.flow.mapping_id, self.flow.write_date), before)

    def test_the_way_to_another_company(self):
        """The target has a connection of another name, and nothing else."""
        company = self.env["res.company"].create({"name": "Production"})
        (self.author | self.approver).company_ids |= company
        target = self.connection.copy({"name": "Production CRM", "company_id": company.id})
        made = self.export()
        Package = self.Package.with_company(company)
        brought = Package.browse(Package.import_configuration(made["data"], made["name"]))
        self.assertEqual(brought.connection_ids.connection_id, target)
        self.assertEqual((brought.state, brought.problems), ("review", ""))
        self.assertEqual(set(brought.line_ids.mapped("operation")), {"create"})
        brought.with_user(self.approver).with_company(company).action_approve()
        self.env.invalidate_all()
        flow = target.flow_ids
        self.assertEqual((flow.code, flow.mode, flow.max_attempts, flow.company_id), ("accounts", "off", 3, company))
        Content, Portable = self.env["sync.package.content"], self.env["sync.portable"]
        self.assertEqual(
            Content._rules(flow.mapping_id.rule_ids), Content._rules(self.flow.mapping_id.rule_ids)
        )
        self.assertEqual(Portable._values(flow), Portable._values(self.flow))
        self.assertEqual(flow.mapping_id.reviewer_id, self.approver)
        self.assertIn(self.author, flow.mapping_id.author_ids)
        self.assertEqual(flow.mapping_id.rule_ids.value_map_id.connection_id, target)
        lines = flow.mapping_id.rule_ids.value_map_id.line_ids
        counterparts = {line.remote_value: line._local_value() for line in lines}
        self.assertEqual(counterparts, {"gold": self.gold.id, "text": "plain"})
        self.assertEqual(self.flow.mapping_id.version, 1)  # what it came from is as it was

    def test_differences_are_told_and_applied_as_a_whole(self):
        made = self.export()
        self.flow.write({"max_attempts": 9, "remote_scope": "[('A', '=', 1)]"})
        self.table.line_ids.filtered(lambda line: line.remote_value == "text").odoo_value = "changed"
        self.table.line_ids.create({"map_id": self.table.id, "remote_value": "mine", "odoo_value": "stays"})
        draft = self.flow.mapping_id.copy()
        draft.rule_ids[0].required = False
        draft.write({"state": "review"})
        draft.with_user(self.approver).action_activate()
        self.env.invalidate_all()

        brought = self.bring(made)
        self.assertEqual(
            self.paths(brought),
            {
                ("Accounts", "Max Attempts"): ("9", "3"),
                ("Accounts", "Remote Condition"): ("[('A', '=', 1)]", ""),
                ("Accounts", "Rules › Name → name › Required"): ("", "yes"),
                ("Tags", "Lines › text › Odoo Value"): ("changed", "plain"),
            },
        )
        self.approve(brought)
        self.assertEqual(brought.state, "applied")
        self.assertEqual((self.flow.max_attempts, self.flow.remote_scope, self.flow.mode), (3, False, "live"))
        self.assertEqual((self.flow.mapping_id.version, self.flow.mapping_id.rule_ids[0].required), (3, True))
        self.assertEqual({line.remote_value for line in self.table.line_ids}, {"gold", "text", "mine"})

    def test_approval_rules_travel_with_their_connections(self):
        company = self.env["res.company"].create({"name": "Production"})
        (self.author | self.approver).company_ids |= company
        target = self.connection.copy({"name": "Production CRM", "company_id": company.id})
        vat = self.env["ir.model.fields"]._get("res.partner", "vat")
        rule = self.env["sync.approval.rule"].create(
            {
                "name": "Tax numbers of this test",
                "company_id": self.env.company.id,
                "connection_ids": [fields.Command.link(self.connection.id)],
                "model_id": vat.model_id.id,
                "field_ids": [fields.Command.link(vat.id)],
                "threshold": 250.5,
            }
        )
        made = self.export()
        Package = self.Package.with_company(company)
        brought = Package.browse(Package.import_configuration(made["data"], made["name"]))
        self.assertEqual((brought.state, brought.problems), ("review", ""))
        brought.with_user(self.approver).with_company(company).action_approve()
        self.env.invalidate_all()
        copy = self.env["sync.approval.rule"].search([("name", "=", rule.name), ("company_id", "=", company.id)])
        self.assertEqual(copy.connection_ids, target)
        self.assertEqual((copy.field_ids, copy.group_id, copy.threshold), (vat, rule.group_id, 250.5))
        again = Package.browse(Package.import_configuration(made["data"], made["name"]))
        self.assertFalse(again.line_ids)  # here is what the package says

    def test_readiness_rules_travel(self):
        Rule = self.env["sync.readiness.rule"]
        kept = Rule.create({"flow_id": self.flow.id, "name": "there is no contact", "path": "Contact"})
        made = self.export()
        kept.path = "Other"
        extra = Rule.create({"flow_id": self.flow.id, "name": "only here", "path": "X"})
        brought = self.bring(made)
        self.assertEqual(
            self.paths(brought)[("Accounts", "Readiness › there is no contact › Remote Field")], ("Other", "Contact")
        )
        self.approve(brought)
        self.assertEqual((kept.path, extra.active), ("Contact", False))

    def test_what_an_older_suite_could_not_say_stays(self):
        content = json.loads(self.text(self.export()))["content"]
        [flow] = [one for one in content["records"] if one["kind"] == "flow"]
        del flow["values"]["max_attempts"], flow["values"]["readiness"]
        made = {"name": "x", "data": base64.b64encode(package.seal(content, package.new_key()).encode()).decode()}
        self.assertFalse(self.bring(made).line_ids)

    def test_four_eyes(self):
        brought = self.bring(self.export())
        self.assertFalse(brought.can_approve)
        self.assertTrue(brought.with_user(self.approver).can_approve)
        with self.assertRaisesRegex(UserError, "You brought"):
            brought.action_approve()
        with self.assertRaises(AccessError):
            brought.write({"requested_by_id": self.approver.id})
        with self.assertRaises(AccessError):
            brought.write({"state": "applied"})
        operator = new_test_user(self.env, "pkg_op", "crm_sync_base.group_sync_operator")
        with self.assertRaises(UserError):
            brought.with_user(operator).action_approve()

    @mute_logger("odoo.sql_db")
    def test_four_eyes_in_the_database(self):
        brought = self.bring(self.export())
        for approver in (self.author.id, None):
            with self.assertRaises(CheckViolation), self.env.cr.savepoint():
                self.env.cr.execute(
                    "UPDATE sync_package SET state = 'applied', approved_by_id = %s WHERE id = %s",
                    [approver, brought.id],
                )

    def test_who_chooses_the_target_is_who_brings_it(self):
        brought = self.bring(self.export())
        other = new_test_user(self.env, "pkg_manager", "crm_sync_base.group_sync_manager")
        brought.connection_ids.with_user(other).connection_id = self.connection
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "You brought"):
            brought.with_user(other).action_approve()

    def test_nothing_is_applied_when_the_settings_changed_meanwhile(self):
        made = self.export()
        self.flow.max_attempts = 9
        brought = self.bring(made)
        self.flow.max_attempts = 7
        result = self.approve(brought)
        self.assertEqual(result["params"]["type"], "warning")
        self.assertEqual((brought.state, self.flow.max_attempts), ("review", 7))
        self.assertEqual(self.paths(brought)[("Accounts", "Max Attempts")], ("7", "3"))
        self.approve(brought)
        self.assertEqual((brought.state, self.flow.max_attempts), ("applied", 3))

    def test_what_is_missing_here_is_named_and_nothing_is_applied(self):
        made = self.export()
        self.gold.name = "Renamed"
        brought = self.bring(made)
        self.assertEqual(brought.state, "blocked")
        self.assertIn("Gold of this test", brought.problems)
        with self.assertRaises(UserError):
            self.approve(brought)
        self.gold.name = "Gold of this test"
        brought.action_check()
        self.assertEqual(brought.state, "review")

    def test_two_of_one_name_are_no_answer(self):
        made = self.export()
        self.gold.copy({"name": "Gold of this test"})
        self.assertIn("2 records", self.bring(made).problems)

    def test_a_live_flow_does_not_change_what_it_is_about(self):
        made = self.export()
        self.flow.write({"mode": "off", "remote_object": "Deal"})
        self.flow.mode = "live"
        brought = self.bring(made)
        self.assertIn("switch the flow off first", brought.problems)
        self.flow.mode = "off"
        brought.action_check()
        self.approve(brought)
        self.assertEqual(self.flow.remote_object, "Account")

    def test_an_unknown_key_has_to_be_trusted(self):
        content = json.loads(self.text(self.export()))["content"]
        foreign = package.new_key()
        made = {"name": "foreign.json", "data": base64.b64encode(package.seal(content, foreign).encode()).decode()}
        brought = self.bring(made)
        with self.assertRaisesRegex(UserError, "nobody here trusts"):
            self.approve(brought)
        action = brought.action_trust()
        signer = self.env["sync.package.signer"].with_user(self.author).with_context(**action["context"]).create(
            {"name": "Test environment"}
        )
        self.assertEqual(signer.fingerprint, brought.signer_fingerprint)
        self.env.invalidate_all()
        self.approve(brought)
        self.assertEqual((brought.state, brought.signer_name), ("applied", "Test environment"))

    def test_what_is_no_package_is_refused_with_a_reason(self):
        text = self.text(self.export())
        for altered, why in ((text.replace('"accounts"', '"billing"'), "altered"), ("{}", "not a configuration")):
            with self.assertRaisesRegex(UserError, why):
                self.Package.import_configuration(base64.b64encode(altered.encode()).decode(), "file.json")
        odd = package.seal({"records": [{"kind": "flow"}], "connections": []}, package.new_key())
        with self.assertRaisesRegex(UserError, "damaged"):
            self.Package.import_configuration(base64.b64encode(odd.encode()).decode(), "odd.json")

    def test_fields_and_modules_that_are_not_here(self):
        content = json.loads(self.text(self.export()))["content"]
        [flow] = [one for one in content["records"] if one["kind"] == "flow"]
        flow["values"]["no_such_field"] = 1
        flow["values"]["mode"] = "live"
        flow["values"]["handler"] = "teleport"
        flow["values"]["model_id"] = {"model": "ir.model", "name": "no.such.model"}
        content["records"].append({"kind": "spell", "connection": "", "key": "x", "name": "X", "values": {}})
        made = {"name": "x", "data": base64.b64encode(package.seal(content, package.new_key()).encode()).decode()}
        problems = self.bring(made).problems
        for expected in ("no_such_field", "“mode”", "teleport", "no.such.model", "“spell” is not installed"):
            self.assertIn(expected, problems)

    def test_the_same_file_waits_once(self):
        made = self.export()
        self.assertEqual(self.bring(made), self.bring(made))
        brought = self.bring(made)
        brought.with_user(self.approver).action_reject()
        self.assertEqual(brought.state, "rejected")
        self.assertNotEqual(self.bring(made), brought)

    def test_applied_packages_are_kept(self):
        brought = self.bring(self.export())
        self.approve(brought)
        with self.assertRaises(UserError):
            brought.unlink()
