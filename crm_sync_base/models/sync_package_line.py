from odoo import fields, models


class SyncPackageLine(models.Model):
    """One setting that a package would change, or has changed."""

    _name = "sync.package.line"
    _description = "Difference"
    _order = "package_id, sequence, id"

    package_id = fields.Many2one("sync.package", required=True, ondelete="cascade", index=True, readonly=True)
    company_id = fields.Many2one(related="package_id.company_id", store=True, index=True)
    sequence = fields.Integer(readonly=True)
    kind = fields.Selection(
        [
            ("value_map", "Value Map"),
            ("flow", "Flow"),
            ("approval_rule", "Approval Rule"),
            ("deadline", "Exception Deadline"),
        ],
        readonly=True,
    )
    name = fields.Char(string="Record", readonly=True)
    operation = fields.Selection([("create", "New"), ("update", "Changed")], readonly=True)
    path = fields.Char(string="Setting", readonly=True)
    before = fields.Text(string="Now", readonly=True)
    after = fields.Text(string="Then", readonly=True)
