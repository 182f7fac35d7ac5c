from odoo import models

from ..lib.declarations import Document
from ..lib.errors import SyncError
from ..lib.replay import CARRIED


class SyncHandlerStored(models.AbstractModel):
    """Documents that jobs keep, and those that replays bring with them."""

    _inherit = "sync.handler.inbound"

    def _is_own(self, unit):
        """Return whether a unit is what its job is about, not one of its prerequisites."""
        job = unit.job
        return (
            job.kind == "record"
            and job.flow_id == unit.flow
            and job.external_id == unit.external_id
        )

    def _carried_documents(self, units):
        """Return `{unit: document}` of the units whose job brings its document along.

        One that cannot be read is None, and its unit says why.
        """
        carried = {}
        for unit in units:
            if unit.job.source in CARRIED and self._is_own(unit):
                try:
                    carried[unit] = unit.job._document()
                except SyncError as error:
                    carried[unit] = None
                    unit.error = error
        return carried

    def _is_superseded(self, unit):
        """Return whether a state is known that is newer than the unit's document.

        Versions decide. Where the provider has none, a fetched document is the
        present; a carried one is superseded by whatever was applied after it.
        """
        document, binding = unit.document, unit.binding
        if not binding:
            return False
        if document.version and binding.version:
            return document.version < binding.version
        carried = unit.job.source in CARRIED and self._is_own(unit)
        return bool(
            carried and binding.synced_at and binding.synced_at > unit.job._document_as_of()
        )

    def _document_to_keep(self, unit):
        """Return the fetched document of a record job, encrypted, or None."""
        document = unit.document
        if unit.job.source in CARRIED or not self._is_own(unit):
            return None
        if not isinstance(document, Document) or document.deleted:
            return None
        return self.env["sync.job"]._document_as_token(document)
