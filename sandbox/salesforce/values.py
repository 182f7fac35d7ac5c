"""Values on their way in (JSON → stored) and out (stored → JSON)."""

import re
from datetime import date, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from . import ids
from .errors import SalesforceError, cross_reference
from .fields import ADDRESS_PARTS

NUMERIC = frozenset({"currency", "double", "percent"})
TEXTUAL = frozenset({"string", "textarea", "email", "phone", "url", "picklist"})
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")
_DATETIME = re.compile(
    r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)")


def stamp(moment):
    """Return an aware datetime as the API writes it: ``2026-05-06T11:56:44.000+0000``."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000+0000")


def parse_datetime(text):
    """Parse an instant in any notation that the API takes; returns aware UTC, or None."""
    match = _DATETIME.fullmatch(text)
    if not match:
        return None
    day, clock, _fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}+00:00")
    except ValueError:
        return None
    if zone != "Z":
        sign = 1 if zone[0] == "+" else -1
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        moment -= sign * timedelta(hours=hours, minutes=minutes)
    return moment


def round_money(amount, digits):
    """Round half up to a number of decimal digits."""
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def _bad_json(field, value):
    kind = "VALUE_STRING" if isinstance(value, str) else f"VALUE_{type(value).__name__.upper()}"
    return SalesforceError(
        400, "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from {kind} value {value} or request may"
        " be missing a required field")


def accept(field, sobject, value):
    """Check a value from a client and return it as it is stored.

    Texts stay texts (trimmed; empty is null), numbers become ``Decimal`` or ``int``,
    instants become the API's own notation, ids 18 characters.

    :raises SalesforceError: wrong JSON type, too long, not in a restricted picklist…
    """
    if value is None:
        if field.type == "boolean":
            raise _bad_json(field, "null")
        return None
    if field.type in TEXTUAL:
        return _accept_text(field, sobject, value)
    if field.type in NUMERIC:
        return _accept_number(field, value)
    return _ACCEPT[field.type](field, sobject, value)


def _accept_text(field, sobject, value):
    if isinstance(value, (bool, dict, list)):
        raise _bad_json(field, value)
    value = str(value).strip()
    if not value:
        return None
    if len(value) > field.length:
        raise SalesforceError(
            400, "STRING_TOO_LONG", f"{field.label}: data value too large: {value[:80]}"
            f" (max length={field.length})", [field.name])
    if field.type == "email" and not _EMAIL.fullmatch(value):
        raise SalesforceError(
            400, "INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {value}",
            [field.name])
    return value


def _accept_number(field, value):
    if isinstance(value, (bool, dict, list)):
        raise _bad_json(field, value)
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        raise _bad_json(field, value) from None
    if not found.is_finite():
        raise _bad_json(field, value)
    found = round_money(found, field.scale)
    if len(found.as_tuple().digits) > field.precision:
        raise SalesforceError(
            400, "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.label}: value outside of valid range on numeric field: {value}", [field.name])
    return found


def _accept_int(field, sobject, value):
    if isinstance(value, (bool, dict, list)):
        raise _bad_json(field, value)
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise _bad_json(field, value) from None
    if not found.is_finite() or found != found.to_integral_value():
        raise _bad_json(field, value)
    return int(found)


def _accept_boolean(field, sobject, value):
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _bad_json(field, value)


def _accept_date(field, sobject, value):
    try:
        return date.fromisoformat(str(value)[:10]).isoformat()
    except ValueError:
        raise _bad_json(field, value) from None


def _accept_datetime(field, sobject, value):
    found = parse_datetime(str(value))
    if found is None:
        raise _bad_json(field, value)
    return stamp(found)


def _accept_reference(field, sobject, value):
    found = ids.normalise(value)
    if found is None:
        raise SalesforceError(
            400, "MALFORMED_ID",
            f"{field.label}: id value of incorrect type: {value}", [field.name])
    return found


def _refuse(field, sobject, value):
    raise cross_reference(f"{field.name} cannot be written")


_ACCEPT = {
    "int": _accept_int, "boolean": _accept_boolean, "date": _accept_date,
    "datetime": _accept_datetime, "reference": _accept_reference, "id": _accept_reference,
    "address": _refuse}


def show(field, record):
    """Return a field's value as JSON has it; what is not stored is null (or the default)."""
    if field.type == "address":
        return _show_address(field, record)
    value = record.get(field.name)
    if value is None:
        return field.default if field.type == "boolean" else None
    if isinstance(value, Decimal):
        # The wire type is xsd:double; its shortest notation gives every amount of up to
        # 15 digits back exactly. The client must parse it as Decimal, not as float.
        return float(value)
    return value


def _show_address(field, record):
    prefix = field.name[:-len("Address")]
    parts = {key: record.get(prefix + suffix) for key, suffix in ADDRESS_PARTS}
    if all(value is None for value in parts.values()):
        return None
    return {key: float(value) if isinstance(value, Decimal) else value
            for key, value in parts.items()}
