import json
import os
import secrets

from odoo import _, api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..lib.errors import AuthFailed, Misconfigured, PolicyBlocked, SyncError
from ..lib.fingerprint import fingerprint
from ..lib.hosts import HostPolicy
from ..lib.vault import VaultError, keys_of_file, vault_of

KEY_VARIABLE = "CRM_SYNC_KEY"  # environment variable with the encryption keys
KEY_FILE_VARIABLE = "CRM_SYNC_KEY_FILE"  # or with the path of a file that holds them

CLOCK = "clock"  # the cause of the card that tells of a wrong clock
CLOCK_SECONDS = 120  # what nobody need be told of


class SyncConnection(models.Model):
    """One account at one provider."""

    _name = "sync.connection"
    _description = "Connection"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "sequence, name, id"
    _check_company_auto = True

    # === Identity ===#
    name = fields.Char(required=True, tracking=True)
    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    provider = fields.Selection([], required=True, help="The system at the other end.")
    environment = fields.Selection(
        [("sandbox", "Sandbox"), ("production", "Production")],
        default="sandbox",
        required=True,
        tracking=True,
        help="Production keys are refused in a sandbox connection and the other way round.",
    )
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    user_id = fields.Many2one(
        "res.users",
        string="Runs As",
        default=lambda self: self.env.ref("base.user_root"),
        required=True,
        help="The service user in whose name this connection reads and writes Odoo records.",
    )
    base_url = fields.Char(
        string="Base URL",
        compute="_compute_endpoint",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="Where the provider's API is reached.",
    )
    api_version = fields.Char(
        compute="_compute_endpoint",
        store=True,
        readonly=False,
        precompute=True,
        required=True,
        help="Pinned: an upgrade is a decision, not a surprise.",
    )
    allowed_hosts = fields.Char(
        help="Additional host names that calls may go to, separated by commas."
    )

    # === Credentials: write-only on screens, encrypted in the database ===#
    secret_tokens = fields.Text(copy=False, groups="base.group_system", help="Encrypted credentials.")
    credential_summary = fields.Char(compute="_compute_credential_summary")

    # === Webhooks ===#
    webhook_token = fields.Char(
        copy=False,
        default=lambda self: secrets.token_urlsafe(24),
        groups="crm_sync_base.group_sync_manager",
        help="The secret part of this connection's webhook address.",
    )
    webhook_url = fields.Char(
        compute="_compute_webhook_url", groups="crm_sync_base.group_sync_manager"
    )
    webhook_max_bytes = fields.Integer(string="Largest Delivery (bytes)", default=1_000_000)

    # === State ===#
    state = fields.Selection(
        [("draft", "Not Connected"), ("connected", "Connected"), ("paused", "Paused")],
        default="draft",
        required=True,
        tracking=True,
        index=True,
        copy=False,
    )
    paused_reason = fields.Char(copy=False, tracking=True)
    account_external_id = fields.Char(
        string="Remote Account", copy=False, readonly=True, tracking=True
    )
    account_name = fields.Char(copy=False, readonly=True)
    database_uuid = fields.Char(
        copy=False,
        readonly=True,
        help="The database in which this connection was activated; a copy of it is refused.",
    )
    last_success_at = fields.Datetime(copy=False, readonly=True)
    last_error = fields.Char(copy=False, readonly=True)

    # === Relations ===#
    flow_ids = fields.One2many("sync.flow", "connection_id", string="Flows")
    endpoint_ids = fields.One2many("sync.endpoint", "connection_id", string="Endpoints")
    endpoint_trouble = fields.Char(compute="_compute_endpoint_trouble")
    flow_count = fields.Integer(compute="_compute_counts")
    exception_count = fields.Integer(compute="_compute_counts")
    pending_count = fields.Integer(compute="_compute_counts")
    running_count = fields.Integer(string="Still Running", compute="_compute_counts")

    _webhook_token_unique = models.UniqueIndex(
        "(webhook_token)", "Two connections cannot share a webhook address."
    )

    # === Computes ===#

    @api.depends("provider")
    def _compute_endpoint(self):
        for connection in self:
            defaults = connection._connector()._connection_defaults() if connection.provider else {}
            connection.base_url = connection.base_url or defaults.get("base_url")
            connection.api_version = connection.api_version or defaults.get("api_version")

    @api.depends("webhook_token")
    def _compute_webhook_url(self):
        for connection in self:
            connection.webhook_url = connection._webhook_address()

    def _webhook_address(self):
        """Return the URL that the provider is given."""
        base = self.env["ir.config_parameter"].sudo().get_param("web.base.url", "").rstrip("/")
        return f"{base}/crm_sync/webhook/{self.webhook_token}"

    def _compute_credential_summary(self):
        for connection in self:
            try:
                stored = connection._credentials() if connection.sudo().secret_tokens else {}
            except (UserError, SyncError):
                # The screen must open all the same: here is where it is put right.
                connection.credential_summary = _("stored, but no configured key opens them")
                continue
            labels = connection._connector()._credential_fields() if connection.provider else {}
            given = [spec["label"] for key, spec in labels.items() if stored.get(key)]
            connection.credential_summary = ", ".join(given) or _("none")

    def _compute_endpoint_trouble(self):
        """Say which endpoints do not take all calls, and what that means."""
        for connection in self:
            troubled = connection.endpoint_ids.filtered(
                lambda one: one.condition not in ("fine", "draining")
            )
            connection.endpoint_trouble = " ".join(
                f"{one.name}: {one.condition_text}" for one in troubled
            )

    def _compute_counts(self):
        flows = dict(
            self.env["sync.flow"]._read_group(
                [("connection_id", "in", self.ids)], ["connection_id"], ["__count"]
            )
        )
        waiting = dict(
            self.env["sync.exception"]._read_group(
                [("connection_id", "in", self.ids), ("state", "in", ("new", "acknowledged"))],
                ["connection_id"],
                ["__count"],
            )
        )
        Job = self.env["sync.job"]
        pending, running = (
            dict(Job._read_group([("connection_id", "in", self.ids), *which], ["connection_id"], ["__count"]))
            for which in (Job._waiting_domain(), [("state", "=", "running")])
        )
        for connection in self:
            connection.flow_count = flows.get(connection, 0)
            connection.exception_count = waiting.get(connection, 0)
            connection.pending_count = pending.get(connection, 0)
            connection.running_count = running.get(connection, 0)

    # === Constraints ===#

    @api.constrains("base_url", "allowed_hosts", "environment", "provider")
    def _check_base_url(self):
        for connection in self:
            try:
                connection._host_policy().check(connection.base_url)
            except PolicyBlocked as error:
                raise ValidationError(
                    self.env._("%(name)s: %(error)s", name=connection.name, error=error.message)
                ) from None

    def _host_policy(self):
        """Return which hosts this connection may call, as a value."""
        extra = [name.strip() for name in (self.allowed_hosts or "").split(",")]
        return HostPolicy(
            (*self._connector()._default_hosts(), *filter(None, extra)),
            loopback=self.environment == "sandbox",
        )

    # === CRUD ===#

    @api.ondelete(at_uninstall=False)
    def _unlink_if_nothing_was_changed(self):
        self.env["sync.change"]._release("connection_id", self)

    # === Credentials ===#

    @api.model
    def _vault(self):
        """Return the vault with the keys that the environment holds.

        :raises UserError: when no key is configured; says how to make one.
        """
        keys = os.environ.get(KEY_VARIABLE, "")
        key_file = os.environ.get(KEY_FILE_VARIABLE)
        if not keys and key_file:
            keys = keys_of_file(key_file, os.stat(key_file).st_mtime_ns)
        try:
            return vault_of(keys)
        except VaultError as error:
            raise UserError(
                _(
                    "Credentials cannot be stored: %(error)s. Set the environment variable "
                    "%(variable)s to a Fernet key (or %(file)s to a file that holds one) and "
                    "restart Odoo.",
                    error=error,
                    variable=KEY_VARIABLE,
                    file=KEY_FILE_VARIABLE,
                )
            ) from None

    def _credentials(self):
        """Return the decrypted credentials as a dictionary. Never log it.

        :raises Misconfigured: when no configured key opens them.
        """
        self.ensure_one()
        token = self.sudo().secret_tokens
        if not token:
            return {}
        try:
            return json.loads(self._vault().decrypt(token))
        except (VaultError, UserError) as error:
            raise Misconfigured(
                _("The credentials of %(name)s cannot be read: %(error)s", name=self.name, error=error),
                hint=_("Configure the key they were stored with, or enter them again, then connect."),
            ) from None

    def _store_credentials(self, values):
        """Merge `values` (`{key: text or None}`) into the encrypted credentials."""
        self.ensure_one()
        merged = {**self._credentials(), **values}
        kept = {key: value for key, value in merged.items() if value}
        self.sudo().secret_tokens = self._vault().encrypt(json.dumps(kept))

    def _lock_credentials(self):
        """Take the row lock that makes token renewal single-flight.

        It does not wait for who only refers to the connection: every job does, and
        whoever renews may have one uncommitted in another transaction of its own.
        """
        self.env.cr.execute("SELECT id FROM sync_connection WHERE id = %s FOR NO KEY UPDATE", [self.id])
        self.invalidate_recordset(["secret_tokens"])

    # === Life cycle ===#

    def _connector(self):
        """Return the connector model of this connection's provider."""
        return self.env[f"sync.connector.{self.provider}"]

    def action_connect(self):
        """Prove the credentials, remember whose account it is, and go live.

        :raises UserError: when the account is refused; nothing is changed then.
        """
        for connection in self:
            connector = connection._connector()
            self.env["sync.endpoint"]._ensure_for(connection)
            try:
                with connection._guard_check():
                    account = connector._authenticate(connection)
            except SyncError as error:
                connection.last_error = error.message
                raise UserError(f"{error.message}\n{error.hint}".strip()) from error
            connection._assert_account(account)
            connection.write(
                {
                    "state": "connected",
                    "paused_reason": False,
                    "account_external_id": account.external_id,
                    "account_name": account.name,
                    "database_uuid": self._database_uuid(),
                    "last_success_at": fields.Datetime.now(),
                    "last_error": False,
                }
            )
            with connection._guard_check():
                connector._setup(connection)
            connection._resolve_auth_exceptions()
        self.env["sync.flow"]._ensure_polls()
        self.env["sync.lane"]._wake()
        return True

    def _guard_check(self):
        """Call the provider because a person asks for it: no breaker refuses that."""
        connector = self._connector()
        return connector._guard(self, connector._endpoint("", "read"), manual=True)

    def _assert_account(self, account):
        expected = self.account_external_id
        if expected and expected != account.external_id:
            raise UserError(
                _(
                    "%(name)s was connected to account %(old)s, the credentials now belong to "
                    "%(new)s. Create a new connection for another account.",
                    name=self.name,
                    old=expected,
                    new=account.external_id,
                )
            )
        if account.is_production != (self.environment == "production"):
            raise UserError(
                _(
                    "%(name)s is a %(environment)s connection, but the account is %(actual)s.",
                    name=self.name,
                    environment=self.environment,
                    actual=_("for production") if account.is_production else _("a sandbox"),
                )
            )

    def _resolve_auth_exceptions(self):
        self.env["sync.exception"].sudo().search(
            [
                ("connection_id", "in", self.ids),
                ("error_code", "in", (AuthFailed.code, Misconfigured.code)),
                ("state", "in", ("new", "acknowledged")),
                ("fingerprint", "!=", fingerprint([Misconfigured.code, CLOCK])),
            ]
        )._resolve_by_itself(_("The connection works again."))

    def _note_clock(self, seconds):
        """Say on the desk that this server's clock is wrong, and take that back when it is right.

        Nothing stops because of it: whoever calls the provider goes by the provider's time.

        :param seconds: by which the provider's clock is ahead of ours.
        """
        desk = self.env["sync.exception"].sudo()
        none = self.env["sync.flow"]
        if abs(seconds) < CLOCK_SECONDS:
            known = desk._open_card(none, self, Misconfigured.code, fingerprint([Misconfigured.code, CLOCK]))
            known._resolve_by_itself(_("The clocks agree again."))
            return
        terms = {"minutes": max(round(abs(seconds) / 60), 1), "name": self.name}
        if seconds > 0:
            message = _("This server's clock is %(minutes)s minutes behind that of %(name)s.", **terms)
        else:
            message = _("This server's clock is %(minutes)s minutes ahead of that of %(name)s.", **terms)
        hint = _(
            "Have the clock of the server set by a time service (NTP). Until then calls are made by the "
            "provider's time; webhooks may be refused as too old, and moments in Odoo are wrong."
        )
        desk._raise(none, self, Misconfigured(message, hint=hint, fingerprint=CLOCK))

    def action_pause(self):
        """Hold every job of the connection back; nothing is lost."""
        self.write({"state": "paused", "paused_reason": _("Paused by %s", self.env.user.name)})

    def action_resume(self):
        """Let the jobs of the connection run again."""
        self.action_connect()

    def _pause_on_auth(self, error):
        """Pause once after a refusal of the credentials."""
        self.filtered(lambda c: c.state == "connected").write(
            {"state": "paused", "paused_reason": error.message, "last_error": error.message}
        )

    @api.model
    def _database_uuid(self):
        return self.env["ir.config_parameter"].sudo().get_param("database.uuid")

    def _assert_live(self):
        """Refuse to talk to the provider from a copied database or while paused.

        :raises SyncError: says why and what to do.
        """
        self.ensure_one()
        if self.state != "connected":
            raise PolicyBlocked(
                _("The connection %s is not connected.", self.name),
                hint=_("Open the connection and press Connect."),
            )
        if self.database_uuid != self._database_uuid():
            raise Misconfigured(
                _("The connection %s was activated in another database.", self.name),
                hint=_("This looks like a copy. Connect it again with credentials of its own."),
            )

    # === Actions ===#

    def action_install_flows(self):
        """Add the flows that the connector ships, switched off."""
        for connection in self:
            self.env["sync.flow.template"]._install(connection)
        return self.action_open_flows()

    def action_open_flows(self):
        """Open the flows of this connection."""
        return self._action_related("crm_sync_base.action_sync_flow")

    def action_open_exceptions(self):
        """Open the exceptions of this connection."""
        return self._action_related("crm_sync_base.action_sync_exception")

    def action_open_jobs(self):
        """Open the jobs of this connection."""
        return self._action_related("crm_sync_base.action_sync_job")

    def _action_related(self, xmlid):
        action = self.env["ir.actions.act_window"]._for_xml_id(xmlid)
        action["domain"] = [("connection_id", "in", self.ids)]
        action["context"] = {"default_connection_id": self.id}
        return action

    def action_enter_credentials(self):
        """Open the dialog in which credentials are entered; it never shows any."""
        self.ensure_one()
        wizard = self.env["sync.credential.wizard"].create({"connection_id": self.id})
        return {
            "type": "ir.actions.act_window",
            "name": _("Credentials of %s", self.name),
            "res_model": wizard._name,
            "res_id": wizard.id,
            "view_mode": "form",
            "target": "new",
        }

    def action_poll_now(self):
        """Look for changes at the provider right away."""
        self.flow_ids.action_poll_now()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": _("Looking for changes now; new jobs appear in the job list."),
            },
        }
