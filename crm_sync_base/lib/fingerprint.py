"""Stable fingerprints: the same content has the same fingerprint, always."""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def _plain(value: Any) -> Any:
    """Return `value` as JSON can carry it, exactly (`Decimal` and dates as text)."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"cannot fingerprint a {type(value).__name__}")


def fingerprint(content: Any) -> str:
    """Return 32 hex digits that depend on the content only, not on key order.

    :param content: JSON-like data; `Decimal`, dates and sets are allowed.
    """
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
