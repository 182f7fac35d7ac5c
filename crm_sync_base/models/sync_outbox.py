from odoo import api, models

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
        """Enqueue one coalesced job for each record that an outbound flow wants.

        :return: how many it wants.
        """
        specs = self._specs(flow, record_ids)
        self.env["sync.job"]._enqueue(specs)
        return len(specs)

    def _specs(self, flow, record_ids):
        records = self.env[flow.model].browse(record_ids).exists()
        records = records.filtered_domain(flow._odoo_domain())
        records = records.filtered(
            lambda record: "company_id" not in record._fields
            or not record.company_id
            or record.company_id == flow.company_id
        )
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
