from odoo import api, fields, models
from odoo.exceptions import UserError

from ..lib.remedy import IDENTIFY, MAP_OUT


class SyncExceptionFixWizardLine(models.TransientModel):
    """One value of the other system, and what it is in Odoo; one of the two is to be said."""

    _name = "sync.exception.fix.wizard.line"
    _description = "Value to Fix"
    _order = "wizard_id, id"

    wizard_id = fields.Many2one(
        "sync.exception.fix.wizard", required=True, ondelete="cascade", index=True
    )
    fix_id = fields.Many2one("sync.exception.fix", required=True, ondelete="cascade")
    kind = fields.Selection(related="fix_id.kind")
    label = fields.Char(related="fix_id.label", string="Field")
    model = fields.Char(related="fix_id.model", store=True)
    remote_value = fields.Char(string="At the Other System")
    is_outbound = fields.Boolean(compute="_compute_is_outbound")
    odoo_value = fields.Char(string="Value in Odoo")
    res_id = fields.Many2oneReference(string="In Odoo", model_field="model")
    choices = fields.Json(compute="_compute_choices")
    defaults = fields.Json(compute="_compute_choices")
    can_create = fields.Boolean(compute="_compute_choices")
    can_choose = fields.Boolean(compute="_compute_choices")

    @api.depends("kind")
    def _compute_is_outbound(self):
        for line in self:
            line.is_outbound = line.kind == MAP_OUT

    @api.depends("fix_id")
    def _compute_choices(self):
        for line in self:
            line.choices = line.fix_id._choice_domain()
            line.defaults = line.fix_id._choice_defaults()
            line.can_create = line.model in self.env and self.env[line.model].has_access("create")
            line.can_choose = line.model not in self.env or line.fix_id._may_choose()

    @api.model
    def _vals_of(self, fix):
        """Return the values of the line for a fix."""
        outbound = fix.kind == MAP_OUT
        return {
            "fix_id": fix.id,
            "remote_value": False if outbound else fix.value,
            "odoo_value": fix.value if outbound else False,
            "res_id": fix.res_id if outbound else False,
        }

    def _refusal(self):
        """Return what the reader may not do here, as a sentence."""
        what = {"label": self.label or self.fix_id._model_name(), "model": self.fix_id._model_name()}
        if self.can_choose:
            return self.env._("%(label)s: if none fits, a new %(model)s is needed. You may not create one.", **what)
        return self.env._("%(label)s: you may neither create nor change a %(model)s.", **what)

    def _is_said(self):
        if self.is_outbound:
            return bool((self.remote_value or "").strip())
        return bool(self.res_id if self.model else self.odoo_value)

    def _apply(self):
        """Store the counterpart where it belongs.

        :raises UserError: when the record is gone or known by another value.
        """
        self.ensure_one()
        fix = self.fix_id
        if fix.kind == IDENTIFY:
            record = self.env[fix.model].browse(self.res_id).exists()
            if not record:
                raise UserError(self.env._("Choose a record for “%s”.", fix.value))
            fix._identify(record)
            return
        fix._map(
            self.remote_value,
            record=f"{self.model},{self.res_id}" if self.model and self.res_id else False,
            value=self.odoo_value,
        )
