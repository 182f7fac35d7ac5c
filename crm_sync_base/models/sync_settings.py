from odoo import api, models

PREFIX = "crm_sync_base."

#: whole numbers that administrators may set, with what holds until they do
DEFAULTS = {
    "keep_jobs_days": 90,
    "keep_events_days": 90,
    "keep_metrics_days": 90,
    "keep_plans_days": 90,
    "keep_proposals_days": 3650,
    "health_seconds": 300,
    "sla_hours": 24,
}

#: days, 0 or nothing: for ever
KEEP_CHANGES = "keep_changes_days"
KEEP_SAGAS = "keep_sagas_days"


class SyncSettings(models.AbstractModel):
    """The suite's settings, as the engine reads them: cached, never missing, never senseless."""

    _name = "sync.settings"
    _description = "Synchronisation Settings"

    @api.model
    def _number(self, name):
        """Return a setting of `DEFAULTS`; what is not a positive number counts as not set."""
        value = self.env["ir.config_parameter"].sudo().get_param(f"{PREFIX}{name}")
        try:
            number = int(value)
        except (TypeError, ValueError):
            return DEFAULTS[name]
        return number if number > 0 else DEFAULTS[name]

    @api.model
    def _text(self, name):
        """Return a setting as text, empty when it is not set."""
        return self.env["ir.config_parameter"].sudo().get_param(f"{PREFIX}{name}") or ""

    @api.model
    def _term(self, name):
        """Return for how many days something is kept, 0 for ever: what is not set, or makes no sense."""
        text = self._text(name)
        return int(text) if text.isdigit() else 0

    @api.model
    def _set(self, name, value):
        """Store a setting; an empty value removes it."""
        self.env["ir.config_parameter"].sudo().set_param(f"{PREFIX}{name}", value)
