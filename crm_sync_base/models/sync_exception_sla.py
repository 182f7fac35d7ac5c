from odoo import _, api, fields, models

from ..lib.sla import Target, choose


class SyncExceptionSla(models.Model):
    """A service level of the exception desk: how long a cause may wait, and whose it is."""

    _name = "sync.exception.sla"
    _description = "Exception Deadline"
    _order = "error_code, criticality, id"

    active = fields.Boolean(default=True)
    error_code = fields.Selection(
        "_selection_error_code", string="Kind of Error", help="Empty: every kind."
    )
    criticality = fields.Selection(
        "_selection_criticality", string="Flow Criticality", help="Empty: every flow."
    )
    hours = fields.Float(required=True, default=24.0)
    user_id = fields.Many2one(
        "res.users",
        string="Owner",
        help="Gets the exceptions of flows that have no business owner.",
    )
    company_id = fields.Many2one("res.company", index=True, help="Empty: every company.")

    _hours_positive = models.Constraint("CHECK (hours > 0)", "A deadline is in the future.")

    @api.model
    def _selection_error_code(self):
        return self.env["sync.job"]._selection_error_code()

    @api.model
    def _selection_criticality(self):
        return self.env["sync.flow"]._fields["criticality"]._description_selection(self.env)

    @api.depends("error_code", "criticality", "hours")
    def _compute_display_name(self):
        kinds = dict(self._selection_error_code())
        levels = dict(self._selection_criticality())
        for target in self:
            target.display_name = _(
                "%(kind)s, %(level)s: %(hours)g h",
                kind=kinds.get(target.error_code) or _("every error"),
                level=levels.get(target.criticality) or _("every flow"),
                hours=target.hours,
            )

    @api.model
    def _for_cause(self, error_code, flow, company):
        """Return the target of a cause, or an empty recordset when none is meant for it.

        :param flow: a flow, or an empty recordset.
        """
        targets = self.sudo().search([("company_id", "in", (False, company.id))])
        found = choose(
            [
                Target(one.id, one.hours, one.error_code or "", one.criticality or "")
                for one in targets
            ],
            error_code,
            flow.criticality or "",
        )
        return targets.browse(found.id if found else ())

    def _hours(self):
        """Return within how many hours a cause of this target is to be resolved.

        Where there is no target, the settings say it.
        """
        return self.hours if self else float(self.env["sync.settings"]._number("sla_hours"))
