from odoo import models

from ..lib.impact import Effect
from ..lib.trouble import DATABASE_TROUBLE


class SyncHandlerOutboundPreview(models.AbstractModel):
    """Odoo records rendered twice, with two versions of the mapping, and sent never."""

    _inherit = "sync.handler.outbound"

    def _impact_effects(self, flow, mapping, keys):
        """Render the records with both versions; what differs is what would be sent."""
        ids = [int(key) for key in keys if str(key).isdigit()]
        records = self._as_service(flow)[flow.model].browse(ids).exists()
        chosen = self.with_context(sync_mapping_id=mapping.id)
        rows = []
        for record in records:
            now = self._rendered_effect(flow, record) if flow.mapping_id else Effect()
            then = chosen._rendered_effect(flow.with_env(chosen.env), record)
            rows.append((str(record.id), record.display_name, record.id, now, then))
        return rows

    def _rendered_effect(self, flow, record):
        try:
            values = self._render(flow, record)
        except DATABASE_TROUBLE:
            raise
        except Exception as error:  # noqa: BLE001 (told on the line)
            return Effect(problem=self.env["sync.job"]._as_sync_error(error).message)
        return Effect("update", {path: (None, value) for path, value in values.items()})
