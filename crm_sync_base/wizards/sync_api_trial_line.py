from odoo import fields, models

from ..lib.schema import SEVERITIES


class SyncApiTrialLine(models.TransientModel):
    """One thing that is different under the version that is tried."""

    _name = "sync.api.trial.line"
    _description = "Difference of an API Version"

    trial_id = fields.Many2one("sync.api.trial", required=True, ondelete="cascade", index=True)
    severity = fields.Selection(list(SEVERITIES.items()), readonly=True)
    summary = fields.Char(string="What Is Different", readonly=True)
    flow_ids = fields.Many2many("sync.flow", string="Flows Hit", readonly=True)
    rules = fields.Char(string="Rules Hit", readonly=True)
