from odoo import api, models


class SyncEventMetric(models.Model):
    """The event ledger as a source of figures: what arrived is marked, then counted."""

    _inherit = "sync.event"

    # === Mark ===#

    #: Part of the statement that stores deliveries, because somebody waits for it. A
    #: repetition counts where the event came first.
    _SQL_MARKED = """
        marked AS (INSERT INTO sync_metric_mark (minute)
                   SELECT DISTINCT date_trunc('minute', received_at) FROM stored)
    """

    @api.model
    def _insert(self, connection, rows, **options):
        stored = super()._insert(connection, rows, **options)
        if stored:
            self.env["sync.metric.mark"]._arm()
        return stored

    @api.model
    def _close_gaps(self, ids):
        late = super()._close_gaps(ids)
        self.env["sync.metric.mark"]._mark(late)
        return late

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
