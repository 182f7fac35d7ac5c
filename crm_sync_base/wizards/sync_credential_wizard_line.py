from odoo import fields, models


class SyncCredentialWizardLine(models.TransientModel):
    """One credential. What is typed is encrypted before it reaches the database."""

    _name = "sync.credential.wizard.line"
    _description = "Credential to Enter"
    _order = "sequence, id"

    wizard_id = fields.Many2one(
        "sync.credential.wizard", required=True, ondelete="cascade", index=True
    )
    sequence = fields.Integer()
    key = fields.Char(required=True, readonly=True)
    label = fields.Char(required=True, readonly=True)
    help_text = fields.Char(readonly=True)
    is_required = fields.Boolean(readonly=True)
    is_multiline = fields.Boolean(readonly=True)
    is_set = fields.Boolean(string="Stored", readonly=True)
    is_cleared = fields.Boolean(string="Remove", help="Forget the stored value.")
    # Not stored: reading gives nothing, writing goes through the inverse.
    value = fields.Char(string="New Value", compute="_compute_value", inverse="_inverse_value")
    token = fields.Text(groups="base.group_system", help="What was typed, encrypted.")

    def _compute_value(self):
        """There is nothing to show, ever."""
        self.value = False

    def _inverse_value(self):
        """Keep what was typed as a token only; the plain text stays in this request."""
        vault = self.env["sync.connection"]._vault()
        for line in self:
            text = (line.value or "").strip()
            line.sudo().token = vault.encrypt(text) if text else False
        self.invalidate_recordset(["value"])

    def _will_be_missing(self):
        """Return whether a required credential would not be there after saving."""
        self.ensure_one()
        kept = self.is_set and not self.is_cleared
        return self.is_required and not kept and not self.sudo().token

    def _entered(self):
        """Return `{key: plain text, or None to forget it}`; empty when nothing was typed."""
        self.ensure_one()
        token = self.sudo().token
        if token:
            return {self.key: self.env["sync.connection"]._vault().decrypt(token)}
        return {self.key: None} if self.is_cleared and self.is_set else {}
