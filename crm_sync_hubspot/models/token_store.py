"""OAuth tokens of a connection, kept encrypted and renewed by one worker at a time."""

from odoo import SUPERUSER_ID, api, modules

from ..lib.tokens import Tokens


class ConnectionTokenStore:
    """Keeps OAuth tokens among a connection's credentials.

    It outlives transactions, so it holds no records. A renewal commits in a
    transaction of its own, under the connection's row lock: HubSpot may replace the
    refresh token with each use, so a result that a later rollback lost would lock
    us out.

    :param connection: the `sync.connection` record.
    """

    def __init__(self, connection):
        self._registry = connection.env.registry
        self._id = connection.id
        self._present = _tokens(connection)

    def load(self):
        """Return the tokens that this store saw last."""
        return self._present

    def exchange(self, renew):
        """Run `renew` alone on the tokens as they are now, and keep its result."""
        with self._registry.cursor() as cr:
            if not modules.module.current_test:
                # Whoever waited for the lock sees what the one before has kept, and is not rolled back.
                cr.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            env = api.Environment(cr, SUPERUSER_ID, {})
            connection = env["sync.connection"].browse(self._id)
            connection._lock_credentials()
            tokens = renew(_tokens(connection))
            connection._store_credentials(
                {
                    "refresh_token": tokens.refresh_token,
                    "access_token": tokens.access_token,
                    "expires_at": str(tokens.expires_at),
                }
            )
        self._present = tokens
        return tokens


def _tokens(connection):
    given = connection._credentials()
    return Tokens(
        given.get("refresh_token", ""),
        given.get("access_token", ""),
        float(given.get("expires_at") or 0),
    )
