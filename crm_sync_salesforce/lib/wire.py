"""JSON on the wire, with exact numbers in both directions.

Salesforce's numbers are read as `Decimal` and written as the digits that they have;
`float` never appears, so no amount can change on its way.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from .soql import moment_literal


def dumps(value: Any) -> bytes:
    """Return JSON in UTF-8; `Decimal` as plain number, instants and days as text.

    :raises TypeError: for `float` and anything else without an exact notation.
    """
    return _text(value).encode()


def _text(value: Any) -> str:
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise TypeError("a number that is not finite cannot be sent")
        return format(value, "f")
    if isinstance(value, datetime):
        return json.dumps(moment_literal(value))
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(k))}:{_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_text(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} has no exact JSON notation")


def parse_moment(text: str) -> datetime:
    """Return an instant of the API as aware UTC datetime.

    Takes ``2026-05-06T11:56:44.000+0000`` (REST) and ``…Z`` (SOAP, SOQL).

    :raises ValueError: for anything else.
    """
    day, _t, rest = text.partition("T")
    clock = rest[:8]
    zone = rest[8:].lstrip(".0123456789")
    moment = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=timezone.utc)
    if zone in ("Z", "+0000", "+00:00"):
        return moment
    if len(zone) not in (5, 6) or zone[0] not in "+-":
        raise ValueError("not an instant of the Salesforce API")
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    return moment - offset if zone[0] == "+" else moment + offset
