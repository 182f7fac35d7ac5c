from odoo import fields, models

DAYS = 7  # that the button on a connection tells of


class SyncConnectionGaps(models.Model):
    """What webhooks did not bring to a connection."""

    _inherit = "sync.connection"

    gap_count = fields.Integer(
        string="Missed Webhooks", compute="_compute_gap_count",
        help="Changes of the last 7 days that webhooks should have brought, and looking for changes found.",
    )

    def _gap_domain(self):
        since = fields.Datetime.subtract(fields.Datetime.now(), days=DAYS)
        return [
            ("connection_id", "in", self.ids),
            ("received_at", ">=", since),
            *self.env["sync.event"]._gap_domain(),
        ]

    def _compute_gap_count(self):
        counts = dict(
            self.env["sync.event"]._read_group(
                self._gap_domain(), ["connection_id"], ["__count"]
            )
        )
        for connection in self:
            connection.gap_count = counts.get(connection, 0)

    def action_open_gaps(self):
        """Open what webhooks should have brought in the last days."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("crm_sync_base.action_sync_event")
        return dict(
            action,
            domain=[("connection_id", "=", self.id)],
            context={"search_default_missed": 1, "search_default_week": 1},
        )
