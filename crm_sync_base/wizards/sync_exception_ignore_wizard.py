from odoo import fields, models


class SyncExceptionIgnoreWizard(models.TransientModel):
    """Asks why exceptions are ignored, so that the next reader knows."""

    _name = "sync.exception.ignore.wizard"
    _description = "Ignore Exceptions"

    exception_ids = fields.Many2many("sync.exception", string="Exceptions", required=True)
    job_count = fields.Integer(compute="_compute_job_count")
    reason = fields.Char(required=True)

    def _compute_job_count(self):
        for wizard in self:
            wizard.job_count = sum(wizard.exception_ids.mapped("job_count"))

    def action_ignore(self):
        """Close the exceptions with the reason; their jobs stay failed and can be found."""
        self.ensure_one()
        self.exception_ids._ignore(self.reason)
        return {"type": "ir.actions.act_window_close"}
