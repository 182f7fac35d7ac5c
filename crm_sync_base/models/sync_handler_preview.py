from odoo import models


class SyncHandlerPreview(models.AbstractModel):
    """What a handler tells a mapping preview; nothing of it is written."""

    _inherit = "sync.handler"

    def _impact_choice(self, flow, mapping, limit):
        """Return the ids of some records to try a mapping on, asking the source."""
        return []

    def _impact_effects(self, flow, mapping, keys):
        """Plan records with the active version and with another one.

        :param keys: ids at the source; for what goes out, ids of Odoo records.
        :return: `[(key, name, record id or None, Effect now, Effect then)]`.
        """
        raise TypeError(f"{self._name} cannot be previewed")
