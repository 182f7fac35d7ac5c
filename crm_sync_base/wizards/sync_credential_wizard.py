from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib.errors import SyncError


class SyncCredentialWizard(models.TransientModel):
    """Takes the credentials of a connection; shows which are set, never any value."""

    _name = "sync.credential.wizard"
    _description = "Enter Credentials"

    connection_id = fields.Many2one(
        "sync.connection", required=True, readonly=True, ondelete="cascade"
    )
    line_ids = fields.One2many("sync.credential.wizard.line", "wizard_id", string="Credentials")

    @api.model_create_multi
    def create(self, vals_list):
        wizards = super().create(vals_list)
        for wizard in wizards:
            wizard._add_lines()
        return wizards

    def _add_lines(self):
        """Add one line for each credential that the provider wants."""
        self.ensure_one()
        connection = self.connection_id
        stored = self._readable() or {}
        specs = connection._connector()._credential_fields()
        self.env["sync.credential.wizard.line"].create(
            [
                {
                    "wizard_id": self.id,
                    "sequence": number,
                    "key": key,
                    "label": spec.get("label") or key,
                    "help_text": spec.get("help"),
                    "is_required": bool(spec.get("required")),
                    "is_multiline": bool(spec.get("multiline")),
                    "is_set": bool(stored.get(key)),
                }
                for number, (key, spec) in enumerate(specs.items())
            ]
        )

    def action_save(self):
        """Store what was entered, encrypted, and forget it here.

        An empty line leaves the stored value alone; one marked for removal
        clears it.

        :raises UserError: when something required is missing; nothing is stored then.
        """
        self.ensure_one()
        self.connection_id.check_access("write")
        missing = self.line_ids.filtered(lambda line: line._will_be_missing())
        if missing:
            raise UserError(_("Still missing: %s", ", ".join(missing.mapped("label"))))
        values = {}
        for line in self.line_ids:
            values.update(line._entered())
        if values:
            if self._readable() is None:
                # No key opens the old ones any more: what is entered now replaces them all.
                self.connection_id.sudo().secret_tokens = False
            self.connection_id._store_credentials(values)
            self._log(values)
        self.line_ids.unlink()
        return {"type": "ir.actions.act_window_close"}

    def _log(self, values):
        """Say in the connection's chatter who changed which credentials, not what they are."""
        labels = {line.key: line.label for line in self.line_ids}
        self.connection_id.message_post(
            body=_("Credentials changed: %s", ", ".join(labels[key] for key in values))
        )

    def _readable(self):
        """Return the stored credentials, or None when no configured key opens them."""
        try:
            return self.connection_id._credentials()
        except SyncError:
            return None
