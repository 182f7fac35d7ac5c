"""The present moment, as the ledgers store it."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> datetime:
    """Return the present in UTC, naive, with its fraction: waits and runs are short."""
    return datetime.now(timezone.utc).replace(tzinfo=None)
