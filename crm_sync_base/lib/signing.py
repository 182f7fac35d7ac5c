"""Is a delivery authentic? HMAC over the raw body, with the traps taken care of.

Most providers sign a webhook with HMAC-SHA256 over its raw body and a moment; they differ
in what is put together and how it is spelled. The connector says that, the rest is here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterable

#: seconds that a delivery may be old, or ahead of our clock
TOLERANCE = 300.0
#: more than any provider sends; keeps a hostile header cheap
MOST = 20


def hex_of(secret: str, message: bytes) -> str:
    """Return the HMAC-SHA256 of a message in lower-case hex."""
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def base64_of(secret: str, message: bytes) -> str:
    """Return the HMAC-SHA256 of a message in base64."""
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def verify(
    secrets: Iterable[str | None],
    message: bytes,
    given: Iterable[str],
    signed_at: float | None,
    *,
    spelling: Callable[[str, bytes], str] = hex_of,
    now: float | None = None,
    tolerance: float = TOLERANCE,
) -> str:
    """Judge a delivery.

    :param secrets: those that are valid now: two while one is being replaced. Empty ones
        never match, so a connection without a secret accepts nothing.
    :param message: exactly the bytes that the provider signs; never a body that was
        parsed and written again.
    :param given: the signatures of the header; any of them may match.
    :param signed_at: the moment that the signature covers, in seconds since the epoch;
        None when there is none, which counts as not signed: it could be replayed for ever.
    :param spelling: `hex_of` or `base64_of`.
    :param now: the present time, for tests.
    :return: `accepted`, `unsigned`, `bad_signature` or `stale`, as `VERDICTS` names them.
    """
    signatures = [one.encode() for one in given if one][:MOST]
    if not signatures or signed_at is None:
        return "unsigned"
    # Every pair is compared, whatever the first ones said: the time taken tells nothing.
    matches = [
        hmac.compare_digest(spelling(secret, message).encode(), signature)
        for secret in secrets
        if secret and secret.strip()
        for signature in signatures
    ]
    if not any(matches):
        return "bad_signature"
    if abs((time.time() if now is None else now) - signed_at) > tolerance:
        return "stale"
    return "accepted"
