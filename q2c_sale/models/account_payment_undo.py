from odoo import _, models
from odoo.addons.crm_sync_base.lib.undo import Aside


class AccountPaymentUndo(models.Model):
    """What undoing a run means to a payment: one that is booked is never touched."""

    _inherit = "account.payment"

    def _sync_undo_refusal(self, names):
        if self.state == "draft":
            return super()._sync_undo_refusal(names)
        return _("Payment %s is booked. Correct it by hand.", self.display_name)

    def _sync_is_set_aside(self):
        return self.state in ("canceled", "rejected")

    def _sync_set_aside(self):
        """Cancel a draft; of a booked payment the reversal of its entry is prepared."""
        self.ensure_one()
        if self.state == "draft":
            self.action_cancel()
            return Aside({"state": ("draft", self.state)})
        if self.move_id.state == "posted":
            return Aside(note=self.move_id._sync_set_aside().note)
        return Aside(
            note=_("Payment %s is booked and stays as it is. Refund it or cancel it by hand.", self.display_name)
        )

    def _sync_bring_back(self, values):
        self.action_draft()
        return {"state": ("canceled", self.state)}
