from odoo import models


class SyncExceptionFix(models.Model):
    """Only what can be sold is offered as the counterpart of what was sold."""

    _inherit = "sync.exception.fix"

    def _choice_domain(self):
        company = self.company_id or self.env.company
        narrower = {
            "account.tax": [("type_tax_use", "=", "sale"), ("company_id", "parent_of", company.id)],
            "product.product": [("sale_ok", "=", True), ("company_id", "in", (False, company.id))],
        }
        return [*super()._choice_domain(), *narrower.get(self.model, ())]

    def _choice_defaults(self):
        defaults = super()._choice_defaults()
        if self.model == "account.tax":
            defaults["default_type_tax_use"] = "sale"
        return defaults
