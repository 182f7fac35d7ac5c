from odoo import models

from ..lib.declarations import Document
from ..lib.documents import Kept
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
        """Return `{unit: document}` of the units whose job brings their document along.

        One that cannot be read is None, and its unit says why. Of its prerequisites a job
        only brings those that a person edited; the others are fetched.
        """
        carried = {}
        for unit in units:
            if unit.job.source not in CARRIED:
                continue
            own = self._is_own(unit)
            try:
                kept = unit.job._kept()
            except SyncError as error:
                if own:
                    carried[unit] = None
                    unit.error = error
                continue
            if own:
                carried[unit] = kept.document
            elif unit.job.source == "edited" and unit.key in kept.by_key:
                carried[unit] = kept.by_key[unit.key]
        return carried

    def _spread_failures(self, units):
        """Note what each unit needed, before failures make it need nothing."""
        units = list(units)
        for unit in units:
            unit.brought = tuple(unit.needs)
        return super()._spread_failures(units)

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
        """Return the fetched document of a record job, encrypted, or None.

        With a failed one go the prerequisites that were fetched for it: what is to be
        corrected may be in any of them.
        """
        if unit.job.source == "stored" or not (self._is_own(unit) and self._is_there(unit)):
            return None
        brought = self._all_brought(unit) if unit.error else ()
        if unit.job.source == "edited" and not brought:
            return None  # it is kept already
        kept = Kept(unit.document, tuple((other.flow.remote_object, other.document) for other in brought))
        return self.env["sync.job"]._kept_as_token(kept)

    def _all_brought(self, unit):
        """Return what was fetched for a unit, and for that, each once."""
        found, stack = {}, list(unit.brought)
        while stack:
            other = stack.pop(0)
            if other.key not in found and self._is_there(other):
                found[other.key] = other
                stack += other.brought
        return list(found.values())

    @staticmethod
    def _is_there(unit):
        return isinstance(unit.document, Document) and not unit.document.deleted
