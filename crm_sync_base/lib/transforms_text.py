"""Transforms of texts: cleaning, e-mail, web address, phone, template, lists, formulas."""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from email.utils import parseaddr
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import phonenumbers
import pycountry

from .expression import FormulaError, read
from .transform_types import Context, TransformProblem, as_text, is_empty

# --- Cleaning ---

_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"<\s*(?:br|/p|/div|/li|/tr|/h[1-6])\s*/?\s*>", re.IGNORECASE)
_SILENT = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)


def html_to_text(value: str) -> str:
    """Return what a reader of HTML sees, line breaks kept."""
    text = _BREAK.sub("\n", _SILENT.sub("", value))
    return html.unescape(_TAG.sub("", text)).replace("\xa0", " ").strip()


def _without_accents(text: str) -> str:
    spread = unicodedata.normalize("NFKD", text)
    return "".join(c for c in spread if not unicodedata.combining(c))


#: operation of `text` → what it does to a text
OPERATIONS: dict[str, Callable[[str], str]] = {
    "collapse": lambda text: " ".join(text.split()),
    "lower": str.lower,
    "upper": str.upper,
    "title": str.title,
    "digits": lambda text: "".join(c for c in text if c.isdecimal()),
    "plain": _without_accents,
    "nohtml": html_to_text,
}
_FIRST = re.compile(r"first:(\d{1,5})")


@functools.lru_cache(maxsize=1000)
def _operations(argument: str) -> list[Callable[[str], str]]:
    found = []
    for name in (argument or "collapse").replace(",", " ").split():
        match = _FIRST.fullmatch(name)
        if match:
            found.append(functools.partial(lambda text, count: text[:count].rstrip(), count=int(match[1])))
        elif name in OPERATIONS:
            found.append(OPERATIONS[name])
        else:
            raise TransformProblem(f"“{name}” is not one of {', '.join(OPERATIONS)}, first:80")
    return found


def check_operations(argument: str) -> str:
    """Return what is wrong with the operations of `text`."""
    try:
        _operations(argument)
    except TransformProblem as problem:
        return str(problem)
    return ""


def text(value: Any, context: Context) -> str | None:
    """Return a text cleaned by the operations of the argument, in their order.

    Invisible characters go in any case, and one character has one spelling (NFC).
    """
    if is_empty(value):
        return None
    result = unicodedata.normalize("NFC", as_text(value))
    if not result.isprintable():
        result = "".join(c for c in result if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf"))
    for operation in _operations(context.argument):
        result = operation(result)
    return result.strip() or None


def rich_text(value: Any, context: Context) -> str | None:
    """Return HTML that shows a plain text as it is, lines kept."""
    if is_empty(value):
        return None
    return "<p>" + html.escape(as_text(value), quote=False).replace("\n", "<br>") + "</p>"


def out_rich_text(value: Any, context: Context) -> str | None:
    """Return what a reader of an HTML field sees, as plain text."""
    return html_to_text(str(value)) if value else None


# --- Addresses ---

_MAIL = re.compile(r"[^@\s<>,;\"]+@[^@\s<>,;\"]+\.[^@\s<>,;\".]+")


def email(value: Any, context: Context) -> str | None:
    """Return one e-mail address in lower case, without name or `mailto:`."""
    if is_empty(value):
        return None
    given = as_text(value).removeprefix("mailto:")
    address = parseaddr(given)[1] if "<" in given else given
    if not _MAIL.fullmatch(address):
        raise TransformProblem(f"{context.label} is “{given}”, which is not an e-mail address")
    return address.lower()


def url(value: Any, context: Context) -> str | None:
    """Return a web address with scheme and a host in lower case."""
    if is_empty(value):
        return None
    given = as_text(value)
    parts = urlsplit(given if "://" in given else f"https://{given}")
    if parts.scheme.lower() not in ("http", "https") or not re.fullmatch(r"[\w.-]+\.\w+(:\d+)?", parts.netloc):
        raise TransformProblem(f"{context.label} is “{given}”, which is not a web address")
    path = "" if parts.path == "/" and not parts.query else parts.path
    return urlunsplit((parts.scheme.lower(), parts.netloc.lower(), path, parts.query, parts.fragment))


def _region(context: Context) -> str | None:
    """Return the country that a number without a prefix is dialled in."""
    named = context.neighbour(context.argument) if context.argument else None
    if named is None:
        return None
    try:
        return _country_code(as_text(named))
    except LookupError:
        raise TransformProblem(f"{context.label}: “{named}” is not a country") from None


@functools.lru_cache(maxsize=1000)
def _country_code(name: str) -> str:
    return pycountry.countries.lookup(name).alpha_2


class _Phone(NamedTuple):
    """One number in the ways in which it is written."""

    international: str  #: ITU E.123
    outbound: str  #: E.164; with its extension in international form


@functools.lru_cache(maxsize=2000)
def _read_phone(given: str, region: str | None) -> _Phone | None:
    """Return how a number is written, None for what no phone number can be.

    The same number arrives for a company and its people, and in several fields.
    """
    number = phonenumbers.parse(given, region)
    if not phonenumbers.is_possible_number(number):
        return None
    form = phonenumbers.PhoneNumberFormat
    international = phonenumbers.format_number(number, form.INTERNATIONAL)
    return _Phone(international, international if number.extension else phonenumbers.format_number(number, form.E164))


def _phone(value: Any, context: Context) -> _Phone:
    given = as_text(value)
    try:
        number = _read_phone(given, _region(context))
    except phonenumbers.NumberParseException as error:
        lacking = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        why = "which has no country prefix" if lacking else "which is not a phone number"
        raise TransformProblem(f"{context.label} is “{given}”, {why}") from None
    if number is None:
        raise TransformProblem(f"{context.label} is “{given}”, which no phone number can be")
    return number


def phone(value: Any, context: Context) -> str | None:
    """Return a phone number in international form (ITU E.123): `+32 2 290 34 90`.

    The argument is the country of numbers without a prefix: a path in the document, or
    `=BE`.
    """
    return None if is_empty(value) else _phone(value, context).international


def out_phone(value: Any, context: Context) -> str | None:
    """Return a phone number as E.164, or with its extension in international form."""
    return None if is_empty(value) or value is False else _phone(value, context).outbound


# --- Templates ---

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}|]+)(?:\|([^{}]*))?\}|\[([^\[\]]*)\]|([{}\[\]])")


