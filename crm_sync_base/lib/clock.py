"""The present moment, as the ledgers store it."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import datetime, timezone


def now() -> datetime:
    """Return the present in UTC, naive, with its fraction: waits and runs are short."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the provider's time by an answer's `Date` header (RFC 9110, 6.6.1), as `now` does.

    :param headers: looked up without regard to case, as `requests` gives them.
    """
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("Date") or "")
    except (TypeError, ValueError):
        return None
    return moment.astimezone(timezone.utc).replace(tzinfo=None)
