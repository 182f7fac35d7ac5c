from odoo import _, fields, models
from odoo.exceptions import UserError

from ..lib import saga


class SyncSagaHandleWizard(models.TransientModel):
    """Asks what a person did about a step that needed one."""

    _name = "sync.saga.handle.wizard"
    _description = "Mark a Step as Handled"

    step_id = fields.Many2one("sync.saga.step", required=True, readonly=True, index=True)
    trouble = fields.Text(compute="_compute_trouble")
    backward = fields.Boolean(related="step_id.saga_id.backward")
    note = fields.Char(string="What Was Done", required=True)
    following = fields.Selection(
        [("go_on", "Go on with the next step"), ("stop", "Nothing more is to be done")],
        string="And Then",
        default="go_on",
        required=True,
    )

    def _compute_trouble(self):
        for wizard in self:
            wizard.trouble = wizard.step_id._trouble()

    def action_handle(self):
        """Note what was done; the saga goes on, forwards or backwards.

        :raises UserError: when the step does not wait for a person any more.
        """
        self.ensure_one()
        story = self.step_id.saga_id
        story.check_access("write")
        story.sudo()._lock()
        if self.step_id.state not in (saga.FAILED, saga.PERSON):
            raise UserError(_("“%s” does not wait for a person any more.", self.step_id.name))
        self.step_id.sudo()._handled(self.note, goes_on=self.following == "go_on")
        story.sudo().message_post(
            body=_("%(step)s: handled by hand. %(note)s", step=self.step_id.name, note=self.note),
            author_id=self.env.user.partner_id.id,
        )
        return {"type": "ir.actions.act_window_close"}
