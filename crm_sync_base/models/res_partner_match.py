from odoo import models

from ..lib import matching

ADDRESSES = "address:"


class ResPartner(models.Model):
    """Companies, people and addresses are all partners; matching keeps them apart."""

    _inherit = "res.partner"

    def _sync_match_ladder(self):
        return matching.PARTNER_LADDER

    def _sync_match_role(self, values):
        """Return "company", "person", "address:<type>", or nothing when it could be either.

        Whoever has a parent and is no company is a person; without a parent it takes a
        mapping that says so.
        """
        kind = values.get("type") or ""
        if kind not in ("", "contact"):
            return ADDRESSES + kind
        if values.get("is_company"):
            return "company"
        return "person" if values.get("parent_id") or kind else ""

    def _sync_match_scope(self, kind):
        """Companies are proposed for companies, and so are customers that may be one.

        People are found by their name only where they work, or without an employer; an
        address only among those of the same partner.
        """
        anywhere = "TRUE" if kind != matching.NAME else "t.parent_id IS NULL OR t.parent_id = k.parent"
        return f"""
            CASE WHEN k.role IN ('company', '')
                 THEN (t.is_company OR t.parent_id IS NULL) AND COALESCE(t.type, 'contact') = 'contact'
                 WHEN k.role = 'person'
                 THEN t.is_company IS NOT TRUE AND COALESCE(t.type, 'contact') = 'contact' AND ({anywhere})
                 ELSE t.parent_id = k.parent AND '{ADDRESSES}' || t.type = k.role END
        """

    def _sync_match_fields(self):
        return [*super()._sync_match_fields(), "is_company", "type"]

    def _sync_can_merge(self):
        return True

    def _sync_merge(self, record):
        """Merge as Odoo's own *Merge Contacts* does, with its checks and its rights."""
        wizard = self.env["base.partner.merge.automatic.wizard"]
        wizard.check_access("create")
        wizard._merge(self.ids, dst_partner=record)
