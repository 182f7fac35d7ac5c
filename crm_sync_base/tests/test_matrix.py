from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}


@tagged("post_install", "-at_install")
class TestMatrix(SyncCase):
    """The matrix shows what the rules say, and what is chosen in it becomes rules."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.inbound = cls.make_flow([NAME, PHONE])
        cls.outbound = cls.make_flow(
            [{**PHONE, "direction": "outbound", "owner": "remote"}], direction="outbound", handler="outbound"
        )
        groups = "base.group_user,crm_sync_base.group_sync_"
        cls.manager = new_test_user(cls.env, "matrix_manager", groups=groups + "manager")
        cls.reviewer = new_test_user(cls.env, "matrix_reviewer", groups=groups + "manager")
        cls.operator = new_test_user(cls.env, "matrix_operator", groups=groups + "operator")
        cls.Matrix = cls.env["sync.matrix"].with_user(cls.manager)

    def row(self, name="phone"):
        """Return the matrix's row of a field of partners."""
        objects = self.Matrix.get_matrix()["objects"]
        rows = next(one["rows"] for one in objects if one["model"] == "res.partner")
        return next(row for row in rows if row["field"] == name)

    def activate(self, drafts):
        """Get drafts approved by somebody else."""
        for draft in self.env["sync.mapping"].browse([draft["id"] for draft in drafts]):
            draft.with_user(self.manager).action_to_review()
            draft.with_user(self.reviewer).action_activate()

    def arrive(self, **data):
        self.remote.put("Account", "a1", Name="Alpha", **data)
        self.notify("Account", "a1")
        self.run_lane()
        domain = [("connection_id", "=", self.connection.id), ("external_id", "=", "a1")]
        return self.env["sync.binding"].search(domain)._record()

    def test_it_shows_what_the_rules_say(self):
        row = self.row()
        self.assertEqual((row["owner"], row["prepared"], row["conflict"]), (self.connection.id, False, "owner"))
        cells = row["cells"][self.connection.id]
        self.assertEqual([(cell["reads"], cell["writes"]) for cell in cells], [(True, False), (False, True)])

    def test_a_choice_holds_when_its_drafts_are_active(self):
        partner = self.arrive(Phone="1")
        drafts = self.Matrix.set_owner("res.partner", "phone", "odoo")
        self.assertEqual(len(drafts), 2, "both mappings have the field")
        row = self.row()
        self.assertEqual((row["owner"], row["prepared"]), (self.connection.id, "odoo"))
        self.arrive(Phone="2")
        self.assertEqual(partner.phone, "2", "nothing holds before it is reviewed")
        self.activate(drafts)
        row = self.row()
        self.assertEqual((row["owner"], row["prepared"], row["drafts"]), ("odoo", False, []))
        self.arrive(Phone="3")
        self.assertEqual(partner.phone, "2")

    def test_a_violation_is_noted_once_and_counted(self):
        self.activate(self.Matrix.set_owner("res.partner", "phone", "odoo"))
        partner = self.arrive(Phone="1")
        self.arrive(Phone="2")
        self.arrive(Phone="3")
        violation = self.env["sync.violation"].search([("res_id", "=", partner.id)])
        self.assertEqual(
            (violation.field_name, violation.offender, violation.outcome, violation.count),
            ("phone", "remote", "kept", 2),
        )
        self.assertEqual(self.row()["violations"], 2)

    def test_the_same_draft_takes_further_choices(self):
        first = self.Matrix.set_owner("res.partner", "phone", "odoo")
        self.assertEqual(self.Matrix.set_owner("res.partner", "phone", "shared"), first)
        rules = self.env["sync.mapping"].browse([one["id"] for one in first]).rule_ids
        phone = rules.filtered(lambda rule: rule.field_name == "phone")
        self.assertEqual(set(phone.mapped("conflict")), {"ask"}, "nobody wins by owning it alone")

    def test_what_is_reviewed_does_not_change(self):
        drafts = self.Matrix.set_owner("res.partner", "phone", "odoo")
        self.env["sync.mapping"].browse(drafts[0]["id"]).with_user(self.manager).action_to_review()
        with self.assertRaisesRegex(UserError, "being reviewed"):
            self.Matrix.set_owner("res.partner", "phone", "shared")

    def test_who_may_not_change_mappings_only_reads(self):
        matrix = self.env["sync.matrix"].with_user(self.operator)
        self.assertFalse(matrix.get_matrix()["can_edit"])
        with self.assertRaises(AccessError):
            matrix.set_owner("res.partner", "phone", "odoo")
        with self.assertRaises(UserError):
            self.Matrix.set_owner("res.partner", "no_such_field", "odoo")
