from odoo import api, models

from ..lib import clock


class SyncEventMetric(models.Model):
    """The event ledger as a source of figures: what arrived is marked, then counted."""

    _inherit = "sync.event"

    # === Mark ===#

    @api.model
    def _insert(self, connection, rows):
        start = clock.now()
        late = super()._insert(connection, rows)
        if rows:
            self.env["sync.metric.mark"]._mark([start, clock.now(), *late])
        return late

    @api.model
    def _known(self, connection, times):
        known = super()._known(connection, times)
        if known:
            # A repetition counts where the event came first.
            self.env.cr.execute(
                "SELECT DISTINCT received_at FROM sync_event WHERE connection_id = %s AND source_id = ANY(%s)",
                [connection.id, list(known)],
            )
            self.env["sync.metric.mark"]._mark(row[0] for row in self.env.cr.fetchall())
        return known

    # === Count ===#

    @api.model
    def _count_received(self, minutes):
        """Count the deliveries that were received in these minutes.

        :return: rows as `lib.rollup.of_events` takes them.
        """
        self.env.cr.execute(
            """
            SELECT m.minute, e.connection_id, e.origin, e.verdict, e.http_status,
                   count(*) FILTER (WHERE e.verdict = 'accepted') AS accepted,
                   count(*) FILTER (WHERE e.verdict <> 'accepted') AS refused,
                   count(*) FILTER (WHERE e.verdict IN ('bad_signature', 'unsigned')) AS forged,
                   sum(e.duplicate_count) AS duplicates,
                   count(*) FILTER (WHERE e.gap IS NOT NULL) AS gaps,
                   count(*) FILTER (WHERE e.gap = 'late') AS late
              FROM unnest(%s::timestamp[]) AS m (minute)
              JOIN sync_event e ON e.received_at >= m.minute AND e.received_at < m.minute + interval '1 minute'
             GROUP BY m.minute, e.connection_id, e.origin, e.verdict, e.http_status
            """,
            [minutes],
        )
        return self.env.cr.dictfetchall()
