"""Nested parameters as the form fields that Stripe's v1 API reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any


def encode(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the fields of nested parameters, in order.

    Objects become `a[b]`, lists of plain values `a[]`, lists of objects `a[0][b]`.
    None, an empty list and an empty object become an empty text, by which Stripe
    unsets a value: leave out what must stay as it is.

    :raises TypeError: a value has no exact form (a float, an unknown type).
    """
    fields: list[tuple[str, str]] = []
    for name, value in params.items():
        _append(fields, name, value)
    return fields


def _append(fields: list[tuple[str, str]], name: str, value: Any) -> None:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            _append(fields, f"{name}[{key}]", item)
    elif isinstance(value, (list, tuple)) and value:
        for index, item in enumerate(value):
            is_plain = not isinstance(item, (Mapping, list, tuple))
            _append(fields, f"{name}[]" if is_plain else f"{name}[{index}]", item)
    else:
        fields.append((name, _text(name, value)))


def _text(name: str, value: Any) -> str:
    if value is None or (isinstance(value, (Mapping, list, tuple)) and not value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int)):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return str(int(moment.timestamp()))
    # The value itself stays out of the message: it may be personal.
    raise TypeError(f"{name}: {type(value).__name__} has no exact form for Stripe")
