"""Property values: what HubSpot accepts on write and how it keeps them.

Every value is kept and returned as text; ``""`` clears a property.
"""

import datetime
import re
from decimal import Decimal, InvalidOperation

from .const import TEXT_LIMIT

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")


class Invalid(ValueError):
    """A value that the property does not take; ``code`` is HubSpot's."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code, self.message = code, message


def text_of(raw):
    """Return the text of a JSON value as HubSpot writes it (10 → "10", true → "true")."""
    if raw is None:
        return ""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, Decimal):
        return format(raw, "f")
    if isinstance(raw, (str, int)):
        return str(raw)
    raise Invalid("INVALID_TYPE", "value must be a string, a number, a boolean or null")


def normalise(definition, raw, options=None, before=""):
    """Return the text to keep for a value written through the API.

    :param definition: the property's definition (API shape).
    :param raw: JSON value; numbers as int or Decimal.
    :param options: allowed enumeration values; None takes the definition's own.
    :param before: the present text; a multi-select value that starts with ``;`` is appended.
    :raises Invalid: the property does not take the value.
    """
    text = text_of(raw)
    if text == "":
        return ""
    kind = definition["type"]
    if kind != "string" and text != text.strip():
        raise Invalid("INVALID_WHITESPACE", f'"{text}" has leading or trailing white space.')
    if kind == "number":
        return _number(text)
    if kind == "bool":
        return _bool(text)
    if kind == "date":
        return _date(text)
    if kind == "datetime":
        return instant(_datetime(text))
    if kind == "enumeration":
        allowed = options if options is not None else {o["value"] for o in definition["options"]}
        return _enumeration(definition, text, allowed, before)
    return _string(definition, text)


def _number(text):
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite():
        raise Invalid("INVALID_DOUBLE", f"{text} was not a valid number.")
    return text if re.fullmatch(r"-?\d+(\.\d+)?", text) else format(value, "f")


def _bool(text):
    if text.lower() not in ("true", "false"):
        raise Invalid("INVALID_BOOLEAN", f"{text} was not one of the allowed options: [true, false]")
    return text.lower()


def _date(text):
    if re.fullmatch(r"-?\d{9,}", text):
        moment = _from_ms(int(text))
        if moment.time() != datetime.time(0):
            raise Invalid("INVALID_DATE", f"{text} is at {moment.time()} UTC, not midnight.")
        return moment.date().isoformat()
    try:
        return datetime.date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Invalid("INVALID_DATE", f"{text} was not a valid date.") from None


def _from_ms(milliseconds):
    try:
        return datetime.datetime.fromtimestamp(0, datetime.timezone.utc) + datetime.timedelta(
            milliseconds=milliseconds)
    except OverflowError:
        raise Invalid("INVALID_DATE", f"{milliseconds} is out of range.") from None


def _datetime(text):
    """Return an aware UTC datetime from epoch milliseconds, a date or an ISO instant."""
    if re.fullmatch(r"-?\d{9,}", text):
        return _from_ms(int(text))
    try:
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Invalid("INVALID_DATE", f"{text} was not a valid date.") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.astimezone(datetime.timezone.utc)


def instant(moment):
    """Write an aware UTC datetime as HubSpot does: ``2026-12-31T00:00:00Z``, millis if any."""
    milliseconds = moment.microsecond // 1000
    fraction = f".{milliseconds:03d}" if milliseconds else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + "Z"


def milliseconds_of(text):
    """Return epoch milliseconds of a kept date or datetime text."""
    moment = _datetime(text)
    epoch = datetime.datetime.fromtimestamp(0, datetime.timezone.utc)
    return (moment - epoch) // datetime.timedelta(milliseconds=1)


def _enumeration(definition, text, allowed, before):
    multiple = definition["fieldType"] == "checkbox"
    append = multiple and text.startswith(";")
    chosen = [part for part in text.split(";") if part] if multiple else [text]
    for value in chosen:
        if value not in allowed:
            raise Invalid(
                "INVALID_OPTION", f"{value} was not one of the allowed options: {sorted(allowed)}")
    if append:
        chosen = [part for part in before.split(";") if part] + chosen
    return ";".join(dict.fromkeys(chosen))


def _string(definition, text):
    if len(text) > TEXT_LIMIT:
        raise Invalid("VALUE_TOO_LONG", f"The value is {len(text)} characters long, at most {TEXT_LIMIT}.")
    if definition["name"] == "email" and not _EMAIL.fullmatch(text):
        raise Invalid("INVALID_EMAIL", f"Email address {text} is invalid")
    return text
