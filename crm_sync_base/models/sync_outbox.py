from odoo import api, models

from ..lib.priorities import BULK
from .base import OUTBOX


class SyncOutbox(models.AbstractModel):
    """Turns the changes that a transaction noted into jobs of that transaction."""

    _name = "sync.outbox"
    _description = "Outbox"

    @api.model
    def _flush(self):
        """Enqueue one coalesced job for each changed record and outbound flow."""
        noted = self.env.cr.precommit.data.pop(OUTBOX, {})
        for flow in self.env["sync.flow"].browse(noted).exists():
            self._enqueue(flow, list(noted[flow.id]))

    @api.model
    def _enqueue(self, flow, record_ids):
        """Enqueue one coalesced job for each record that an outbound flow wants."""
        self.env["sync.job"]._enqueue(self._specs(flow, record_ids))

    @api.model
    def _enqueue_for_run(self, flow, record_ids, run):
        """Enqueue the job of each record as a part of a run, with less priority than fresh work.

        They are those that a change of the record leads to, so that unfinished calls are
        taken over and no record is sent twice at a time.

        :return: `{record id: name of the job}` of those that another job sends already.
        """
        specs = [
            dict(spec, run_id=run.id, priority=flow.priority + BULK) for spec in self._specs(flow, record_ids)
        ]
        found = self.env["sync.job"]._enqueue(specs)
        jobs = self.env["sync.job"].browse({job["id"] for job in found})
        jobs.invalidate_recordset(["run_id"])
        return {job.res_id: job.name for job in jobs if job.run_id != run}

    def _specs(self, flow, record_ids):
        records = self.env[flow.model].browse(record_ids).exists()
        records = flow._sendable(records)
        if flow.create_policy != "always":
            known = self.env["sync.binding"]._for_records(
                flow.connection_id, flow.remote_object, records
            )
            records = records.filtered(lambda record: record.id in known)
        correlations = records._sync_correlations()
        return [
            {
                "flow": flow,
                "kind": "push",
                "idempotency_key": f"out:{flow.id}:{record.id}",
                "lane_key": f"out:{flow.connection_id.id}:{record._name}:{record.id}",
                "remote_object": flow.remote_object,
                "model": record._name,
                "res_id": record.id,
                "correlation_id": correlations.get(record.id),
                "name": f"{record.display_name} → {flow._remote().label}",
            }
            for record in records
        ]
