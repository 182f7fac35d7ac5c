import time

from odoo import api, models, modules
from odoo.tools import SQL

#: what it takes to judge a delivery
WEBHOOK_FIELDS = (
    "account_external_id",
    "active",
    "company_id",
    "provider",
    "secret_tokens",
    "state",
    "webhook_max_bytes",
    "webhook_token",
)
FRESH_SECONDS = 1

_read_lately = {}  # (database, webhook token) → until when it is fresh, row


class SyncConnectionWebhook(models.Model):
    """Which connection a webhook address belongs to."""

    _inherit = "sync.connection"

    @api.model
    def _by_webhook_token(self, token):
        """Return the active connection with this webhook address, or an empty recordset.

        `WEBHOOK_FIELDS` are read along, and by a process once in `FRESH_SECONDS`: for so
        long at most a replaced address or secret is accepted.
        """
        key = (self.env.cr.dbname, token)
        until, row = _read_lately.get(key, (0.0, None))
        if time.monotonic() >= until or modules.module.current_test:
            row = self._read_by_webhook_token(token)
            if row:
                _read_lately[key] = (time.monotonic() + FRESH_SECONDS, row)
            else:  # it is not kept: nobody can fill the memory with guesses
                _read_lately.pop(key, None)
        if not row:
            return self.sudo().browse()
        connection = self.sudo().browse(row[0])
        for name, value in zip(WEBHOOK_FIELDS, row[1:], strict=True):
            self._fields[name]._insert_cache(connection, [value])
        return connection

    def _read_by_webhook_token(self, token):
        """Return an id and `WEBHOOK_FIELDS` as the database has them, or None."""
        self.flush_model(WEBHOOK_FIELDS)
        self.env.cr.execute(
            SQL(
                "SELECT id, %s FROM sync_connection WHERE webhook_token = %s AND active",
                SQL(", ").join(map(SQL.identifier, WEBHOOK_FIELDS)),
                token,
            )
        )
        return self.env.cr.fetchone()