def placeholders(template_text: str) -> list[str]:
    """Return the paths that a template names."""
    found = []
    for match in _PIECE.finditer(template_text):
        if match[1]:
            found.append(match[1].strip())
        elif match[3]:
            found += placeholders(match[3])
    return found


def check_template(argument: str) -> str:
    """Return what is wrong with a template."""
    for match in _PIECE.finditer(argument):
        if match[4]:
            return f"“{match[4]}” has no counterpart"
        if match[3] and (wrong := check_template(match[3])):
            return wrong
    return "" if placeholders(argument) else "it names no field, e.g. {FirstName} {LastName}"


def _filled(argument: str, context: Context) -> tuple[str, bool, bool]:
    """Return a filled template, whether any placeholder had a value, and whether all had."""
    some, every = False, True

    def put(match: re.Match[str]) -> str:
        nonlocal some, every
        if match[0] in ("{{", "}}"):
            return match[0][0]
        if match[3] is not None:
            inner, _some, complete = _filled(match[3], context)
            some = some or complete
            return inner if complete else ""
        value = context.neighbour((match[1] or "").strip())
        if value is not None and value is not False:
            some = True
            return _shown(value)
        every = every and bool(match[2])
        return match[2] or ""

    result = _PIECE.sub(put, argument)
    return result, some, every


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(item) for item in value)
    return value.isoformat() if isinstance(value, (date, datetime)) else as_text(value)


def template(value: Any, context: Context) -> str | None:
    """Return a text made of several fields: `{Name}[ ({Industry})]`.

    `{Path|else}` names what stands for an empty field; what is in square brackets goes
    when one of its fields is empty. A template of which every field is empty is empty.
    """
    result, some, _every = _filled(context.argument, context)
    return " ".join(result.split(" ")).strip() or None if some else None


# --- Formulas ---


def check_expression(argument: str) -> str:
    """Return what is wrong with a formula."""
    try:
        read(argument)
    except FormulaError as error:
        return str(error)
    return ""


def expression(value: Any, context: Context) -> Any:
    """Return the result of the formula of the argument, see `expression`."""
    try:
        return read(context.argument).calculate(value, context.neighbour)
    except FormulaError as error:
        raise TransformProblem(f"{context.label}: {error}") from None


def out_expression(value: Any, context: Context) -> Any:
    """Return the result of a formula as JSON can carry it."""
    result = expression(value, context)
    if isinstance(result, Decimal):
        return format(result, "f")
    return result.isoformat() if isinstance(result, date) else result


# --- Lists ---


def items_of(value: Any, separator: str) -> list[Any]:
    """Return the items of a list, or of a text that lists them; empty ones are left out.

    :param separator: of a text; without one a text is one item.
    """
    if isinstance(value, (list, tuple)):
        items = value
    elif isinstance(value, str) and separator:
        items = value.split(separator)
    else:
        items = [value]
    items = [item.strip() if isinstance(item, str) else item for item in items]
    return list(dict.fromkeys(item for item in items if not is_empty(item)))


def join(value: Any, context: Context) -> str | None:
    """Return the items of a list as one text, separated by the argument.

    :raises TransformProblem: for an item that holds the separator: it could not be told
        from two items any more.
    """
    separator = context.argument or ";"
    items = [as_text(item) for item in items_of(value, "")]
    for item in items:
        if separator in item:
            raise TransformProblem(f"{context.label}: “{item}” holds the separator “{separator}”")
    return separator.join(items) or None


def split(value: Any, context: Context) -> list[str]:
    """Return the items of a text that lists them, separated by the argument."""
    return [] if is_empty(value) or value is False else items_of(as_text(value), context.argument or ";")
