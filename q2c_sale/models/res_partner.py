from odoo import models

from ..lib import totals


class ResPartner(models.Model):
    """A customer is worth what is open of its invoices."""

    _inherit = "res.partner"

    def _sync_amount_at_risk(self):
        """Return the open amount of the posted invoices, in the company's currency."""
        self.ensure_one()
        company = self.company_id or self.env.company
        [[amount]] = self.env["account.move"]._read_group(
            [
                ("commercial_partner_id", "=", self.commercial_partner_id.id),
                ("move_type", "in", ("out_invoice", "out_refund")),
                ("state", "=", "posted"),
                ("company_id", "=", company.id),
            ],
            [],
            ["amount_residual_signed:sum"],
        )
        currency = company.currency_id
        return totals.from_float(amount or 0.0, currency.decimal_places), currency.name

    def _sync_amounts(self):
        """Return what is open of the invoices of each customer, in one query for each company."""
        found = {}
        for company, partners in self.grouped(lambda one: one.company_id or self.env.company).items():
            currency = company.currency_id
            amounts = dict(
                self.env["account.move"]._read_group(
                    [
                        ("commercial_partner_id", "in", partners.commercial_partner_id.ids),
                        ("move_type", "in", ("out_invoice", "out_refund")),
                        ("state", "=", "posted"),
                        ("company_id", "=", company.id),
                    ],
                    ["commercial_partner_id"],
                    ["amount_residual_signed:sum"],
                )
            )
            for partner in partners:
                amount = amounts.get(partner.commercial_partner_id, 0.0)
                found[partner.id] = (totals.from_float(amount, currency.decimal_places), currency.name)
        return found
