from odoo import models

from ..lib import totals


class AccountPayment(models.Model):
    """A payment belongs to the story of the invoices that it pays."""

    _name = "account.payment"
    _inherit = ["account.payment", "sync.record.mixin"]

    def _sync_amount_at_risk(self):
        """Return what was paid."""
        self.ensure_one()
        return totals.from_float(self.amount, self.currency_id.decimal_places), self.currency_id.name

    def _sync_correlations(self):
        """Return `{payment id: correlation id}`: the paid invoices' story, else its own."""
        found = super()._sync_correlations()
        payments = self.sudo()
        invoices = payments.reconciled_invoice_ids | payments.invoice_ids
        stories = invoices._sync_correlations()
        for payment in payments:
            linked = payment.reconciled_invoice_ids | payment.invoice_ids
            story = next((stories[move.id] for move in linked.sorted("id") if move.id in stories), None)
            if story:
                found[payment.id] = story
        return found
