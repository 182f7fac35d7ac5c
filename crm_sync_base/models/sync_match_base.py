from odoo import _, models
from odoo.exceptions import UserError

from ..lib import matching


class Base(models.AbstractModel):
    """What matching asks of a model; models that know better answer for themselves."""

    _inherit = "base"

    def _sync_match_ladder(self):
        """Return the rungs by which records are found, unless a flow has its own."""
        return matching.PLAIN_LADDER

    def _sync_match_role(self, values):
        """Return the kind of thing that values describe; different kinds are never matched.

        :param values: by field name; of a record, or of one to be.
        """
        return ""

    def _sync_match_scope(self, kind):
        """Return the SQL condition on which a record `t` may be proposed for a row `k`.

        :param kind: of the rung, see `lib.matching`. `k.role` is the role and `k.parent`
            the id of the parent of what is looked for, or NULL.
        """
        return "TRUE"

    def _sync_match_fields(self):
        """Return the fields that roles, parents and countries are read from."""
        return [name for name in (self._active_name, "country_id", "parent_id") if name in self._fields]

    def _sync_can_merge(self):
        """Return whether several records of this model can be made one."""
        return False

    def _sync_merge(self, record):
        """Make these records one.

        :param record: the one of them that stays.
        :raises UserError: when they cannot be merged.
        """
        raise UserError(_("Records of %s cannot be merged here.", self._description))
