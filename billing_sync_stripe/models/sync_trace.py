from odoo import api, models


class SyncTrace(models.AbstractModel):
    """The trace follows a deal's charges into their payouts."""

    _inherit = "sync.trace"

    @api.model
    def _searchable(self):
        pairs = [("account.payment", "memo"), ("stripe.payout", "name"), ("stripe.payout", "trace")]
        readable = [pair for pair in pairs if self.env[pair[0]].has_access("read")]
        return [*super()._searchable(), *readable]

    @api.model
    def _related(self, correlations):
        """Add the stories of the payouts that contain charges of these stories."""
        correlations = super()._related(correlations)
        Binding = self.env["sync.binding"].sudo()
        charges = Binding.search(
            [("correlation_id", "in", correlations), ("remote_object", "=", "charge")]
        )
        lines = self.env["stripe.payout.line"].sudo().search(
            [
                ("connection_id", "in", charges.connection_id.ids),
                ("source_id", "in", charges.mapped("external_id")),
            ]
        )
        stories = lines.payout_id._sync_correlations().values()
        return list(dict.fromkeys([*correlations, *filter(None, stories)]))
