"""Build SOQL without ever interpolating raw text.

Conditions are plain strings made by the functions below; names are checked against
the identifier grammar, values are written as literals of their own type. Escapes as
in the SOQL and SOSL Reference, "Quoted String Escape Sequences".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from urllib.parse import quote_plus

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,5}", re.ASCII)

_ESCAPES = str.maketrans({
    "\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t",
    "\b": "\\b", "\f": "\\f",
})
_OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">="})

#: encoded length of a query; with what precedes it, Salesforce takes addresses of 16,384 characters
MAX_ENCODED = 15_500


class InvalidName(ValueError):
    """A name that could not be an object, field or relationship."""


def name(text: str) -> str:
    """Return an object or relationship name.

    :raises InvalidName: anything else than letters, digits and underscores.
    """
    if not _NAME.fullmatch(text):
        raise InvalidName(f"not a Salesforce name: {text!r}")
    return text


def path(text: str) -> str:
    """Return a field or a dotted path to a parent's field (five relations at most).

    :raises InvalidName: see `name`.
    """
    if not _PATH.fullmatch(text):
        raise InvalidName(f"not a Salesforce field path: {text!r}")
    return text


def text_literal(value: str) -> str:
    """Return a text as quoted literal."""
    return f"'{value.translate(_ESCAPES)}'"


def like_literal(value: str) -> str:
    """Return the inside of a LIKE pattern that matches a text itself, without quotes.

    The wildcards of the text are taken literally; add your own ``%`` around it.
    """
    escaped = text_literal(value)[1:-1]
    return escaped.replace("%", "\\%").replace("_", "\\_")


def moment_literal(value: datetime) -> str:
    """Return an instant as literal in UTC, whole seconds; naive values are UTC."""
    aware = value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return aware.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def literal(value: object) -> str:
    """Return a Python value as SOQL literal.

    :raises TypeError: for a type without a literal, `float` among them: amounts are
        `Decimal`.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text_literal(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return moment_literal(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no SOQL literal for {type(value).__name__}")


def compare(field: str, operator: str, value: object) -> str:
    """Return ``field operator value``; operators are ``= != < <= > >=``."""
    if operator not in _OPERATORS:
        raise InvalidName(f"not a SOQL operator: {operator!r}")
    return f"{path(field)} {operator} {literal(value)}"


def equals(field: str, value: object) -> str:
    """Return ``field = value``."""
    return compare(field, "=", value)


def contained(field: str, values: Iterable[object]) -> str:
    """Return ``field IN (…)``.

    :raises ValueError: without any value; SOQL has no empty list.
    """
    literals = ",".join(literal(value) for value in values)
    if not literals:
        raise ValueError("IN needs at least one value")
    return f"{path(field)} IN ({literals})"


def like(field: str, pattern: str) -> str:
    """Return ``field LIKE 'pattern'``; escape texts in the pattern with `like_literal`."""
    return f"{path(field)} LIKE '{pattern}'"


def all_of(*conditions: str) -> str:
    """Join conditions with AND; empty ones are left out."""
    return _joined("AND", conditions)


def any_of(*conditions: str) -> str:
    """Join conditions with OR; empty ones are left out."""
    return _joined("OR", conditions)


def _joined(operator: str, conditions: Sequence[str]) -> str:
    present = [condition for condition in conditions if condition]
    if len(present) < 2:
        return "".join(present)
    # SOQL refuses AND and OR side by side without parentheses.
    return f" {operator} ".join(f"({condition})" for condition in present)


def children(relationship: str, fields: Iterable[str], *, order: Sequence[str] = ()) -> str:
    """Return a child sub-query for the field list of `select`."""
    query = f"SELECT {_fields(fields)} FROM {name(relationship)}"
    return f"({query}{_order(order)})"


def select(
    source: str, fields: Iterable[str], *, where: str = "", order: Sequence[str] = (),
    limit: int | None = None,
) -> str:
    """Return a query.

    :param fields: field paths, and sub-queries made by `children`.
    :param where: a condition made by the functions above.
    :param order: field paths, a leading ``-`` for descending.
    """
    query = f"SELECT {_fields(fields)} FROM {name(source)}"
    if where:
        query += f" WHERE {where}"
    query += _order(order)
    return query if limit is None else f"{query} LIMIT {int(limit)}"


def _fields(fields: Iterable[str]) -> str:
    # A sub-query was built from checked names; everything else is checked here.
    listed = [field if field.startswith("(SELECT ") else path(field) for field in fields]
    return ", ".join(dict.fromkeys(listed))


def _order(order: Sequence[str]) -> str:
    if not order:
        return ""
    terms = [f"{path(term[1:])} DESC" if term.startswith("-") else path(term) for term in order]
    return " ORDER BY " + ", ".join(terms)


def after(moment: datetime, last_id: str | None) -> str:
    """Return the condition of key-set paging on (SystemModstamp, Id).

    :param last_id: the last record seen at `moment`; None starts at `moment` itself.
    """
    if last_id is None:
        return compare("SystemModstamp", ">=", moment)
    return any_of(
        all_of(equals("SystemModstamp", moment), compare("Id", ">", last_id)),
        compare("SystemModstamp", ">", moment),
    )


def chunks(values: Sequence[str], room: int, most: int) -> Iterator[list[str]]:
    """Cut values for IN lists so that each encoded list fits.

    :param room: characters that the encoded list may take.
    :param most: values in one list at most.
    """
    chunk: list[str] = []
    used = 0
    for value in values:
        # Most are ids: two quotes of three characters each, and a comma.
        cost = (len(value) + 6 if value.isascii() and value.isalnum() else encoded_length(literal(value))) + 3
        if chunk and (used + cost > room or len(chunk) == most):
            yield chunk
            chunk, used = [], 0
        chunk.append(value)
        used += cost
    if chunk:
        yield chunk


def encoded_length(text: str) -> int:
    """Return how many characters a text takes in a URL's query."""
    return len(quote_plus(text))
