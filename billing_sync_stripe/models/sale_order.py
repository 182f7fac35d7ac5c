from dataclasses import replace
from decimal import Decimal

from odoo import models
from odoo.addons.q2c_sale.lib import totals


class SaleOrder(models.Model):
    """An order knows what was charged for it, as far as it is booked."""

    _inherit = "sale.order"

    def _q2c_facts(self):
        facts = super()._q2c_facts()
        connections = self._q2c_stripe_connections()
        if not connections or not facts.invoice_numbers:
            return facts
        payments = self._q2c_charge_payments()
        payouts = payments.stripe_payout_line_ids.payout_id
        return replace(
            facts,
            charged_invoices=frozenset(self._q2c_paid_by(payments).mapped("name")),
            amount_charged=self._q2c_sum_payments(payments),
            amount_refunded=self._q2c_sum_payments(self._q2c_refund_payments(connections)),
            payouts=frozenset(payouts.mapped("name")),
            payout_status=frozenset(payouts.mapped("status")),
            **self._q2c_booked_fees(payments),
        )

    def _q2c_stripe_connections(self):
        return self.env["sync.connection"].search(
            [("provider", "=", "stripe"), ("company_id", "=", self.company_id.id)]
        )

    # === Payments ===#

    def _q2c_charge_payments(self):
        """Return the payments of this order's invoices that were booked for charges."""
        invoices = self._q2c_invoices()
        payments = invoices.matched_payment_ids | invoices.reconciled_payment_ids
        live = payments.filtered(lambda payment: payment.state in ("in_process", "paid"))
        bound = self._q2c_charge_bindings(live)
        return live.filtered(lambda payment: payment.id in bound.mapped("res_id"))

    def _q2c_charge_bindings(self, payments):
        return self.env["sync.binding"].search(
            [
                ("remote_object", "=", "charge"),
                ("model", "=", payments._name),
                ("res_id", "in", payments.ids),
            ]
        )

    def _q2c_refund_payments(self, connections):
        """Return what was paid back on this order's credit notes through Stripe's journals."""
        credit_notes = self._q2c_invoices().filtered(lambda move: move.move_type == "out_refund")
        payments = credit_notes.matched_payment_ids | credit_notes.reconciled_payment_ids
        return payments.filtered(
            lambda payment: payment.payment_type == "outbound"
            and payment.state in ("in_process", "paid")
            and payment.journal_id in connections.stripe_journal_id
        )

    def _q2c_paid_by(self, payments):
        """Return this order's invoices that some payments pay."""
        return (payments.reconciled_invoice_ids | payments.invoice_ids) & self._q2c_invoices()

    def _q2c_sum_payments(self, payments):
        """Return what payments amount to; None when one is in another currency than the order."""
        if payments.currency_id - self.currency_id:
            return None
        return sum((self._q2c_exact(payment.amount) for payment in payments), Decimal(0))

    # === Fees ===#

    def _q2c_booked_fees(self, payments):
        """Return what the journal says of the fees of charges.

        A fee's entry belongs to the story of its charge and names the charge.

        :return: keyword arguments of `DealFacts`; none when fees are in several currencies.
        """
        charges = self._q2c_charge_bindings(payments)
        lines = self._q2c_fee_lines(charges)
        currency = lines.currency_id
        if len(currency) > 1:
            return {}
        digits = currency.decimal_places if currency else self.currency_id.decimal_places
        fee = sum((totals.from_float(line.amount_currency, digits) for line in lines), Decimal(0))
        return {"fee": fee, "fee_currency": currency.name or None}

    def _q2c_fee_lines(self, charges):
        """Return the journal items on the accounts for fees that belong to charges."""
        stories = charges.filtered("correlation_id").mapped("correlation_id")
        entries = self.env["sync.binding"].search(
            [
                ("connection_id", "in", charges.connection_id.ids),
                ("remote_object", "=", "balance_transaction"),
                ("model", "=", "account.move"),
                ("correlation_id", "in", stories),
            ]
        )
        moves = self.env["account.move"].browse(entries.mapped("res_id")).exists()
        ids = charges.mapped("external_id")
        own = moves.filtered(lambda move: any(charge_id in (move.ref or "") for charge_id in ids))
        return own.line_ids.filtered(
            lambda line: line.parent_state == "posted"
            and line.account_id in charges.connection_id.stripe_fee_account_id
        )
