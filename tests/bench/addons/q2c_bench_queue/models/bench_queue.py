import uuid

from odoo import api, fields, models

BATCH = 50  # jobs that the bare loop claims at a time
ENQUEUE_BATCH = 1000


class BenchQueue(models.Model):
    """The bare queue: a row, two crons that claim with SKIP LOCKED, nothing else."""

    _name = "bench.queue"
    _description = "Bench: Bare Queue"

    state = fields.Char(default="pending")

    _claimable = models.Index("(id) WHERE state = 'pending'")

    @api.model
    def _cron_drain(self):
        """Claim, be done with nothing, commit as Odoo's scheduled actions do; until no row is left."""
        while True:
            self.env.cr.execute(
                """
                UPDATE bench_queue SET state = 'done'
                 WHERE id IN (SELECT id FROM bench_queue WHERE state = 'pending'
                               ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
                """,
                [BATCH],
            )
            done = self.env.cr.rowcount
            self.env["ir.cron"]._commit_progress(done)
            if not done:
                return

    @api.model
    def enqueue_floor(self, count):
        """Insert rows, `ENQUEUE_BATCH` in a transaction, and wake both crons."""
        for start in range(0, count, ENQUEUE_BATCH):
            self.env.cr.execute(
                "INSERT INTO bench_queue (state) SELECT 'pending' FROM generate_series(1, %s)",
                [min(ENQUEUE_BATCH, count - start)],
            )
            for number in (1, 2):
                self.env.ref(f"q2c_bench_queue.cron_{number}")._trigger()
            self.env.cr.commit()

    @api.model
    def enqueue_ours(self, count, flow_id):
        """Enqueue jobs that do nothing, each of a record of its own, `ENQUEUE_BATCH` in a transaction."""
        Job = self.env["sync.job"].sudo()
        flow = Job.env["sync.flow"].browse(flow_id)._facts()
        run = uuid.uuid4().hex
        for start in range(0, count, ENQUEUE_BATCH):
            Job._enqueue(
                [
                    {
                        "flow": flow,
                        "kind": "record",
                        "idempotency_key": f"bench:{run}:{number}",
                        "lane_key": f"bench:{run}:{number}",
                        "remote_object": "Nothing",
                        "external_id": str(number),
                        "name": f"Nothing {number}",
                    }
                    for number in range(start, min(start + ENQUEUE_BATCH, count))
                ]
            )
            self.env.cr.commit()
