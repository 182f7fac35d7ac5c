from odoo import _, api, fields, models
from odoo.exceptions import UserError

from ..lib.remedy import IDENTIFY
from ..models.sync_exception import IN_DIALOG, OPEN


class SyncExceptionFixWizard(models.TransientModel):
    """Says what values of one system are in the other, and retries: one dialog for a cause."""

    _name = "sync.exception.fix.wizard"
    _description = "Fix and Retry"

    exception_id = fields.Many2one("sync.exception", required=True, ondelete="cascade")
    subject = fields.Char(related="exception_id.subject")
    job_count = fields.Integer(related="exception_id.job_count")
    line_ids = fields.One2many("sync.exception.fix.wizard.line", "wizard_id", string="Values")
    note = fields.Text(compute="_compute_note")
    can_apply = fields.Boolean(compute="_compute_helpers")
    refusals = fields.Text(compute="_compute_helpers")
    helper_ids = fields.Many2many("res.users", compute="_compute_helpers", string="People Who May")
    has_records = fields.Boolean(compute="_compute_has")
    has_values = fields.Boolean(compute="_compute_has")
    is_outbound = fields.Boolean(compute="_compute_has")
    elsewhere = fields.Text(compute="_compute_elsewhere")
    left_ids = fields.Many2many(
        "sync.exception.fix", compute="_compute_left_ids", string="Still Missing Afterwards"
    )

    @api.depends("exception_id")
    def _compute_elsewhere(self):
        """All that is missing, when values of this dialog are not all of it."""
        for wizard in self:
            message = wizard.exception_id.message or ""
            more = len(message.splitlines()) > len(wizard.exception_id.fix_ids)
            wizard.elsewhere = message if more else False

    @api.depends("line_ids.fix_id")
    def _compute_note(self):
        """Say what choosing a record does to it."""
        for wizard in self:
            chosen = wizard.line_ids.filtered(lambda line: line.kind == IDENTIFY and line.can_choose)
            names = {self.env[line.model]._fields[line.fix_id.field]._description_string(self.env) for line in chosen}
            wizard.note = "\n".join(
                _(
                    "The record that you choose gets the value of the source as its %(field)s. "
                    "Records that have another %(field)s are not offered.",
                    field=name,
                )
                for name in sorted(names)
            )

    @api.depends("line_ids.fix_id")
    def _compute_helpers(self):
        """Say what the reader has no right to do, and who has."""
        for wizard in self:
            lines = wizard.line_ids
            refused = lines.filtered(lambda line: line.model and not (line.can_create or line.is_outbound))
            wizard.can_apply = not lines or any(line.can_choose for line in lines)
            wizard.refusals = "\n".join(dict.fromkeys(line._refusal() for line in refused))
            people = [line.fix_id._who_may() for line in refused]
            wizard.helper_ids = people[0].browse().union(*people) if people else False

    @api.depends("line_ids.model", "line_ids.is_outbound")
    def _compute_has(self):
        for wizard in self:
            wizard.is_outbound = any(line.is_outbound for line in wizard.line_ids)
            wizard.has_records = any(line.model for line in wizard.line_ids)
            wizard.has_values = any(not line.model for line in wizard.line_ids)

    @api.depends("exception_id", "line_ids")
    def _compute_left_ids(self):
        """What this dialog cannot put right: it is done elsewhere."""
        for wizard in self:
            wizard.left_ids = wizard.exception_id.fix_ids.filtered(
                lambda fix: fix.kind not in IN_DIALOG and not fix.is_done
            )

    @api.model
    def _action(self, exception):
        """Return the action that opens the dialog for an exception."""
        wizard = self.create(
            {
                "exception_id": exception.id,
                "line_ids": [
                    fields.Command.create(self.line_ids._vals_of(fix))
                    for fix in exception.fix_ids
                    if fix.kind in IN_DIALOG and not fix.is_done
                ],
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": _("Fix and Retry"),
            "res_model": self._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "views": [(False, "form")],
            "target": "new",
        }

    def action_assign(self):
        """Give the cause to somebody who may do what is missing."""
        self.ensure_one()
        action = self.exception_id.action_open_assign()
        action["context"]["default_user_id"] = self.helper_ids[:1].id
        return action

    def action_apply(self):
        """Store what was said and retry the records that now have all they need.

        :raises UserError: when nothing was said.
        """
        self.ensure_one()
        said = self.line_ids.filtered(lambda line: line._is_said())
        if not said and self.line_ids:
            raise UserError(_("Choose at least one counterpart."))
        for line in said:
            line._apply()
        return self._retry()

    def _retry(self):
        """Retry this cause, and every other one that waited for nothing but the same."""
        self.env["sync.exception.fix"].invalidate_model(["is_done"])
        ready = self._helped().filtered(
            lambda exception: all(fix.is_done for fix in exception.fix_ids)
        )
        if not ready:
            left = self.exception_id.fix_ids.filtered(lambda fix: not fix.is_done)
            return self._close(
                _("Saved. Still missing: %s", "; ".join(left.mapped("name"))), "warning"
            )
        obstacles = self.env["sync.job"]._obstacles(ready._failed_domain())
        count, why = ready._retry_all(), " ".join(obstacles)
        if not count:
            return self._close(_("Saved. No record waits for this any more."), "success")
        if obstacles:
            return self._close(
                _("Saved. The record waits: %s", why)
                if count == 1
                else _("Saved. %(count)s records wait: %(why)s", count=count, why=why),
                "warning",
            )
        return self._close(
            _("Saved. The record runs again; its card closes by itself.")
            if count == 1
            else _("Saved. %s records run again; their cards close by themselves.", count),
            "success",
        )

    def _helped(self):
        """Return the open exceptions that lacked something that was said here."""
        helped = self.exception_id
        for fix in self.line_ids.filtered(lambda line: line._is_said()).fix_id:
            same = self.env["sync.exception.fix"].search(
                [
                    ("kind", "=", fix.kind),
                    ("value", "=", fix.value),
                    ("map_id", "=", fix.map_id.id),
                    ("model", "=", fix.model),
                    ("field", "=", fix.field),
                    ("res_id", "=", fix.res_id),
                    ("exception_id.state", "in", OPEN),
                ]
            )
            helped |= same.exception_id
        return helped

    def _close(self, message, kind):
        notice = self.exception_id._notify(message, kind)
        notice["params"]["next"] = {"type": "ir.actions.act_window_close"}
        return notice
