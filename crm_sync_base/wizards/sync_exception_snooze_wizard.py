from datetime import timedelta

from odoo import fields, models

#: (key, label, hours)
SPANS = [("1", "1 hour"), ("4", "4 hours"), ("24", "1 day"), ("168", "1 week"), ("0", "Until…")]


class SyncExceptionSnoozeWizard(models.TransientModel):
    """Asks until when exceptions may sleep."""

    _name = "sync.exception.snooze.wizard"
    _description = "Snooze Exceptions"

    exception_ids = fields.Many2many("sync.exception", string="Exceptions", required=True)
    span = fields.Selection(SPANS, string="For", required=True, default="24")
    until = fields.Datetime()
    note = fields.Char(string="Why", help="Kept in the discussion of each exception.")

    def action_snooze(self):
        """Let the exceptions sleep; they come back by themselves, as new."""
        self.ensure_one()
        until = self.until
        if self.span != "0" or not until:
            until = fields.Datetime.now() + timedelta(hours=int(self.span))
        self.exception_ids._snooze(until, self.note)
        return {"type": "ir.actions.act_window_close"}
