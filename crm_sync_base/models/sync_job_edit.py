from odoo import _, api, fields, models
from odoo.exceptions import AccessError

from ..lib import documents
from ..lib.masking import MASK, is_secret, is_sensitive
from ..lib.vault import VaultError

NOTHING = "∅"  # how an empty value is shown
SUMMARY_VALUES = 60  # characters of a value in a list


class SyncJobEdit(models.Model):
    """A person's correction of a stored document: what, who, why, when. Append-only."""

    _name = "sync.job.edit"
    _description = "Edited Document"
    _order = "id desc"
    _rec_name = "name"

    name = fields.Char(string="Record", readonly=True)
    job_id = fields.Many2one(
        "sync.job", string="Original Job", readonly=True, ondelete="set null", index=True
    )
    retry_id = fields.Many2one(
        "sync.job", readonly=True, ondelete="set null", index="btree_not_null"
    )
    retry_state = fields.Selection(related="retry_id.state", string="State of the Retry")
    flow_id = fields.Many2one("sync.flow", readonly=True, ondelete="set null", index=True)
    connection_id = fields.Many2one("sync.connection", readonly=True, ondelete="set null", index=True)
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    remote_object = fields.Char(readonly=True)
    external_id = fields.Char(readonly=True, index=True)
    correlation_id = fields.Char(readonly=True, index=True)
    user_id = fields.Many2one("res.users", string="Edited By", readonly=True, index=True)
    edited_at = fields.Datetime(readonly=True)
    reason = fields.Char(readonly=True)
    count = fields.Integer(string="Values", readonly=True)
    values_token = fields.Text(readonly=True, prefetch=False, groups="base.group_system")
    diff = fields.Json(
        string="Values Before and After",
        compute="_compute_values",
        exportable=False,
        help="[{field, label, before, after}]; personal data for operators and auditors only.",
    )
    summary = fields.Text(
        compute="_compute_values", help="A line for each value; personal data is masked."
    )

    # === Computes ===#

    @api.depends("values_token")
    @api.depends_context("uid")
    def _compute_values(self):
        open_eyes = self.env.user.has_groups(
            "crm_sync_base.group_sync_operator,crm_sync_base.group_sync_auditor"
        )
        for edit in self:
            values = edit._values()
            edit.diff = [edit._row(path, pair, not open_eyes) for path, pair in values.items()]
            rows = [edit._row(path, pair, True) for path, pair in values.items()]
            edit.summary = "\n".join(
                f"{row['label']}: {row['before'][:SUMMARY_VALUES]} → {row['after'][:SUMMARY_VALUES]}"
                for row in rows
            )

    def _values(self):
        """Return `{path: [before, after]}`; empty when no configured key opens it."""
        try:
            token = self.sudo().values_token
            text = self.env["sync.connection"]._vault().decrypt(token) if token else "{}"
        except VaultError:
            return {}
        return documents.from_json(text)

    @staticmethod
    def _row(path, pair, masked):
        veiled = is_secret(path) or (masked and is_sensitive(path))
        before, after = (
            NOTHING if value in (None, "") else MASK if veiled else documents.shown(value)
            for value in pair
        )
        return {"field": path, "label": path, "before": before, "after": after}

    # === CRUD: append-only ===#

    def write(self, vals):  # pylint: disable=method-required-super
        """Refuse: what was recorded stays as it was."""
        raise AccessError(_("Recorded edits cannot be changed."))

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise AccessError(_("Recorded edits cannot be deleted."))

    @api.model
    def _record(self, job, retry, values, reason):
        """Record one edit.

        :param values: `{path: [before, after]}`.
        """
        token = self.env["sync.connection"]._vault().encrypt(documents.to_json(values))
        return self.sudo().create(
            {
                "name": job.name,
                "job_id": job.id,
                "retry_id": retry.id,
                "flow_id": job.flow_id.id,
                "connection_id": job.connection_id.id,
                "company_id": job.company_id.id,
                "remote_object": job.remote_object,
                "external_id": job.external_id,
                "correlation_id": job.correlation_id,
                "user_id": self.env.uid,
                "edited_at": fields.Datetime.now(),
                "reason": reason,
                "count": len(values),
                "values_token": token,
            }
        )

    # === Actions ===#

    def action_open_retry(self):
        """Open the job that ran with the edited document."""
        self.ensure_one()
        return self.retry_id._action_form() if self.retry_id else False

    def action_open_trace(self):
        """Open the whole story that this edit belongs to."""
        self.ensure_one()
        return self.env["sync.trace"]._action(self.correlation_id)
