from odoo import models


class AccountMove(models.Model):
    """An invoice belongs to the story of the order that it invoices."""

    _name = "account.move"
    _inherit = ["account.move", "sync.record.mixin"]

    def _sync_correlations(self):
        """Return `{move id: correlation id}`: the sales order's story, else its own."""
        found = super()._sync_correlations()
        moves = self.sudo()
        stories = moves.line_ids.sale_line_ids.order_id._sync_correlations()
        for move in moves:
            orders = move.line_ids.sale_line_ids.order_id.sorted("id")
            story = next((stories[order.id] for order in orders if order.id in stories), None)
            if story:
                found[move.id] = story
        return found

    def _q2c_amount_open(self):
        """Return what is still open of an invoice, in its currency, without a sign."""
        self.ensure_one()
        settled = sum(
            payment.currency_id._convert(payment.amount, self.currency_id, self.company_id, payment.date)
            for payment in self._q2c_unbooked_payments()
        )
        return max(self.amount_residual - settled, 0.0)

    def _q2c_unbooked_payments(self):
        """Return the payments of these invoices that have no journal entry.

        Those of a journal without an outstanding account settle an invoice without
        lowering its residual amount; the bank statement books them later.
        """
        return self.matched_payment_ids.filtered(
            lambda payment: not payment.move_id and payment.state in ("in_process", "paid")
        )

    def _q2c_payment_dates(self):
        """Return the dates of the payments and bank statement lines that settled these."""
        counterparts = self._get_reconciled_amls().move_id
        paying = counterparts.filtered(lambda move: move.origin_payment_id or move.statement_line_id)
        return [*paying.mapped("date"), *self._q2c_unbooked_payments().mapped("date")]
