"""Transforms of numbers, days, moments, choices and links."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Context as Arithmetic
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

import pycountry

from . import paths
from .transform_types import Context, Lookup, Reference, TransformProblem
from .transform_types import as_text as _text

_EXACT = Arithmetic(prec=60)


def direct(value: Any, context: Context) -> Any:
    """Return the value as it is, without the white space around a text."""
    return value.strip() if isinstance(value, str) else value


def number(value: Any, context: Context) -> Decimal | None:
    """Return an exact `Decimal`; a JSON float counts by its shortest spelling."""
    if value in (None, ""):
        return None
    try:
        result = Decimal(_text(value))
    except InvalidOperation:
        raise TransformProblem(f"{context.label} is {value!r}, which is not a number") from None
    if not result.is_finite():
        raise TransformProblem(f"{context.label} is {value!r}, which is not a number")
    return result


def integer(value: Any, context: Context) -> int | None:
    """Return a whole number; refuses one with a fraction."""
    result = number(value, context)
    if result is None:
        return None
    if result != result.to_integral_value():
        raise TransformProblem(f"{context.label} is {value!r}, which is not a whole number")
    return int(result)


def boolean(value: Any, context: Context) -> bool:
    """Return true or false from JSON booleans and the usual spellings."""
    if isinstance(value, bool) or value is None:
        return bool(value)
    text = _text(value).lower()
    if text in ("true", "1", "yes", "y"):
        return True
    if text in ("false", "0", "no", "n", ""):
        return False
    raise TransformProblem(f"{context.label} is {value!r}, which is neither yes nor no")


def moment(value: Any, context: Context) -> datetime | None:
    """Return a naive UTC moment from ISO 8601, or from a Unix time.

    Ten digits are seconds and thirteen are milliseconds. Offsets without a
    colon (`+0000`) are understood. A moment without an offset is one in the time zone of
    the argument, UTC without one.
    """
    if value in (None, ""):
        return None
    text = _text(value)
    try:
        if text.lstrip("-").isdigit():
            seconds = int(text) / (1000 if len(text.lstrip("-")) > 11 else 1)
            return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None, microsecond=0)
        text = text.replace("Z", "+00:00")
        if len(text) > 5 and text[-5] in "+-" and text[-4:].isdigit() and "T" in text:
            text = f"{text[:-2]}:{text[-2:]}"
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise TransformProblem(f"{context.label} is {value!r}, which is not a date and time") from None
    if not parsed.tzinfo and context.argument:
        parsed = parsed.replace(tzinfo=ZoneInfo(context.argument))
    if parsed.tzinfo:
        parsed = parsed.astimezone(timezone.utc).replace(tzinfo=None)
    return parsed.replace(microsecond=0)


def day(value: Any, context: Context) -> date | None:
    """Return a calendar day; a moment counts in the time zone of the argument.

    A plain `YYYY-MM-DD` has no time zone and stays the day it is.
    """
    if value in (None, ""):
        return None
    text = _text(value)
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise TransformProblem(f"{context.label} is {value!r}, which is not a date") from None
    parsed = moment(value, context)
    zone = ZoneInfo(context.argument or "UTC")
    return parsed.replace(tzinfo=timezone.utc).astimezone(zone).date()


def constant(value: Any, context: Context) -> str:
    """Return the argument, whatever the document says."""
    return context.argument


def value_map(value: Any, context: Context) -> Any:
    """Return the counterpart of a remote value; an unmapped one is a problem."""
    if value in (None, ""):
        return None
    key = _text(value)
    table = context.value_map or {}
    if key not in table:
        raise TransformProblem(
            f"{context.label}: the value “{key}” has no counterpart yet", "mapping_missing"
        )
    return table[key]


def reference(value: Any, context: Context) -> Reference | None:
    """Return a `Reference` to the remote object named by the argument."""
    return Reference(context.argument, _text(value)) if value not in (None, "") else None


def lookup(value: Any, context: Context) -> Lookup | None:
    """Return a `Lookup` by the Odoo field named by the argument."""
    return Lookup(context.argument or "name", _text(value)) if value not in (None, "") else None


def country(value: Any, context: Context) -> Lookup | None:
    """Return a `Lookup` of a country by its ISO code, from a code or a name.

    Names are those of ISO 3166 (English, short, official and common ones).
    """
    if value in (None, ""):
        return None
    return Lookup("code", _country_code(_text(value), context.label))


def _country_code(text: str, label: str) -> str:
    try:
        return pycountry.countries.lookup(text).alpha_2
    except LookupError:
        raise TransformProblem(f"{label}: “{text}” is not a country") from None


def state(value: Any, context: Context) -> Lookup | None:
    """Return a `Lookup` of a state by its code or name within a country.

    The argument is the path of the country in the same document: the same state
    code exists in several countries. Up to three characters are a code.
    """
    if value in (None, ""):
        return None
    where = paths.get(context.document, context.argument)
    text = _text(value)
    if where in (None, "", paths.MISSING):
        raise TransformProblem(f"{context.label} is “{text}”, but the country is empty")
    scope = (("country_id.code", "=", _country_code(_text(where), context.label)),)
    return Lookup("code" if len(text) <= 3 else "name", text, scope)


def out_direct(value: Any, context: Context) -> Any:
    """Return what JSON can carry: dates as ISO text, `Decimal` as number text."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    return value


def out_number(value: Any, context: Context) -> str:
    """Return a number as plain decimal text; a connector gives it the provider's type.

    Floats are not exact, and JSON has no decimals. Money arrives here rounded to
    its currency.
    """
    return format(number(value or 0, context), "f")


def out_value_map(value: Any, context: Context) -> Any:
    """Return the remote value whose counterpart is `value`."""
    if value in (None, "", False):
        return None
    for remote, local in (context.value_map or {}).items():
        if _text(local) == _text(value):
            return remote
    raise TransformProblem(
        f"{context.label}: the value “{value}” has no counterpart yet", "mapping_missing"
    )


def out_moment(value: Any, context: Context) -> str | None:
    """Return a moment as ISO 8601 with the offset of the argument's time zone, or as UTC."""
    if not isinstance(value, datetime) or not context.argument:
        return out_direct(value, context)
    return value.replace(tzinfo=timezone.utc).astimezone(ZoneInfo(context.argument)).isoformat()


def written_day(value: Any, context: Context) -> date | None:
    """Return a day that is written in the way of the argument, e.g. `%d.%m.%Y`."""
    if value in (None, ""):
        return None
    try:
        return datetime.strptime(_text(value), context.argument).date()
    except ValueError:
        raise TransformProblem(f"{context.label} is {value!r}, which is not written as {context.argument}") from None


def out_written_day(value: Any, context: Context) -> str | None:
    """Return a day or moment, written in the way of the argument."""
    return value.strftime(context.argument) if value else None


def scale(value: Any, context: Context) -> Decimal | None:
    """Return a number times the argument, exactly."""
    result = number(value, context)
    return None if result is None else _EXACT.multiply(result, Decimal(context.argument))


def out_scale(value: Any, context: Context) -> str | None:
    """Return a number divided by the argument, as decimal text."""
    result = number(value, context)
    if result is None or value is False:
        return None
    # Odoo's floats mean the shortest number that they are spelled with.
    return format(_EXACT.divide(result, Decimal(context.argument)).normalize(), "f")
