"""Taking changes back: what the ledger says of a record, beside what it holds now.

Nothing here touches a database. The ledger keeps values as JSON; `typed` reads them as
the ORM gives them, so that they can be compared and written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from .ownership import same

# Why a field is left as it is.
CHANGED = "changed"  #: somebody changed it since
GONE = "gone"  #: the record that it named is gone, or the field itself
LINES = "lines"  #: a list of lines of which the ledger keeps the number only: there were too many

#: what is undone by what
OPPOSITE = {"create": "withdraw", "withdraw": "restore", "restore": "withdraw", "update": "update"}


@dataclass(frozen=True, slots=True)
class Past:
    """A change that is to be taken back."""

    change_id: int
    operation: str
    res_id: int
    record_name: str
    values: Mapping[str, tuple[Any, Any]]  #: {field: (before, after)}, as the ledger keeps them
    at: datetime  #: when it was made, naive UTC
    lines: Mapping[str, Any] = field(default_factory=dict)  #: {field: pair of rows}, see `lib.lines`
    totals: Mapping[str, tuple[str | None, str | None]] = field(default_factory=dict)  #: that follow from lines


@dataclass(frozen=True, slots=True)
class Aside:
    """What taking a created record back came to.

    :param changes: `{field: (before, after)}` of what was written on it.
    :param note: what a person has to do, where it could only be prepared.
    """

    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    note: str = ""


@dataclass(slots=True)
class Restoration:
    """What undoing a change would write, and what it leaves."""

    values: dict[str, Any] = field(default_factory=dict)  #: {field: value to write}
    left: dict[str, str] = field(default_factory=dict)  #: {field: why}


def typed(kind: str, stored: Any) -> Any:
    """Return a value of the ledger as the ORM gives it: an id, a tuple of ids, a plain value.

    :param kind: type of the Odoo field.
    """
    # A number of zero is something, though Python takes it for False.
    if stored is None or stored is False or stored in ("", []):
        return () if kind in ("many2many", "one2many") else None
    if kind in ("many2many", "one2many"):
        return tuple(stored) if isinstance(stored, list) else stored
    if kind in ("float", "monetary"):
        return Decimal(str(stored))
    if kind == "datetime":
        return datetime.fromisoformat(str(stored))
    if kind == "date":
        return date.fromisoformat(str(stored)[:10])
    return stored


def restoration(
    past: Past, current: Mapping[str, Any], kinds: Mapping[str, str], *, untouched: bool
) -> Restoration:
    """Return what to write so that a record holds again what it held before a change.

    :param current: the record's values now.
    :param kinds: types of its fields; one that is missing does not exist any more.
    :param untouched: nobody wrote to the record since: whatever it holds is what the
        change made of it, even if Odoo spelled the value in its own way.
    """
    found = Restoration()
    for name, (stored_before, stored_after) in past.values.items():
        kind = kinds.get(name)
        if kind is None:
            found.left[name] = GONE
            continue
        if kind == "one2many":
            found.left[name] = LINES
            continue
        before, after = typed(kind, stored_before), typed(kind, stored_after)
        if same(current[name], before):
            continue
        if untouched or same(current[name], after):
            found.values[name] = before
        else:
            found.left[name] = CHANGED
    return found


def changed_since(past: Past, current: Mapping[str, Any], kinds: Mapping[str, str]) -> list[str]:
    """Return the fields of a created record that do not hold any more what it was created with."""
    return [
        name
        for name, (_before, after) in past.values.items()
        if kinds.get(name, "one2many") != "one2many" and not same(current[name], typed(kinds[name], after))
    ]
