from odoo import models

from ..lib import ownership, paths


class SyncMappingRuleOutbound(models.Model):
    """What a rule means for a remote record that is there already."""

    _inherit = "sync.mapping.rule"

    def _is_shared(self):
        """Whether both sides may change the field."""
        return self.owner == "shared" or self.conflict != "owner"

    def _reads_first(self):
        """Whether the other side's present value must be known before ours is sent."""
        return self.policy == "fill_empty" or self._is_shared()

    def _is_steady(self):
        """Whether the remote value is kept equal to ours, once it is there."""
        return self.policy in ("always", "protected") and (self.owner != "remote" or self._is_shared())

    def _overwrites(self, document, told, value):
        """Return what somebody put there in place of what Odoo owns and told; None: nobody did.

        :param told: what Odoo told last, as the ledger keeps it.
        :param value: what is sent now.
        """
        if (self.owner, self.conflict) != ("odoo", "owner"):
            return None
        theirs = _value(document, self.remote_path)
        if any(ownership.same_when_sent(theirs, one) for one in (told, value)):
            return None
        return "" if theirs is None else theirs

    def _may_send(self, record, document, asked):
        """Whether the value may replace what a known remote record has.

        :param document: the remote record as it is now, where rules must know it.
        :param asked: fields on which a person has yet to decide.
        """
        if self.policy == "create_only" or self.field_name in asked:
            return False
        if self.policy == "protected" and record.sudo().filtered_domain(self._protecting()):
            return False
        if self.policy == "fill_empty" or (self.owner, self.conflict) == ("remote", "fill_empty"):
            return document is not None and ownership.is_empty(_value(document, self.remote_path))
        # What only the other system owns is not sent; conflicts were settled on the way in.
        return self.owner != "remote" or self._is_shared()


def _value(document, path):
    """Return what a remote record has at a path; None where it has nothing."""
    found = paths.get(document.data, path)
    return None if found is paths.MISSING else found
