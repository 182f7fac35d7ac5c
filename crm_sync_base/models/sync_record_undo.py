from odoo import _, models
from odoo.exceptions import UserError

from ..lib.undo import Aside


class SyncRecordUndo(models.AbstractModel):
    """What undoing a run means to a record; models that know more of themselves override it."""

    _inherit = "base"

    def _sync_undo_refusal(self, names):
        """Return why these fields of the record must not be written back, or an empty text.

        :param names: of the fields.
        """
        return ""

    def _sync_is_set_aside(self):
        """Whether the record is out of use already."""
        return bool(self._active_name) and not self[self._active_name]

    def _sync_set_aside(self):
        """Take a record out of use whose creation is undone; it is never deleted.

        What must not be taken back by itself (a posted entry, say) is left as it is, and
        what a person can do about it is prepared.

        :return: an `Aside`.
        :raises UserError: when there is no way to.
        """
        self.ensure_one()
        # Models that were made up in Odoo call it x_active.
        name = self._active_name
        if not name:
            raise UserError(
                _("%s can be neither archived nor cancelled. Decide what becomes of it.", self.display_name)
            )
        self[name] = False
        return Aside({name: (True, False)})

    def _sync_bring_back(self, values):
        """Take a record into use again that was set aside.

        :param values: `{field: (before, after)}` of what setting it aside wrote.
        :return: `{field: (before, after)}` of what this wrote.
        """
        self.ensure_one()
        name = self._active_name
        self[name] = True
        return {name: (False, True)}
