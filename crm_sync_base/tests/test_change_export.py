import base64
import csv
import io
from unittest.mock import patch

import openpyxl
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from ..wizards import sync_change_export_wizard
from .common import ACCOUNT_RULES, SyncCase


@tagged("post_install", "-at_install")
class TestChangeExport(SyncCase):
    """The audit trail as a file: a line for each field, masked as on screen."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.flow = cls.make_flow(ACCOUNT_RULES)
        cls.auditor = new_test_user(
            cls.env, "export_auditor", groups="base.group_user,crm_sync_base.group_sync_auditor", tz="Asia/Tokyo"
        )

    def setUp(self):
        super().setUp()
        self.remote.put("Account", "e1", Name="Alpha", Email="alpha@export.example", VAT="=1+1")
        self.remote.put("Account", "e2", Name="Beta")
        self.notify("Account", "e1", "e2")
        self.run_lane()
        self.changes = self.env["sync.change"].search([("flow_id", "=", self.flow.id)], order="external_id")
        self.Wizard = self.env["sync.change.export.wizard"].with_user(self.auditor)

    def exported(self, wizard):
        """Return the lines of the file as dictionaries."""
        action = wizard.action_export()
        self.assertIn(f"/web/content/sync.change.export.wizard/{wizard.id}/data/", action["url"])
        content = base64.b64decode(wizard.data)
        if wizard.file_format == "csv":
            return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
        [page] = openpyxl.load_workbook(io.BytesIO(content)).worksheets
        head, *rows = [[cell.value or "" for cell in row] for row in page.rows]
        return [dict(zip(head, row, strict=True)) for row in rows]

    def test_a_line_for_each_field_in_either_format(self):
        wizard = self.Wizard.create({"flow_ids": self.flow.ids, "file_format": "csv"})
        self.assertEqual(wizard.change_count, 2)
        lines = self.exported(wizard)
        count = sum(len(change.values) for change in self.changes)
        self.assertEqual(len(lines), count)
        alpha = {line["Field"]: line for line in lines if line["Remote Id"] == "e1"}
        name, email, vat = alpha["Name"], alpha["Email"], alpha["Reference"]
        self.assertEqual((name["Field"], name["Before"], name["After"]), ("Name", "∅", "Alpha"))
        self.assertEqual(email["After"], "alpha@export.example")
        self.assertEqual(vat["After"], "'=1+1", "no formula")
        self.assertEqual(name["No."], str(self.changes[0].id))
        self.assertEqual(name["Flow"], self.flow.display_name)
        self.assertEqual(name["Person"], self.env.user.name)
        self.assertEqual(name["Correlation Id"], self.changes[0].correlation_id)
        local = self.changes[0].with_user(self.auditor).with_context(tz="Asia/Tokyo")
        shown = local.env["sync.change"]._fields["create_date"].context_timestamp(local, local.create_date)
        self.assertEqual(name["Changed At (Asia/Tokyo)"], shown.strftime("%Y-%m-%d %H:%M:%S"))
        wizard.file_format = "xlsx"
        again = self.exported(wizard)
        vat["After"] = "=1+1"
        self.assertEqual(again, lines)

    def test_personal_data_is_masked_as_on_screen(self):
        self.env["ir.rule"].create(
            {
                "name": "nobody sees Alpha",
                "model_id": self.env.ref("base.model_res_partner").id,
                "domain_force": f"[('id', '!=', {self.changes[0].res_id})]",
            }
        )
        wizard = self.Wizard.create({"flow_ids": self.flow.ids, "file_format": "csv"})
        self.exported(wizard)
        text = base64.b64decode(wizard.data).decode()
        self.assertIn("•••", text)
        self.assertNotIn("alpha@export.example", text)

    def test_a_selection_or_everything_that_the_filter_shows(self):
        chosen = self.changes[1].with_user(self.auditor)
        action = chosen.with_context(
            active_ids=chosen.ids, active_domain=[("flow_id", "=", self.flow.id)]
        ).action_open_export()
        wizard = self.Wizard.browse(action["res_id"])
        self.assertEqual((wizard.scope, wizard.change_count), ("selection", 1))
        self.assertEqual({line["Record"] for line in self.exported(wizard)}, {"Account Beta"})
        wizard.scope = "filter"
        self.assertEqual(wizard.change_count, 2)

    def test_plans_are_no_part_of_it(self):
        self.flow.mode = "dry_run"
        self.remote.put("Account", "e1", Name="Gamma")
        self.notify("Account", "e1")
        self.run_lane()
        wizard = self.Wizard.create({"scope": "filter", "filter_domain": "[]", "file_format": "csv"})
        self.assertNotIn("Gamma", {line["After"] for line in self.exported(wizard)})

    def test_nothing_and_too_much(self):
        with self.assertRaisesRegex(UserError, "nothing to export"):
            self.Wizard.create({"scope": "selection", "selected": []}).action_export()
        with patch.object(sync_change_export_wizard, "MAX_CHANGES", 1):
            wizard = self.Wizard.create({"flow_ids": self.flow.ids})
            self.assertTrue(wizard.is_too_much)
            with self.assertRaisesRegex(UserError, "in parts"):
                wizard.action_export()

    def test_other_companies_stay_out(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env, "export_stranger", groups="base.group_user,crm_sync_base.group_sync_auditor",
            company_id=company.id, company_ids=[(6, 0, company.ids)],
        )
        wizard = self.Wizard.with_user(stranger).create({"scope": "filter", "filter_domain": "[]"})
        self.assertFalse(self.env["sync.change"].with_user(stranger).search(wizard._asked()) & self.changes)

    def test_who_exports(self):
        for group in ("user", "approver"):
            user = new_test_user(
                self.env, f"export_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}"
            )
            with self.subTest(group), self.assertRaises(AccessError):
                self.Wizard.with_user(user).create({})
