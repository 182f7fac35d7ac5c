from odoo.exceptions import UserError
from odoo.service.model import call_kw
from odoo.tests import new_test_user, tagged

from ..lib.declarations import RemoteField
from .common import SyncCase

NAME = {"path": "Name", "field": "name", "label": "Name"}
PHONE = {"path": "Phone", "field": "phone", "label": "Phone"}


@tagged("post_install", "-at_install")
class TestMappingSound(SyncCase):
    """What cannot work is not handed to a reviewer, by no way."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.anna = new_test_user(
            cls.env, "sound_anna", groups="base.group_user,crm_sync_base.group_sync_manager"
        )

    def setUp(self):
        super().setUp()
        self.remote.fields["Account"] = [
            RemoteField("Name", "Name", "string", kind="text", required=True),
            RemoteField("Phone", "Phone", "string", kind="text"),
            RemoteField("Active", "Active", "boolean", kind="boolean"),
        ]
        self.addCleanup(self.remote.fields.pop, "Account", None)
        self.env["sync.schema.watch"]._read_connection(self.connection, ["Account"], manual=True)

    def draft(self, *more, rules=(NAME, PHONE), **vals):
        """Return a draft of a working flow, with more rules."""
        flow = self.make_flow(list(rules), **vals)
        draft = flow.mapping_id.with_user(self.anna).copy()
        for values in more:
            self.env["sync.mapping.rule"].with_user(self.anna).create({"mapping_id": draft.id, **values})
        return draft

    def refused(self, draft, *sentences):
        """Assert that a review is refused with these sentences, by the button and by RPC."""
        Mapping = self.env["sync.mapping"].with_user(self.anna)
        for method, args in (("action_to_review", []), ("write", [{"state": "review"}])):
            with self.subTest(method), self.assertRaises(UserError) as caught:
                call_kw(Mapping, method, [draft.ids, *args], {})
            for sentence in sentences:
                self.assertIn(sentence, str(caught.exception))
        self.assertEqual(draft.state, "draft")

    def test_a_field_that_is_filled_twice(self):
        draft = self.draft({"name": "Other", "remote_path": "Phone", "field_name": "name"})
        self.refused(draft, draft.display_name, "Other: Name fills name already")

    def test_fields_that_do_not_exist_and_types_that_never_fit_are_told_at_once(self):
        draft = self.draft(
            {"name": "Gone", "remote_path": "Nope", "field_name": "ref"},
            {"name": "Parent", "remote_path": "Active", "field_name": "parent_id"},
        )
        self.refused(draft, "Gone: Account has no field Nope", "Parent: a yes or no does not fit")

    def test_a_mandatory_field_that_nothing_fills(self):
        rules = [{"path": "Name", "field": "acc_number", "label": "Number"}]
        draft = self.draft(rules=rules, model="res.partner.bank")
        self.refused(draft, "(partner_id) is mandatory in Odoo and nothing fills it")
        updates = self.draft(rules=rules, model="res.partner.bank", create_policy="never", code="only_updates")
        updates.action_to_review()
        self.assertEqual(updates.state, "review")

    def test_rules_of_lines_are_looked_at_too(self):
        draft = self.draft(rules=[NAME])
        parent = self.env["sync.mapping.rule"].with_user(self.anna).create(
            {"mapping_id": draft.id, "name": "Contacts", "remote_path": "Contacts", "field_name": "child_ids",
             "transform": "lines", "argument": "Id", "child_object": "Contact"}
        )
        for name in ("First", "Second"):
            parent.create({"mapping_id": draft.id, "parent_id": parent.id, "name": name, "remote_path": name,
                           "field_name": "name"})
        self.refused(draft, "Second: First fills name already")

    def test_what_is_only_doubtful_is_for_the_reviewer(self):
        draft = self.draft({"name": "Colour", "remote_path": "Phone", "field_name": "color"})
        checked = self.env["sync.mapping.editor"]._findings(draft.flow_id, draft._facts_of_rules())
        self.assertEqual([(one["level"], one["code"]) for one in checked], [("warning", "type")])
        draft.action_to_review()
        self.assertEqual(draft.state, "review")
