"""Is this delivery from Stripe? A verdict, never an exception.

`Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>][,v0=<hex>]`, where v1 is the
HMAC-SHA256 of `<t>.<raw body>` under the endpoint's whole secret.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .const import SIGNATURE_TOLERANCE

HEADER = "stripe-signature"
#: More than any real header has; keeps a hostile one cheap.
MAX_SIGNATURES = 20


@dataclass(frozen=True, slots=True)
class SignatureCheck:
    """What a signature is worth.

    :param verdict: `accepted`, `unsigned`, `bad_signature` or `stale`.
    :param reason: a sentence for people; never holds secret or signature.
    :param timestamp: seconds at which it was signed, when that could be read.
    """

    verdict: str
    reason: str = ""
    timestamp: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether the delivery is authentic and recent."""
        return self.verdict == "accepted"


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Return the v1 signature of a raw body, lower-case hex."""
    message = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def verify(
    body: bytes,
    header: str | None,
    secrets: Iterable[str],
    now: float,
    tolerance: int | None = SIGNATURE_TOLERANCE,
) -> SignatureCheck:
    """Judge a delivery.

    :param body: the bytes as they arrived; a re-serialised body never matches.
    :param header: value of `Stripe-Signature`.
    :param secrets: all live secrets of the endpoint. Any may match any v1, so a
        secret can be rolled on either side first. Blank ones are no secrets.
    :param now: seconds since the epoch.
    :param tolerance: seconds that the signature may be old; None or 0 switches the
        check off. A time in the future is not refused, as in Stripe's own library.
    """
    live = [secret for secret in secrets if secret and secret.strip()]
    if not live:
        return SignatureCheck("bad_signature", "The connection has no webhook secret to compare with.")
    if not header:
        return SignatureCheck("unsigned", "The Stripe-Signature header is missing.")
    timestamp, signatures = _parse(header)
    if timestamp is None or not signatures:
        return SignatureCheck("unsigned", "The Stripe-Signature header has no time or no v1 signature.", timestamp)
    if not _any_match(body, live, timestamp, signatures):
        return SignatureCheck("bad_signature", "No signature matches the webhook secret.", timestamp)
    if tolerance and timestamp < now - tolerance:
        return SignatureCheck("stale", f"Signed more than {tolerance} seconds ago.", timestamp)
    return SignatureCheck("accepted", timestamp=timestamp)


def _parse(header: str) -> tuple[int | None, list[bytes]]:
    """Return (time, v1 signatures); other schemes are ignored."""
    timestamp: int | None = None
    signatures: list[bytes] = []
    for part in header.split(","):
        scheme, _equals, value = part.strip().partition("=")
        if scheme == "t" and timestamp is None and re.fullmatch(r"[0-9]{1,12}", value):
            timestamp = int(value)
        elif scheme == "v1":
            signatures.append(value.encode("utf-8", "replace"))
    return timestamp, signatures[:MAX_SIGNATURES]


def _any_match(body: bytes, secrets: list[str], timestamp: int, signatures: list[bytes]) -> bool:
    """Compare all pairs in constant time, without leaving at the first match."""
    matched = False
    for secret in secrets:
        expected = sign(body, secret, timestamp).encode()
        for signature in signatures:
            matched |= hmac.compare_digest(expected, signature)
    return matched
