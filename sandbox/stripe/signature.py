"""Signature of outgoing webhooks: `t=<seconds>,v1=<hex>[,v1=<hex>]`.

The key is the whole secret (`whsec_...` included), the message is the timestamp,
a dot and the raw body. While a secret is being rolled both sign.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """:return: the v1 signature, lower-case hex."""
    message = str(timestamp).encode() + b"." + body
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def header(body: bytes, secrets: Iterable[str], timestamp: int) -> str:
    """:return: the value of `Stripe-Signature` with one v1 per live secret."""
    parts = [f"v1={sign(body, secret, timestamp)}" for secret in secrets]
    return ",".join([f"t={timestamp}", *parts])
