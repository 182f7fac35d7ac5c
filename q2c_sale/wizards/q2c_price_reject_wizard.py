from odoo import fields, models


class Q2cPriceRejectWizard(models.TransientModel):
    """Asks why prices are rejected: whoever sold the deal has to know."""

    _name = "q2c.price.reject.wizard"
    _description = "Reject Prices"

    approval_ids = fields.Many2many("q2c.price.approval", required=True)
    reason = fields.Char(required=True)

    def action_reject(self):
        """Reject the prices; the order stays a quotation."""
        self.ensure_one()
        self.approval_ids._decide("rejected", self.reason)
        return {"type": "ir.actions.act_window_close"}
