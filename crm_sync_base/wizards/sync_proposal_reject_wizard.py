from odoo import fields, models


class SyncProposalRejectWizard(models.TransientModel):
    """Asks why changes are rejected: the author and the auditor want to know."""

    _name = "sync.proposal.reject.wizard"
    _description = "Reject Changes"

    proposal_ids = fields.Many2many("sync.proposal", string="Changes", required=True)
    reason = fields.Char(required=True)

    def action_reject(self):
        """Keep Odoo's values; the same change is not proposed again."""
        self.ensure_one()
        self.proposal_ids._reject(self.reason)
        return {"type": "ir.actions.act_window_close"}
