"""Encryption at rest with a key that is not in the database.

Tokens are Fernet (AES-128-CBC with HMAC-SHA256, the `cryptography` package).
Several keys may be live: the first encrypts, each one decrypts, so a key is
rotated by putting a new one in front and dropping the old one later.
"""

from __future__ import annotations

import functools
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class VaultError(Exception):
    """The key is absent or wrong; the message says what to do."""


class Vault:
    """Encrypts and decrypts text with one or more keys.

    :param keys: urlsafe base64 Fernet keys, separated by commas or spaces.
    """

    def __init__(self, keys: str):
        parts = keys.replace(",", " ").split()
        if not parts:
            raise VaultError("no encryption key is configured")
        try:
            self._first = Fernet(parts[0])
            self._fernet = MultiFernet([Fernet(part) for part in parts])
        except ValueError:
            # The original error would print the key.
            raise VaultError("an encryption key is not a valid Fernet key") from None

    def encrypt(self, text: str) -> str:
        """Return the token for `text`."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, token: str) -> str:
        """Return the text of a token made with any of the live keys.

        :raises VaultError: when none of the keys made it.
        """
        try:
            return self._fernet.decrypt(token.encode()).decode()
        except InvalidToken:
            raise VaultError("none of the configured keys opens this secret") from None

    def is_current(self, token: str) -> bool:
        """Return whether the first key made a token; others are to be rotated."""
        try:
            self._first.decrypt(token.encode())
        except InvalidToken:
            return False
        return True

    def rotate(self, token: str) -> str:
        """Return the same secret under the first key."""
        try:
            return self._fernet.rotate(token.encode()).decode()
        except InvalidToken:
            raise VaultError("none of the configured keys opens this secret") from None


@functools.lru_cache(maxsize=4)
def vault_of(keys: str) -> Vault:
    """Return the vault with these keys; preparing one takes longer than using it.

    :raises VaultError: as the class does.
    """
    return Vault(keys)


@functools.lru_cache(maxsize=4)
def keys_of_file(path: str, changed: int) -> str:
    """Return what a key file holds.

    :param changed: when it was changed last, so that a rotated key is seen at once.
    """
    return Path(path).read_text(encoding="ascii")


def new_key() -> str:
    """Return a fresh random key."""
    return Fernet.generate_key().decode()
