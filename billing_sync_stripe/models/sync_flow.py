from odoo import fields, models


class SyncFlow(models.Model):
    """Adds the handlers of charges, payments and payouts; none of them uses a mapping."""

    _inherit = "sync.flow"

    handler = fields.Selection(
        selection_add=[
            ("stripe_charge", "Invoice charged at Stripe"),
            ("stripe_payment", "Stripe charge booked as payment"),
            ("stripe_payout", "Stripe payout with its contents"),
        ],
        ondelete={
            "stripe_charge": "cascade",
            "stripe_payment": "cascade",
            "stripe_payout": "cascade",
        },
    )

    def _phase_code(self):
        """Charges go live with billing, what comes back from them with reconciliation."""
        if self.handler == "stripe_charge":
            return "billing"
        return "reconciliation" if self.handler in ("stripe_payment", "stripe_payout") else super()._phase_code()
