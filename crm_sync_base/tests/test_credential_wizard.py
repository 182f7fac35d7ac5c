from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from ..lib.vault import Vault, new_key
from .common import SECRET, SyncCase

TYPED = "a secret that was typed"
FIELDS = {
    "token": {"label": "Token", "required": True},
    "key": {"label": "Private Key", "multiline": True, "help": "PEM"},
}


@tagged("post_install", "-at_install")
class TestCredentialWizard(SyncCase):
    def setUp(self):
        super().setUp()
        connector = type(self.env["sync.connector.testcrm"])
        self.startPatcher(patch.object(connector, "_credential_fields", lambda _self: FIELDS))

    def open(self, user=None):
        """Press *Enter Credentials*; return the dialog's record."""
        connection = self.connection.with_user(user or self.env.user)
        action = connection.action_enter_credentials()
        return connection.env[action["res_model"]].browse(action["res_id"])

    def type_in(self, wizard, **values):
        """Fill lines as the web client does: commands on the lines that are there."""
        wizard.write(
            {
                "line_ids": [
                    Command.update(line.id, {"value": values[line.key]})
                    for line in wizard.line_ids
                    if line.key in values
                ]
            }
        )

    def stored_text(self):
        """Return everything that the tables of the dialog hold, as one text."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT row_to_json(w)::text FROM sync_credential_wizard w UNION ALL "
            "SELECT row_to_json(l)::text FROM sync_credential_wizard_line l"
        )
        return "\n".join(row[0] for row in self.env.cr.fetchall())

    def test_lines_come_from_the_connector(self):
        lines = self.open().line_ids
        self.assertEqual(lines.mapped("key"), ["token", "key"])
        self.assertEqual(lines.mapped("is_set"), [True, False])
        self.assertEqual(lines.mapped("is_multiline"), [False, True])

    def test_nothing_that_is_stored_is_shown(self):
        wizard = self.open()
        self.assertEqual(wizard.line_ids.mapped("value"), [False, False])
        self.assertNotIn(SECRET, str(wizard.line_ids.read()))
        self.assertNotIn(SECRET, self.stored_text())

    def test_a_secret_is_stored_and_gone_from_the_dialog(self):
        wizard = self.open()
        self.type_in(wizard, token=TYPED)
        self.assertNotIn(TYPED, self.stored_text())  # not even before it is saved
        self.assertNotIn(TYPED, str(wizard.line_ids.read()))
        wizard.action_save()
        self.assertEqual(self.connection._credentials(), {"token": TYPED})
        self.assertFalse(wizard.line_ids)
        self.assertNotIn(TYPED, self.stored_text())
        self.assertNotIn(TYPED, self.connection.secret_tokens)

    def test_the_form_itself_keeps_nothing(self):
        with Form(self.open(), view="crm_sync_base.view_sync_credential_wizard_form") as form:
            with form.line_ids.edit(0) as line:
                line.value = TYPED
            wizard = form.save()
        self.assertNotIn(TYPED, self.stored_text())
        wizard.action_save()
        self.assertEqual(self.connection._credentials()["token"], TYPED)

    def test_an_empty_line_keeps_what_is_stored(self):
        wizard = self.open()
        self.type_in(wizard, key="-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
        wizard.action_save()
        stored = self.connection._credentials()
        self.assertEqual(stored["token"], SECRET)
        self.assertEqual(stored["key"], "-----BEGIN KEY-----\nabc\n-----END KEY-----")

    def test_a_credential_can_be_removed(self):
        self.connection._store_credentials({"key": "old"})
        wizard = self.open()
        wizard.line_ids.filtered(lambda line: line.key == "key").is_cleared = True
        wizard.action_save()
        self.assertEqual(self.connection._credentials(), {"token": SECRET})

    def test_a_required_one_cannot_be_missing(self):
        self.connection._store_credentials({"token": None})
        wizard = self.open()
        self.type_in(wizard, key="abc")
        with self.assertRaisesRegex(UserError, "Token"):
            wizard.action_save()
        self.assertEqual(self.connection._credentials(), {})

    def test_the_chatter_says_who_but_not_what(self):
        wizard = self.open()
        self.type_in(wizard, token=TYPED)
        wizard.action_save()
        message = self.connection.message_ids[0]
        self.assertIn("Token", message.body)
        self.assertNotIn(TYPED, str(self.connection.message_ids.mapped("body")))

    def test_nobody_can_read_it_back(self):
        manager = new_test_user(
            self.env, "manager", groups="base.group_user,crm_sync_base.group_sync_manager"
        )
        wizard = self.open(manager)
        self.type_in(wizard, token=TYPED)
        lines = wizard.line_ids
        with self.assertRaises(AccessError):
            lines.read(["token"])
        with self.assertRaises(AccessError):
            lines.search([("token", "!=", False)])
        wizard.action_save()
        with self.assertRaises(AccessError):
            self.connection.with_user(manager).read(["secret_tokens"])
        readable = self.connection.with_user(manager).read()[0]
        self.assertNotIn(TYPED, str(readable))
        self.assertIn("Token", readable["credential_summary"])

    def test_only_managers_may_enter_credentials(self):
        for group in ("user", "operator", "approver", "auditor"):
            user = new_test_user(
                self.env, f"c_{group}", groups=f"base.group_user,crm_sync_base.group_sync_{group}"
            )
            with self.subTest(group), self.assertRaises(AccessError):
                self.open(user)

    def test_credentials_of_another_key_are_entered_again(self):
        self.connection.sudo().secret_tokens = Vault(new_key()).encrypt("{}")
        self.connection.invalidate_recordset()
        wizard = self.open()
        self.assertEqual(wizard.line_ids.mapped("is_set"), [False, False])
        with self.assertRaises(UserError):
            wizard.action_save()
        self.type_in(wizard, token=TYPED)
        wizard.action_save()
        self.assertEqual(self.connection._credentials(), {"token": TYPED})

    def test_credentials_of_another_key_do_not_lock_the_screen(self):
        self.connection.sudo().secret_tokens = Vault(new_key()).encrypt("{}")
        self.connection.invalidate_recordset()
        self.assertIn("no configured key", self.connection.credential_summary)
