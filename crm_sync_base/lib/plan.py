"""Comparing what was planned and approved with what would be done now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .fingerprint import fingerprint
from .unit import Unit, plain


@dataclass(frozen=True, slots=True)
class Planned:
    """What a dry run said of one record."""

    operation: str  #: its verdict: create | update | bind | conflict | unchanged
    res_id: int | None
    mapping_id: int | None
    digest: str
    values: Mapping[str, Any]  #: {field: [before, after]}, as the ledger keeps them


def digest(unit: Unit, commands: Any = None) -> str:
    """Return a digest that is equal as long as the plan for a document is.

    The fingerprint of the document covers what the source says, under which mapping
    version, and which remote records it refers to. To it come the Odoo record, what its
    fields hold now, what the other values were translated to, and what waits for a person. Which id a referenced
    record has got is left out: it may have been created in between, as planned.

    :param unit: after planning, before anything is written.
    :param commands: what its lines need, in any form that is equal for equal needs.
    """
    linked = {rule.target for rule in unit.rules if rule.transform == "reference"}
    changes = {
        name: [repr(plain(before)), "→" if _is_linked(name, after, linked) else repr(plain(after))]
        for name, (before, after) in unit.changes.items()
    }
    record = unit.record.id if unit.record else 0
    decisions = unit.decisions
    waiting = {
        name: [kind, repr(plain(before)), repr(plain(after))]
        for kind, pile in (("held", decisions.held), ("asked", decisions.asked))
        for name, (before, after) in pile.items()
    } if decisions else {}  # fmt: skip
    return fingerprint([unit.fingerprint, unit.operation, record, changes, repr(commands), waiting])


def _is_linked(name: str, after: Any, linked: set[str]) -> bool:
    many = after if isinstance(after, tuple) else (after,)
    return name in linked or any(isinstance(one, Unit) for one in many)


def altered(planned: Mapping[str, Any], unit: Unit) -> list[str]:
    """Return the names of the fields whose change is not the planned one any more."""
    now = {name: [_text(plain(before)), _text(plain(after))] for name, (before, after) in unit.changes.items()}
    then = {name: [_text(before), _text(after)] for name, (before, after) in planned.items()}
    references = {rule.target for rule in unit.rules if rule.transform == "reference"}
    linked = {name for name, (_before, after) in unit.changes.items() if _is_linked(name, after, references)}
    lines = unit.draft.lines if unit.draft else {}
    return [
        name for name in sorted(now.keys() | then.keys())
        if name not in lines and now.get(name) != then.get(name)
        and not (name in linked and name in then and now[name][0] == then[name][0])
    ]  # fmt: skip


def _text(value: Any) -> str:
    """Return a value as text, equal before and after it was kept as JSON."""
    if value in (None, False, ""):
        return ""
    if isinstance(value, (list, tuple)):
        return "|".join(sorted(map(str, value)))
    return str(value)
