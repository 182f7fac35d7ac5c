from odoo import fields, models


class SyncFlow(models.Model):
    """A flow whose jobs do nothing."""

    _inherit = "sync.flow"

    handler = fields.Selection(
        selection_add=[("bench_noop", "Does nothing")], ondelete={"bench_noop": "cascade"}
    )

    def _needs_mapping(self):
        return self.handler != "bench_noop" and super()._needs_mapping()
