"""OAuth: what proves who we are, and the token that it buys.

Client credentials and JWT bearer have no refresh token: a dead session is replaced by
asking again. There is no ``expires_in``; the org's session timeout decides.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from odoo.addons.crm_sync_base.lib.errors import AuthFailed

JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

#: seconds; Salesforce takes an assertion whose ``exp`` is three minutes ahead at most,
#: less leaves room for a clock that is a minute off
ASSERTION_LIFE = 120


@dataclass(frozen=True, slots=True)
class Token:
    """An access token and where to use it."""

    instance_url: str
    access_token: str = field(repr=False)
    identity_url: str = ""

    @classmethod
    def from_reply(cls, reply: dict[str, Any]) -> Token:
        """Read the token endpoint's answer.

        :raises AuthFailed: when it is incomplete.
        """
        try:
            return cls(
                instance_url=reply["instance_url"].rstrip("/"), access_token=reply["access_token"],
                identity_url=reply.get("id") or "")
        except (KeyError, AttributeError, TypeError):
            raise AuthFailed("Salesforce's token reply is incomplete") from None


class Credentials:
    """What proves who we are: renders the form of a token request."""

    def form(self, now: float) -> dict[str, str]:
        """Return the form fields; `now` is in seconds since the epoch."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class ClientCredentials(Credentials):
    """An external client app with a Run As user; needs the My Domain address."""

    client_id: str
    client_secret: str = field(repr=False)

    def form(self, now: float) -> dict[str, str]:
        """See `Credentials.form`."""
        return {
            "grant_type": "client_credentials", "client_id": self.client_id,
            "client_secret": self.client_secret}


@dataclass(frozen=True, slots=True)
class JwtBearer(Credentials):
    """A certificate uploaded to the app, and a user who is pre-authorised for it.

    :param audience: https://login.salesforce.com, or https://test.salesforce.com for
        a sandbox.
    """

    client_id: str
    username: str
    audience: str
    private_key: str = field(repr=False)  #: PEM, RSA

    def form(self, now: float) -> dict[str, str]:
        """See `Credentials.form`.

        :raises AuthFailed: when the private key cannot be used.
        """
        return {"grant_type": JWT_GRANT, "assertion": self.assertion(now)}

    def assertion(self, now: float) -> str:
        """Return a signed assertion (RS256, RFC 7523)."""
        claims = {
            "iss": self.client_id, "sub": self.username, "aud": self.audience,
            "exp": int(now) + ASSERTION_LIFE}
        message = f"{_encode({'alg': 'RS256', 'typ': 'JWT'})}.{_encode(claims)}"
        signature = _private_key(self.private_key).sign(
            message.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{message}.{_base64(signature)}"


def _private_key(pem: str) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The original error may quote the key.
        raise AuthFailed(
            "The private key cannot be read",
            hint="Paste the unencrypted RSA key in PEM form, with its BEGIN and END lines.") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise AuthFailed("The private key is no RSA key", hint="Salesforce takes RS256 only.")
    return key


def _encode(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
