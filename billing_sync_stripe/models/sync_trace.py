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

    @api.model
    def _find_correlations(self, query):
        """Find what is known only inside of payouts, too: fees, refunds, disputes.

        Their balance transactions (`txn_…`), and what these are of (`re_…`, `dp_…`, …),
        belong to the story of the payout, and to that of the charge they concern.
        """
        found = super()._find_correlations(query)
        lines = self.env["stripe.payout.line"]
        if found or not lines.has_access("read"):
            return found
        lines = lines.search(["|", ("name", "=", query), ("source_id", "=", query)], limit=20)
        stories = [*lines.payment_id._sync_correlations().values(), *lines.payout_id._sync_correlations().values()]
        return list(dict.fromkeys(filter(None, stories)))
