from odoo import _, fields, models


class AccountPayment(models.Model):
    """A payment shows the Stripe payout by which its money reached the bank."""

    _inherit = "account.payment"

    stripe_payout_line_ids = fields.One2many(
        "stripe.payout.line", "payment_id", string="Stripe Payouts", readonly=True
    )
    stripe_payout_id = fields.Many2one(
        "stripe.payout", compute="_compute_stripe_payout_id", compute_sudo=True
    )

    def _compute_stripe_payout_id(self):
        for payment in self:
            payment.stripe_payout_id = payment.stripe_payout_line_ids.payout_id[:1]

    def action_open_stripe_payout(self):
        """Open the payout that contains this payment."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": _("Payout"),
            "res_model": "stripe.payout",
            "res_id": self.stripe_payout_id.id,
            "view_mode": "form",
        }
