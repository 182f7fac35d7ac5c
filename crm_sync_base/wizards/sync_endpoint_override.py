from odoo import fields, models


class SyncEndpointOverride(models.TransientModel):
    """Asks why a person takes a circuit breaker over."""

    _name = "sync.endpoint.override"
    _description = "Override of a Circuit Breaker"

    endpoint_ids = fields.Many2many("sync.endpoint", required=True)
    override = fields.Selection(
        [
            ("open", "Hold open: make no calls"),
            ("closed", "Hold closed: let calls pass, whatever happens"),
            ("automatic", "Automatic: the engine decides"),
        ],
        string="Breaker",
        required=True,
        default="open",
    )
    reason = fields.Char(required=True)

    def action_confirm(self):
        """Take the breakers over, with the reason in their log."""
        self.endpoint_ids._override(self.override, self.reason)
        return {"type": "ir.actions.act_window_close"}
