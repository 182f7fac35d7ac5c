from odoo import _, models
from odoo.exceptions import UserError


class SyncStoryMixin(models.AbstractModel):
    """A row that tells of one Odoo record and belongs to one story.

    Whoever inherits it has `model`, `res_id` and `correlation_id`.
    """

    _name = "sync.story.mixin"
    _description = "Part of a Story"

    def action_open_record(self):
        """Open the Odoo record.

        :raises UserError: when there is none.
        """
        self.ensure_one()
        if not self.res_id or self.model not in self.env:
            raise UserError(_("There is no Odoo record (yet)."))
        return {
            "type": "ir.actions.act_window",
            "res_model": self.model,
            "res_id": self.res_id,
            "view_mode": "form",
        }

    def action_open_trace(self):
        """Open the whole story."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self._trace_query())

    def _trace_query(self):
        """Return what the trace is searched for."""
        return self.correlation_id
