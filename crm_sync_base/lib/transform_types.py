"""What every transform takes and gives; see `transforms`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import paths


class TransformProblem(Exception):
    """A value that cannot cross; the text is for the person who maps fields.

    :param code: "mapping_missing" when a mapping row would solve it, else
        "data_invalid".
    """

    def __init__(self, message: str, code: str = "data_invalid"):
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reference:
    """Another remote record, to be resolved through its binding."""

    remote_object: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """An Odoo record found by the value of one of its own fields.

    :param scope: further conditions `(field, "=", value)` that it must meet.
    """

    field: str
    value: str
    scope: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as the source states it, to be held against the currency of the record.

    :param amount: in units of the currency, or in its smallest units if `minor`.
    :param currency: ISO 4217 code.
    """

    amount: Decimal
    currency: str
    minor: bool = False


@dataclass(slots=True)  # not frozen: one is made for every value
class Context:
    """What a transform may know besides the value.

    :param argument: the rule's argument; its meaning is the transform's.
    :param value_map: remote value → Odoo value, for `value_map`.
    :param label: the remote field as people call it, for messages.
    :param document: the whole document, for a value that needs its neighbour. On the way
        out it is the Odoo record's values along the paths that the rule names.
    :param digits: decimal places of the currency of a monetary Odoo value, on the way out.
    """

    argument: str = ""
    value_map: dict[str, Any] | None = None
    label: str = ""
    document: Any = None
    digits: int | None = None

    def neighbour(self, path: str) -> Any:
        """Return another value of the document; None where it is empty or missing.

        A path that begins with `=` is no path but the value itself: `=DE`.
        """
        if path.startswith("="):
            return path[1:]
        value = paths.get(self.document, path) if path else None
        return None if value is paths.MISSING or value == "" else value


Function = Callable[[Any, Context], Any]


@dataclass(frozen=True, slots=True)
class Transform:
    """One way in which a value crosses the border, described for people and for checks.

    :param inbound: provider's value → what Odoo stores; None when it only goes out.
    :param outbound: the other way; None when it only comes in.
    :param gives: types of the Odoo fields that can take the result; empty: any.
    :param argument: what the rule's argument means; empty when it takes none.
    :param needs_argument: nothing sensible happens without one.
    :param reversible: what comes in goes out as the same value, so that one rule can
        serve both directions.
    :param check: returns what is wrong with an argument, or an empty text.
    :param example: (raw value, argument, result) that the tests hold it to.
    """

    code: str
    label: str
    help: str
    inbound: Function | None = None
    outbound: Function | None = None
    gives: frozenset[str] = frozenset()
    argument: str = ""
    needs_argument: bool = False
    reversible: bool = False
    check: Callable[[str], str] | None = None
    example: tuple[Any, str, Any] | None = None


def as_text(value: Any) -> str:
    """Return a value as text, without the white space around it."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value).strip()


def is_empty(value: Any) -> bool:
    """Return whether the source says nothing (0 and false are something)."""
    return value is None or value == "" or value == [] or value == ()
