from odoo import api, models


class BenchPeer(models.Model):
    """Enqueues jobs that do nothing, as queue_job's users do."""

    _name = "bench.peer"
    _description = "Bench: Peer"

    @api.model
    def enqueue(self, count):
        """Enqueue `count` jobs."""
        for _number in range(count):
            self.with_delay().nothing()

    @api.model
    def nothing(self):
        """Do nothing."""
