from odoo import _, fields, models

from ..lib import totals


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

    def _sync_amount_at_risk(self):
        """Return what is open of a posted invoice, the whole of any other."""
        self.ensure_one()
        amount = self._q2c_amount_open() if self.state == "posted" else self.amount_total
        return totals.from_float(amount, self.currency_id.decimal_places), self.currency_id.name

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

    # === Credit ===#

    def _q2c_credits(self):
        """Return the credit notes of these invoices, cancelled ones left out."""
        return self.reversal_move_ids.filtered(lambda move: move.state != "cancel")

    def _q2c_is_credited(self):
        """Whether posted credit notes take back the whole of this invoice."""
        self.ensure_one()
        posted = self._q2c_credits().filtered(lambda move: move.state == "posted")
        credited = sum(posted.mapped("amount_total"))
        same_currency = posted.currency_id <= self.currency_id
        return bool(posted) and same_currency and self.currency_id.compare_amounts(credited, self.amount_total) >= 0

    def _q2c_propose_credit(self):
        """Return a draft credit note of each of these posted invoices; new where there is none.

        It is a proposal: nothing is booked before a person posts it.
        """
        proposals = self.browse()
        for move in self:
            drafts = move._q2c_credits().filtered(lambda credit: credit.state == "draft")
            proposals += drafts or move._reverse_moves(
                [
                    {
                        "ref": _("Reversal of: %s", move.name),
                        "invoice_date": fields.Date.context_today(move),
                        "invoice_origin": move.invoice_origin,
                    }
                ]
            )
        return proposals
