from odoo import _, models
from odoo.addons.crm_sync_base.lib.undo import Aside
from odoo.exceptions import UserError


class AccountMoveUndo(models.Model):
    """What undoing a run means to a journal entry: posted ones are never touched."""

    _inherit = "account.move"

    def _sync_undo_refusal(self, names):
        if self.state != "posted":
            return super()._sync_undo_refusal(names)
        return _("%s is posted. Correct it with a reversal or a new entry.", self.name)

    def _sync_is_set_aside(self):
        return self.state == "cancel"

    def _sync_set_aside(self):
        """Cancel a draft; of a posted entry a draft reversal is prepared for a person.

        :raises UserError: for a draft that had been posted before.
        """
        self.ensure_one()
        if self.state == "posted":
            if self._q2c_is_credited():
                return Aside(note=_("%s was reversed already.", self.name))
            proposals = self.sudo()._q2c_propose_credit()
            return Aside(
                note=_(
                    "%(move)s is posted and stays as it is. Check the draft reversal (%(drafts)s), then post it.",
                    move=self.name,
                    drafts=", ".join(proposals.mapped("display_name")),
                )
            )
        if self.posted_before:
            raise UserError(_("%s was posted before: post it again or cancel it by hand.", self.display_name))
        self.button_cancel()
        return Aside({"state": ("draft", "cancel")})

    def _sync_bring_back(self, values):
        self.button_draft()
        return {"state": ("cancel", self.state)}
