"""OAuth tokens of a connection, kept encrypted and renewed by one worker at a time."""

from ..lib.tokens import Tokens


class ConnectionTokenStore:
    """Keeps OAuth tokens among a connection's credentials.

    A renewal commits in a transaction of its own, under the connection's row lock:
    HubSpot may replace the refresh token with each use, so a result that a later
    rollback lost would lock us out.

    :param connection: the `sync.connection` record.
    """

    def __init__(self, connection):
        self._registry = connection.env.registry
        self._id = connection.id
        self._connection = connection

    def load(self):
        """Return the present tokens."""
        return self._tokens(self._connection)

    def exchange(self, renew):
        """Run `renew` alone on the tokens as they are now, and keep its result."""
        with self._registry.cursor() as cr:
            connection = self._connection.with_env(self._connection.env(cr=cr))
            connection._lock_credentials()
            tokens = renew(self._tokens(connection))
            connection._store_credentials(
                {
                    "refresh_token": tokens.refresh_token,
                    "access_token": tokens.access_token,
                    "expires_at": str(tokens.expires_at),
                }
            )
        self._connection.invalidate_recordset(["secret_tokens"])
        return tokens

    @staticmethod
    def _tokens(connection):
        given = connection._credentials()
        return Tokens(
            given.get("refresh_token", ""),
            given.get("access_token", ""),
            float(given.get("expires_at") or 0),
        )
