from odoo import _, api, fields, models

from ..lib import chain


class SyncSealFinding(models.Model):
    """One thing that a verification found wrong, or worth a question."""

    _name = "sync.seal.finding"
    _description = "Finding"
    _order = "id"
    _rec_name = "kind"
    _log_access = False

    check_id = fields.Many2one(
        "sync.seal.check", string="Verification", required=True, readonly=True, ondelete="cascade", index=True
    )
    kind = fields.Selection("_selection_kind", required=True, readonly=True)
    number = fields.Integer(string="Seal No.", readonly=True, aggregator=None)
    change_number = fields.Integer(string="Change No.", readonly=True, aggregator=None)
    change_id = fields.Many2one("sync.change", compute="_compute_subject")
    subject = fields.Char(string="Record", compute="_compute_subject")
    explanation = fields.Char(string="What It Means", compute="_compute_explanation")
    is_remark = fields.Boolean(compute="_compute_explanation")

    @api.model
    def _selection_kind(self):
        labels = {
            chain.ALTERED: _("Change altered"),
            chain.DELETED: _("Change deleted"),
            chain.VANISHED: _("Change deleted before it was sealed"),
            chain.INSERTED: _("Change inserted"),
            chain.UNVOUCHED: _("Recorded or sealed without the key"),
            chain.FORGED: _("Seal forged"),
            chain.SEAL_ALTERED: _("Seal altered"),
            chain.SEAL_MISSING: _("Seal missing or exchanged"),
            chain.UNREADABLE: _("Column removed"),
            chain.CUT: _("Chain cut off"),
            chain.LATE: _("Sealed late"),
            chain.KEY_GONE: _("Key not available"),
        }
        return [(kind, labels[kind]) for kind in chain.KINDS]

    @api.depends("kind")
    def _compute_explanation(self):
        texts = {
            chain.ALTERED: _("It is not what was recorded. Its values are not to be trusted."),
            chain.DELETED: _("It was recorded and sealed, and is gone."),
            chain.VANISHED: _("It was recorded and was gone before it could be sealed, a minute later."),
            chain.INSERTED: _("The synchronisation did not record it: somebody else wrote it."),
            chain.UNVOUCHED: _(
                "The engine's key did not vouch for it. Either the encryption key was missing for a while, "
                "or somebody else wrote it."
            ),
            chain.FORGED: _("It was not made with the key that it names: changes before it may have been exchanged."),
            chain.SEAL_ALTERED: _("The seal itself is not what it was."),
            chain.SEAL_MISSING: _("It does not continue the seal before it: one is missing or was exchanged."),
            chain.UNREADABLE: _("The ledger has lost a column that was sealed, so nothing can be compared."),
            chain.CUT: _("It was there at an earlier verification, with the changes before it, and is gone."),
            chain.LATE: _(
                "Changes waited more than a day for their seal: scheduled actions may have been off. "
                "Whatever happened to them before is not proven."
            ),
            chain.KEY_GONE: _(
                "Its key cannot be opened with the encryption key that is configured here. Whether the changes "
                "fit the seal was checked, who made the seal was not."
            ),
        }
        for finding in self:
            finding.explanation = texts.get(finding.kind, "")
            finding.is_remark = finding.kind in chain.REMARKS

    @api.depends("change_number")
    @api.depends_context("uid", "allowed_company_ids")
    def _compute_subject(self):
        """Name what is there and the reader may see; the number is the same for everybody."""
        changes = self.env["sync.change"].browse(set(self.mapped("change_number"))).exists()
        readable = {change.id: change for change in changes._filtered_access("read")}
        for finding in self:
            finding.change_id = readable.get(finding.change_number, False)
            finding.subject = finding.change_id.record_name

    def action_open_change(self):
        """Open the change, where it is still there."""
        self.ensure_one()
        if not self.change_id:
            return False
        return {
            "type": "ir.actions.act_window",
            "res_model": "sync.change",
            "res_id": self.change_id.id,
            "view_mode": "form",
        }
