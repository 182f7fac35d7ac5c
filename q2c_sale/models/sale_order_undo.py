from odoo import _, models
from odoo.addons.crm_sync_base.lib import saga
from odoo.addons.crm_sync_base.lib.undo import Aside
from odoo.exceptions import UserError

from ..lib import totals
from .sync_handler_sale_order import FROZEN_STATES


class SaleOrderUndo(models.Model):
    """What undoing a run means to a sales order, and what belongs to its lines."""

    _inherit = "sale.order"

    def _sync_total_fields(self):
        return tuple(f"amount_{part}" for part in totals.PARTS)

    def _sync_tied_to_lines(self):
        """The source's totals and its currency are those of its lines."""
        return (*(f"q2c_source_{part}" for part in totals.PARTS), "q2c_currency_id")

    def _sync_undo_refusal(self, names):
        """Nothing of an order goes back by itself once it is confirmed or called off."""
        if self.state not in FROZEN_STATES:
            return super()._sync_undo_refusal(names)
        states = dict(self._fields["state"]._description_selection(self.env))
        return _(
            "%(order)s is in state “%(state)s” by now: what was agreed is not changed by itself. "
            "Correct it by hand, or cancel it first.",
            order=self.name, state=states[self.state],
        )  # fmt: skip

    def _sync_is_set_aside(self):
        return self.state == "cancel"

    def _sync_set_aside(self):
        """Cancel the order. If steps followed it, they are undone first, the last one first.

        :raises UserError: when something was built on it that forbids cancelling it.
        """
        self.ensure_one()
        story = self.sudo().sync_saga_id
        if story and not story.backward and saga.to_undo(story._facts()):
            story._lock()
            story._take_back(_("The run that created %s is undone.", self.name))
            return Aside(
                note=_("The steps that followed %s are being undone; they say what a person must do.", self.name)
            )
        obstacles = self._q2c_cancel_obstacles() if self.state == "sale" else []
        if obstacles:
            raise UserError(_("%(order)s cannot be cancelled: %(why)s", order=self.name, why="; ".join(obstacles)))
        before = self.state
        self._action_cancel()
        return Aside({"state": (before, "cancel")})

    def _sync_bring_back(self, values):
        """Set a cancelled order back to quotation; who confirmed it confirms it again."""
        self.action_draft()
        return {"state": ("cancel", self.state)}
