from odoo import _, api, fields, models
from odoo.exceptions import UserError


class SyncProposalChooseWizard(models.TransientModel):
    """Both values of a conflict, side by side, with where they come from and since when."""

    _name = "sync.proposal.choose.wizard"
    _description = "Settle a Conflict"

    proposal_ids = fields.Many2many("sync.proposal", string="Conflicts", required=True)
    proposal_id = fields.Many2one("sync.proposal", compute="_compute_proposal_id")
    record_name = fields.Char(related="proposal_id.record_name")
    connection_id = fields.Many2one(related="proposal_id.connection_id")
    said_at = fields.Datetime(related="proposal_id.said_at")
    held_at = fields.Datetime(related="proposal_id.held_at")
    held_by = fields.Char(related="proposal_id.held_by")
    line_ids = fields.One2many(
        "sync.proposal.choose.wizard.line", "wizard_id", compute="_compute_line_ids", store=True, readonly=False
    )
    note = fields.Char(string="Reason")

    @api.depends("proposal_ids")
    def _compute_proposal_id(self):
        for wizard in self:
            wizard.proposal_id = wizard.proposal_ids[:1]

    @api.depends("proposal_ids")
    def _compute_line_ids(self):
        for wizard in self:
            wizard.line_ids = [fields.Command.clear()] + [
                fields.Command.create(
                    {"field_name": row["field"], "label": row["label"], "ours": row["before"], "theirs": row["after"]}
                )
                for row in wizard.proposal_ids[:1].diff or ()
            ]

    def action_choose(self):
        """Write the chosen values, all together; show what is there now if it changed meanwhile.

        :raises UserError: when a value that was typed does not fit its field.
        """
        self.ensure_one()
        proposal = self.proposal_id
        theirs = proposal.sudo().values
        values = {}
        for line in self.line_ids:
            if line.field_name not in theirs:
                raise UserError(_("%s is no field of this conflict.", line.label))
            if line.choice == "theirs":
                values[line.field_name] = proposal.sudo()._restored(line.field_name, theirs[line.field_name][1])
            elif line.choice == "edited":
                values[line.field_name] = line._typed()
        if proposal._choose(values, self.note):
            return {"type": "ir.actions.act_window_close"}
        return self._show_again(proposal)

    def _show_again(self, proposal):
        """Say why nothing was written, and ask once more if there is still something to decide."""
        waiting = proposal.state == "pending"
        message = (
            _("%s was changed in Odoo meanwhile. Look at it again.", proposal.record_name)
            if waiting
            else _("%(record)s: %(why)s", record=proposal.record_name, why=proposal.decision)
        )
        again = proposal.action_open_choose() if waiting else {"type": "ir.actions.act_window_close"}
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"type": "warning", "message": message, "next": again},
        }
