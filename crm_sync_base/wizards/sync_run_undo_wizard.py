from odoo import api, fields, models


class SyncRunUndoWizard(models.TransientModel):
    """Says what undoing a run means before it starts."""

    _name = "sync.run.undo.wizard"
    _description = "Undo a Run"

    run_id = fields.Many2one("sync.run", required=True, ondelete="cascade", readonly=True)
    created_count = fields.Integer(compute="_compute_counts")
    updated_count = fields.Integer(compute="_compute_counts")
    outbound_count = fields.Integer(compute="_compute_counts")

    @api.depends("run_id")
    def _compute_counts(self):
        for wizard in self:
            groups = dict(
                self.env["sync.change"]._read_group(
                    [
                        ("run_id", "=", wizard.run_id.id),
                        ("verdict", "=", "applied"),
                        ("direction", "=", "inbound"),
                    ],
                    ["operation"],
                    ["__count"],
                )
            )
            wizard.created_count = groups.get("create", 0)
            wizard.updated_count = sum(groups.values()) - wizard.created_count
            wizard.outbound_count = self.env["sync.run"]._outbound_count(wizard.run_id)

    def action_undo(self):
        """Start the undo and show its run."""
        return self.run_id._start_undo()._action_form()

    def action_dry_run(self):
        """Say what would go back, and what not; change nothing."""
        return self.run_id._start_undo(dry_run=True)._action_form()
