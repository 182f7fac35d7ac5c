import functools
import logging
import secrets

from odoo import api, models
from odoo.exceptions import UserError

from ..lib import chain
from ..lib.vault import VaultError

_logger = logging.getLogger(__name__)

TOKENS = "seal_keys"  # setting: the keys that seals were made with, encrypted, newest last


class SyncSealKey(models.AbstractModel):
    """The key that proves who made a seal.

    It is random and kept encrypted with the key that is not in the database: whoever
    can only write to the database can neither read nor replace it.
    """

    _name = "sync.seal.key"
    _description = "Seal Key"

    @api.model
    def _secrets(self):
        """Return `{key id: secret}` of all keys that can be opened, newest last."""
        vault = self._vault()
        return _opened(vault, self.env["sync.settings"]._text(TOKENS)) if vault else {}

    @api.model
    def _present(self):
        """Return (key id, secret) that new seals are made with, ("", None) without any."""
        keys = self._secrets()
        return next(reversed(keys.items())) if keys else ("", None)

    @api.model
    def _ensure(self):
        """Make a key where there is none, and renew the encryption of those that are there."""
        vault = self._vault()
        if not vault:
            return
        tokens = self.env["sync.settings"]._text(TOKENS).split()
        if not _opened(vault, " ".join(tokens)):
            if tokens:
                _logger.warning("Synchronisation: no configured key opens the seal keys; a new one is made.")
            tokens.append(vault.encrypt(secrets.token_hex(32)))
        renewed = [_renewed(vault, token) for token in tokens]
        if " ".join(renewed) != self.env["sync.settings"]._text(TOKENS):
            self.env["sync.settings"]._set(TOKENS, " ".join(renewed))

    @api.model
    def _vault(self):
        """Return the vault, or None where no key is configured."""
        try:
            return self.env["sync.connection"]._vault()
        except (UserError, OSError):
            return None


@functools.lru_cache(maxsize=8)
def _opened(vault, tokens):
    found = {}
    for token in tokens.split():
        try:
            secret = bytes.fromhex(vault.decrypt(token))
        except (VaultError, ValueError):
            continue
        found[chain.key_id(secret)] = secret
    return found


def _renewed(vault, token):
    """Return a token under the first key; what cannot be opened stays for whoever has its key."""
    try:
        return token if vault.is_current(token) else vault.rotate(token)
    except VaultError:
        return token
