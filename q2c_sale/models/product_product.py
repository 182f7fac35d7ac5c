from odoo import models


class ProductProduct(models.Model):
    """Products show what they are called elsewhere."""

    _name = "product.product"
    _inherit = ["product.product", "sync.record.mixin"]
