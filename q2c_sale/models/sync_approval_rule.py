from odoo import api, models

#: fields of the models that this module brings together, by category of an approval rule
FIELDS = {
    "tax": {
        "res.partner": ("property_account_position_id",),
        "product.product": ("taxes_id",),
        "product.template": ("taxes_id",),
        "sale.order": ("fiscal_position_id",),
        "sale.order.line": ("tax_ids",),
    },
    "legal_entity": {"sale.order": ("partner_id", "partner_invoice_id")},
    "payment_terms": {
        "res.partner": ("property_payment_term_id", "property_supplier_payment_term_id"),
        "sale.order": ("payment_term_id",),
    },
    "price": {
        "res.partner": ("property_product_pricelist", "specific_property_product_pricelist"),
        "product.product": ("lst_price", "list_price", "standard_price"),
        "product.template": ("list_price", "standard_price"),
        "sale.order": ("pricelist_id",),
        "sale.order.line": ("product_id", "price_unit", "discount"),
    },
    "billing": {
        "product.product": ("invoice_policy",),
        "product.template": ("invoice_policy",),
        "sale.order": ("partner_invoice_id",),
    },
}


class SyncApprovalRule(models.Model):
    """What the categories mean in sales and accounting."""

    _inherit = "sync.approval.rule"

    @api.model
    def _category_fields(self, category):
        known = dict(super()._category_fields(category))
        for model, names in FIELDS.get(category, {}).items():
            known[model] = (*known.get(model, ()), *names)
        return known
