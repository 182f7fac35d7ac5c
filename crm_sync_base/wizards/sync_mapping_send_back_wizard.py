from odoo import fields, models


class SyncMappingSendBackWizard(models.TransientModel):
    """Asks a reviewer what the author should change."""

    _name = "sync.mapping.send.back.wizard"
    _description = "Send a Mapping Version Back"

    mapping_id = fields.Many2one("sync.mapping", required=True, readonly=True)
    reason = fields.Text(string="What to Change", required=True)

    def action_send_back(self):
        """Make the version a draft again, and tell its author why."""
        self.ensure_one()
        self.mapping_id._send_back(self.reason)
        return {"type": "ir.actions.act_window_close"}
