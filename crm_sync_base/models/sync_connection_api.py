from datetime import timedelta

from odoo import _, api, fields, models

SOON_DAYS = 90  # before it ends, people are told


class SyncConnectionApi(models.Model):
    """How long the pinned version of a provider's API lives."""

    _name = "sync.connection"
    _inherit = ["sync.connection", "sync.reminder.mixin"]

    api_version = fields.Char(tracking=True)
    api_sunset_date = fields.Date(
        string="Version Ends On",
        compute="_compute_api_sunset_date",
        store=True,
        readonly=False,
        copy=False,
        tracking=True,
        help="From then on the provider may refuse this version. Known for published versions; "
        "enter it when the provider announces it.",
    )
    api_sunset_text = fields.Char(compute="_compute_api_sunset_text")

    def _version_to_call(self):
        """Return the version of the API to call: the pinned one, or the one that is being tried."""
        return self.env.context.get("sync_api_version") or self.api_version

    @api.depends("provider", "api_version")
    def _compute_api_sunset_date(self):
        for connection in self:
            # While modules are being updated, the provider's own may not be loaded yet.
            known = f"sync.connector.{connection.provider}" in self.env
            version = connection.api_version or ""
            connection.api_sunset_date = (known and connection._connector()._api_sunset(version)) or False

    @api.depends("api_sunset_date", "api_version")
    def _compute_api_sunset_text(self):
        """Warn from three months before on; nothing to say earlier."""
        today = fields.Date.context_today(self)
        for connection in self:
            end = connection.api_sunset_date
            connection.api_sunset_text = (
                connection._sunset_warning(end, today) if end and end <= today + timedelta(days=SOON_DAYS) else False
            )

    def _sunset_warning(self, end, today):
        days = (end - today).days
        if days < 0:
            return _(
                "%(provider)s supports version %(version)s of its API no longer, since %(date)s. "
                "Press Try Another Version, then use a newer one.",
                provider=self._provider_name(),
                version=self.api_version,
                date=fields.Date.to_string(end),
            )
        return _(
            "%(provider)s supports version %(version)s of its API until %(date)s, for %(days)s more "
            "days. Press Try Another Version to see what a newer one would change.",
            provider=self._provider_name(),
            version=self.api_version,
            date=fields.Date.to_string(end),
            days=days,
        )

    def _provider_name(self):
        """Return what people call the provider."""
        return dict(self._fields["provider"]._description_selection(self.env)).get(self.provider, "")

    @api.model
    def _remind_of_sunsets(self):
        """Give whoever answers for a connection a task, once, when its API version ends soon.

        The task closes by itself when a newer version was entered.
        """
        limit = fields.Date.today() + timedelta(days=SOON_DAYS)
        connections = self.search([("state", "!=", "draft")])
        connections.filtered(lambda one: not one.api_sunset_date)._compute_api_sunset_date()
        ending = connections.filtered(
            lambda one: one.api_sunset_date and one.api_sunset_date <= limit
        )
        for connection in ending:
            connection._remind(
                _("API version %s ends", connection.api_version),
                connection.api_sunset_text,
                connection.api_sunset_date,
                connection._technical_person(),
            )
        (connections - ending)._forget_reminder()

    def _technical_person(self):
        """Return who looks after the machinery of a connection."""
        owners = self.flow_ids.technical_owner_id.filtered("active")
        return owners[:1] or self.create_uid.filtered(lambda user: user.active and user._is_internal()) or self.env.ref(
            "base.user_admin"
        )
