from odoo import models

from ..lib import lines
from ..lib.masking import is_secret

#: types of fields that a line can get back as they were; what it holds of its own (lists of
#: further lines, files) is not one of them
KEPT_TYPES = (
    "char", "text", "html", "selection", "boolean", "integer", "float", "monetary", "date", "datetime",
    "many2one", "many2many", "json",
)  # fmt: skip


class SyncRecordLines(models.AbstractModel):
    """What lines and totals of a document are; models that know more of theirs override it."""

    _inherit = "base"

    # === Of a document ===#

    def _sync_total_fields(self):
        """Return the names of the totals that follow from the record's lines.

        The change ledger keeps them beside the lines, and an undo must meet them exactly.
        """
        return ()

    def _sync_tied_to_lines(self):
        """Return the names of fields that are only right together with the record's lines.

        When its lines wait for an approval, these wait with them, and the other way round.
        """
        return ()

    # === Of a line ===#

    def _sync_line_name(self):
        """Return what people call this line of a document."""
        self.ensure_one()
        return self.display_name or ""

    def _sync_unshown_fields(self):
        """Return the names of fields of a line that mean nothing to people."""
        return ("sequence",)

    def _sync_kept_fields(self, inverse):
        """Return the names of the fields that make a line what it is.

        What Odoo computes from others by itself is left out, and so are secrets.

        :param inverse: the field that leads to the line's document.
        """
        return [
            name
            for name, field in self._fields.items()
            if field.store
            and field.type in KEPT_TYPES
            and name not in (*models.MAGIC_COLUMNS, inverse, "parent_path")
            and not field.related
            and not field.company_dependent
            and not (field.compute and field.readonly)
            and not is_secret(name)
        ]

    def _sync_line_row(self, key, number, names):
        """Return this line as the change ledger keeps it, see `lib.lines`."""
        handler = self.env["sync.handler.inbound"]
        values = {name: handler._value_of(self, name) for name in names}
        return lines.row(self.id, key, number, self._sync_line_name(), values)
