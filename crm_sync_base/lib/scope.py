"""Conditions on remote documents: a small, safe subset of Odoo's domains."""

from __future__ import annotations

from ast import literal_eval
from typing import Any

from . import paths


class ScopeError(ValueError):
    """A condition that cannot be read; the text says where."""


_OPERATORS = {
    "=": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
    ">": lambda left, right: left is not None and left > right,
    ">=": lambda left, right: left is not None and left >= right,
    "<": lambda left, right: left is not None and left < right,
    "<=": lambda left, right: left is not None and left <= right,
}

Condition = tuple[str, str, Any]


def parse_scope(text: str) -> tuple[Condition, ...]:
    """Return the conditions of a text such as `[('IsWon', '=', True)]`.

    :raises ScopeError: when it is not a list of (path, operator, value).
    """
    if not text.strip():
        return ()
    try:
        conditions = literal_eval(text)
    except (ValueError, SyntaxError):
        raise ScopeError(f"{text!r} is not a list of conditions") from None
    for condition in conditions:
        if not isinstance(condition, tuple) or len(condition) != 3:
            raise ScopeError(f"{condition!r} is not (field, operator, value)")
        if condition[1] not in _OPERATORS:
            raise ScopeError(f"{condition[1]!r} is not one of {', '.join(_OPERATORS)}")
    return tuple(conditions)


def matches(conditions: tuple[Condition, ...], document: dict[str, Any]) -> bool:
    """Return whether a document meets all conditions; an absent field is None."""
    for path, operator, expected in conditions:
        value = paths.get(document, path)
        if not _OPERATORS[operator](None if value is paths.MISSING else value, expected):
            return False
    return True
