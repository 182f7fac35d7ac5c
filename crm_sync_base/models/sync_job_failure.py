from decimal import ROUND_HALF_UP, Decimal

from odoo import api, fields, models

from ..lib.fingerprint import fingerprint


class SyncJobFailure(models.Model):
    """The job ledger as the exception desk reads it: causes, remedies, money at risk."""

    _inherit = "sync.job"

    subject = fields.Char(
        string="Record Name", readonly=True, help="The record as people know it, once it was read."
    )
    error_cause = fields.Char(readonly=True, help="Fingerprint: the same for the same cause.")
    error_details = fields.Json(
        readonly=True, help="Every problem by itself, and what would solve it."
    )
    amount = fields.Char(readonly=True, help="What the failed record is worth, exactly.")
    amount_currency = fields.Char(string="Currency of the Amount", readonly=True)
    company_currency_id = fields.Many2one(
        "res.currency", compute="_compute_company_currency_id"
    )
    amount_at_risk = fields.Monetary(
        string="Money at Risk",
        currency_field="company_currency_id",
        readonly=True,
        help="The amount in the company's currency, at the rate of the day it failed.",
    )

    # The desk counts and adds up from this index alone, however many jobs share a cause.
    _failed_of_exception = models.Index(
        "(exception_id, done_at) INCLUDE (amount_at_risk) WHERE state = 'failed'"
    )
    _not_on_the_desk = models.Index("(id) WHERE state = 'failed' AND exception_id IS NULL")

    @api.depends("company_id")
    def _compute_company_currency_id(self):
        for job in self:
            job.company_currency_id = (job.company_id or self.env.company).currency_id

    def _failure_vals(self, error, outcome=None):
        """Return what the desk must know of a failure.

        :param error: a `SyncError`.
        :param outcome: the handler's `Outcome`, when there is one.
        """
        self.ensure_one()
        vals = {
            "error_cause": fingerprint([error.code, error.fingerprint]),
            "error_details": {
                "problems": list(error.problems),
                "remedies": [remedy.to_json() for remedy in error.remedies],
                "culprit": error.culprit,
            },
        }
        if outcome is not None and outcome.subject:
            vals["subject"] = outcome.subject[:200]
        worth = (outcome and outcome.amount) or self._record_amount()
        return {**vals, **self._amount_vals(worth)}

    def _record_amount(self):
        """Return what the job's Odoo record is worth, or None."""
        if not self.res_id or self.model not in self.env:
            return None
        record = self.env[self.model].sudo().browse(self.res_id).exists()
        return record._sync_amount_at_risk() if record else None

    def _amount_vals(self, worth):
        if not worth or not worth[0]:
            return {"amount": False, "amount_currency": False, "amount_at_risk": 0}
        amount, code = worth
        return {
            "amount": format(amount, "f"),
            "amount_currency": (code or "").upper(),
            "amount_at_risk": float(self._in_company_currency(amount, code) or 0),
        }

    def _in_company_currency(self, amount, code):
        """Return an amount (`Decimal`) in the company's currency.

        :return: None where Odoo knows no rate: a guess would be worse than a gap.
        """
        company = self.company_id or self.env.company
        own = company.currency_id
        if (code or "").upper() == own.name:
            return amount
        currency = self.env["res.currency"].with_context(active_test=False).search(
            [("name", "=", (code or "").upper())], limit=1
        )
        rated = currency.sudo().rate_ids or (currency.active and own.sudo().rate_ids)
        if not currency or not rated:
            return None
        rate = currency._get_conversion_rate(currency, own, company, fields.Date.today())
        unit = Decimal(1).scaleb(-own.decimal_places)
        return (amount * Decimal(repr(rate))).quantize(unit, ROUND_HALF_UP)
