"""Verification of webhook signatures, version 3.

`X-HubSpot-Signature-v3` is the base64 of HMAC-SHA256, keyed with the app's client secret,
over method + URL + raw body + `X-HubSpot-Request-Timestamp` (milliseconds), with nothing
in between (HubSpot: "Validating requests"). The URL is the one that HubSpot was given,
not what a proxy made of it. Versions 1 and 2 cover no time and can be replayed: they are
not accepted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Iterable, Mapping

from .const import SIGNATURE_TOLERANCE_MS

SIGNATURE_HEADER = "x-hubspot-signature-v3"
TIMESTAMP_HEADER = "x-hubspot-request-timestamp"

#: The escapes that HubSpot undoes before it signs; all others (%20, say) stay.
_UNDONE = re.compile("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def signature(secret: str, method: str, url: str, body: bytes, timestamp: str) -> str:
    """Return the signature of a request.

    :param url: configured public URL with scheme and query.
    :param body: the body as it came over the wire.
    :param timestamp: milliseconds since the epoch, as text.
    """
    uri = _UNDONE.sub(lambda escape: chr(int(escape[0][1:], 16)), url)
    message = (method.upper() + uri).encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def verify(
    secrets: Iterable[str],
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
    now_ms: int | None = None,
    tolerance_ms: int = SIGNATURE_TOLERANCE_MS,
) -> str:
    """Judge a delivery.

    :param secrets: client secrets that are valid now (two while one is being replaced);
        empty ones never match.
    :param url: the URL that HubSpot was given.
    :param headers: with lower-case names.
    :param now_ms: the present time, for tests.
    :return: `accepted`, `unsigned`, `stale` (older than the tolerance, or that far in the
        future) or `bad_signature`, as the base library's `VERDICTS` name them.
    """
    given, timestamp = headers.get(SIGNATURE_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    if not given or not re.fullmatch(r"[0-9]{1,16}", timestamp):
        return "unsigned"
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    # Every secret is tried, whatever the first one said: the time taken tells nothing.
    matches = [
        hmac.compare_digest(signature(secret, method, url, body, timestamp).encode(), given.encode())
        for secret in secrets
        if secret
    ]
    if not any(matches):
        return "bad_signature"
    if abs(now_ms - int(timestamp)) > tolerance_ms:
        return "stale"
    return "accepted"
