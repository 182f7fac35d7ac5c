from odoo import fields, models


class SyncValueMap(models.Model):
    """A table of remote values and their Odoo counterparts."""

    _name = "sync.value.map"
    _description = "Value Map"
    _inherit = ["mail.thread"]
    _order = "name, id"

    name = fields.Char(required=True)
    connection_id = fields.Many2one("sync.connection", ondelete="cascade", index=True)
    company_id = fields.Many2one(related="connection_id.company_id", store=True, index=True)
    line_ids = fields.One2many("sync.value.map.line", "map_id", string="Values", copy=True)
    line_count = fields.Integer(compute="_compute_line_count")

    def _compute_line_count(self):
        for table in self:
            table.line_count = len(table.line_ids)

    def _counterparts(self):
        """Return `{remote value: Odoo value}`; a record counts by its id."""
        return {line.remote_value: line._local_value() for line in self.line_ids}

    def action_retry_waiting(self):
        """Retry every job that waits for a missing mapping of this connection."""
        self.ensure_one()
        return self.env["sync.job"]._ask_and_retry(
            [
                ("connection_id", "=", self.connection_id.id),
                ("state", "=", "failed"),
                ("error_code", "in", ("mapping_missing", "not_ready")),
            ]
        )
