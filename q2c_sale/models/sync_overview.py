from odoo import api, models


class SyncOverview(models.AbstractModel):
    """Deals are what becomes a sales order; a payout tells a story, too, but is none."""

    _inherit = "sync.overview"

    @api.model
    def _deal_flows(self):
        flows = super()._deal_flows()
        return flows.filtered(lambda flow: flow.model == "sale.order")
