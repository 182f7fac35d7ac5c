from odoo import api, models


class BasePartnerMergeAutomaticWizard(models.TransientModel):
    """Partners that are merged in Odoo take their bindings with them."""

    _inherit = "base.partner.merge.automatic.wizard"

    @api.model
    def _update_reference_fields(self, src_partners, dst_partner):
        result = super()._update_reference_fields(src_partners, dst_partner)
        self.env["sync.binding"].sudo()._merge_records(src_partners, dst_partner)
        return result
