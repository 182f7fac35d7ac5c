from odoo import models

from .sync_metric_mixin import KEY_INDEX


class SyncMetricTotal(models.Model):
    """All-time totals: the sum of every minute there ever was.

    Counters of a monitoring system must never fall; minutes are purged, these are not.
    There are as many rows as there are combinations of what is counted, a few for each
    flow, however long the history.
    """

    _name = "sync.metric.total"
    _description = "All-time Totals"
    _inherit = ["sync.metric.mixin"]
    _log_access = False

    _key_unique = models.UniqueIndex(
        f"({KEY_INDEX}) NULLS NOT DISTINCT", "There is one total of each kind."
    )

    def init(self):
        """Have the history counted that is older than these totals."""
        self.env.cr.execute("SELECT 1 FROM sync_metric_total LIMIT 1")
        if not self.env.cr.fetchone():
            self.env["sync.metric.mark"]._mark_everything()

    def _add(self, changes):
        """Add to the totals.

        :param changes: `{key: measures}`; the caller is the only one who writes here.
        """
        known = {key: measures for (key,), measures in self._fetch((), "TRUE", ())}
        self._store(
            (),
            [
                ((key,), known[key].plus(change) if key in known else change)
                for key, change in changes.items()
            ],
        )
