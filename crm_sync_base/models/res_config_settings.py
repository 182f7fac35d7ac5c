from odoo import _, api, fields, models
from odoo.exceptions import ValidationError

from .sync_metric_access import ENABLED
from .sync_settings import DEFAULTS, KEEP_CHANGES, KEEP_SAGAS, PREFIX

YEAR = 365  # days that applied changes are kept at least


class ResConfigSettings(models.TransientModel):
    """The section *Synchronisation* of the settings."""

    _inherit = "res.config.settings"

    # === Work ===#
    sync_lane_count = fields.Integer(
        string="Lanes", help="Jobs run in parallel in so many lanes; one of several takes urgent work only."
    )
    sync_sla_hours = fields.Integer(
        string="Resolve Exceptions Within (hours)",
        config_parameter=f"{PREFIX}sla_hours",
        default=DEFAULTS["sla_hours"],
    )

    # === Retention ===#
    sync_keep_jobs_days = fields.Integer(
        string="Keep Jobs (days)",
        config_parameter=f"{PREFIX}keep_jobs_days",
        default=DEFAULTS["keep_jobs_days"],
    )
    sync_keep_events_days = fields.Integer(
        string="Keep Events (days)",
        config_parameter=f"{PREFIX}keep_events_days",
        default=DEFAULTS["keep_events_days"],
    )
    sync_keep_metrics_days = fields.Integer(
        string="Keep Throughput (days)",
        config_parameter=f"{PREFIX}keep_metrics_days",
        default=DEFAULTS["keep_metrics_days"],
    )
    sync_keep_plans_days = fields.Integer(
        string="Keep Plans of Dry Runs (days)",
        config_parameter=f"{PREFIX}keep_plans_days",
        default=DEFAULTS["keep_plans_days"],
    )
    sync_keep_changes_days = fields.Integer(
        string="Keep Applied Changes (days)",
        config_parameter=f"{PREFIX}{KEEP_CHANGES}",
        help="0: for ever. Else at least a year.",
    )

    sync_keep_sagas_days = fields.Integer(
        string="Keep Follow-up Steps (days)",
        config_parameter=f"{PREFIX}{KEEP_SAGAS}",
        help="0: for ever. What was forgotten cannot be undone step by step any more.",
    )
    sync_keep_proposals_days = fields.Integer(
        string="Keep Approvals (days)",
        config_parameter=f"{PREFIX}keep_proposals_days",
        default=DEFAULTS["keep_proposals_days"],
    )

    # === Monitoring ===#
    sync_metrics_enabled = fields.Boolean(string="Metrics", config_parameter=f"{PREFIX}{ENABLED}")
    sync_metrics_has_token = fields.Boolean(compute="_compute_sync_monitoring")
    sync_metrics_url = fields.Char(string="Metrics Address", compute="_compute_sync_monitoring")
    sync_health_url = fields.Char(string="Health Address", compute="_compute_sync_monitoring")
    sync_health_seconds = fields.Integer(
        string="Report as Failing After (seconds)",
        config_parameter=f"{PREFIX}health_seconds",
        default=DEFAULTS["health_seconds"],
    )

    @api.depends("sync_metrics_enabled")
    def _compute_sync_monitoring(self):
        base = self.get_base_url()
        for settings in self:
            settings.sync_metrics_has_token = self.env["sync.metric.access"]._has_token()
            settings.sync_metrics_url = f"{base}/crm_sync/metrics"
            settings.sync_health_url = f"{base}/crm_sync/health"

    @api.constrains(*(f"sync_{name}" for name in DEFAULTS))
    def _check_sync_numbers(self):
        for settings in self:
            for name in DEFAULTS:
                if settings[f"sync_{name}"] < 1:
                    label = settings._fields[f"sync_{name}"]._description_string(self.env)
                    raise ValidationError(_("%s must be at least 1.", label))

    @api.constrains("sync_keep_changes_days")
    def _check_sync_keep_changes(self):
        for settings in self:
            if settings.sync_keep_changes_days and settings.sync_keep_changes_days < YEAR:
                raise ValidationError(
                    _("Applied changes are kept for ever (0) or at least a year (%s days).", YEAR)
                )

    @api.model
    def get_values(self):
        return {
            **super().get_values(),
            "sync_lane_count": self.env["sync.lane"].sudo().search_count([]),
        }

    def set_values(self):
        result = super().set_values()
        lanes = self.env["sync.lane"].sudo()
        if self.sync_lane_count != lanes.search_count([]):
            lanes._set_count(self.sync_lane_count)
        return result

    def action_sync_metrics_token(self):
        """Replace the token of the metrics, and show the new one this once."""
        token = self.env["sync.metric.access"]._rotate()
        return {
            "type": "ir.actions.act_window",
            "name": _("Metrics Token"),
            "res_model": "sync.metric.access",
            "views": [(False, "form")],
            "target": "new",
            "context": {"default_token": token},
        }
