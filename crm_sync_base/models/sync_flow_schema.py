from dataclasses import replace

from odoo import models


class SyncFlowSchema(models.Model):
    """Flows, as the schema watch sees them."""

    _inherit = "sync.flow"

    def _creates(self):
        """Return whether the flow may create records on the side that it writes to."""
        return self.create_policy != "never"

    def _remote(self):
        """Return the declaration of the remote object; a custom one under the name people know."""
        declared = super()._remote()
        if declared.label != declared.name:
            return declared
        label = self.env["sync.schema.object"]._label_of(self.connection_id.id, declared.name)
        return replace(declared, label=label)
