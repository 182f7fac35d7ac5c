from odoo import _, api, fields, models


class SyncExceptionRetryWizard(models.TransientModel):
    """Says what would keep records waiting, before they are retried."""

    _name = "sync.exception.retry.wizard"
    _description = "Retry Although Something Is in the Way"

    exception_ids = fields.Many2many("sync.exception", string="Exceptions", required=True)
    obstacles = fields.Text(compute="_compute_obstacles")
    job_count = fields.Integer(compute="_compute_obstacles")

    @api.depends("exception_ids")
    def _compute_obstacles(self):
        for wizard in self:
            wizard.obstacles = "\n".join(wizard.exception_ids._obstacles())
            wizard.job_count = sum(wizard.exception_ids.mapped("job_count"))

    def action_retry(self):
        """Put the records in the queue: they run as soon as nothing is in the way."""
        self.ensure_one()
        count = self.exception_ids._retry_all()
        notice = self.exception_ids._notify(
            _("%s records are in the queue. They run by themselves as soon as they can.", count)
        )
        notice["params"]["next"] = {"type": "ir.actions.act_window_close"}
        return notice
