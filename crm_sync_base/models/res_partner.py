from odoo import models


class ResPartner(models.Model):
    """Customers show what they are called elsewhere."""

    _name = "res.partner"
    _inherit = ["res.partner", "sync.record.mixin"]
