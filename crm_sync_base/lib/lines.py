"""Lines of a document: what would be written to them, what the ledger keeps, the way back.

The ledger tells of lines by *rows*, plain data that JSON carries exactly:
`{"id": line id or None, "key": remote id or "", "number": its place, "name": what people
call it, "values": {field: value}}`. A change of lines is a pair of lists of rows, before and
after, of those lines only that it touched: a line that is in one of them was added or
removed, a line in both has the changed fields. Amounts are texts, exact to the last digit.
Nothing here touches a database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from .ownership import is_empty, same
from .unit import Unit, plain

Row = dict[str, Any]
Pair = tuple[list[Row], list[Row]]

MAX_ROWS = 2000  #: lines that the ledger keeps of one change; of more it keeps the number

# Why a line is left as it is.
CHANGED = "changed"  #: somebody changed it since
GONE = "gone"  #: it is not there any more
THERE = "there"  #: it is there already, and says something else


@dataclass(slots=True)
class LinePlan:
    """What would be written to the lines of one record.

    :param creates: `(remote id or "", {field: value})`, in the source's order.
    :param updates: `{line id: {field: (before, after)}}`.
    :param along: `{line id: {field: value}}` that does not change, but is written again:
        Odoo would otherwise compute it anew from what does.
    :param removes: ids of lines.
    """

    creates: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    updates: dict[int, dict[str, tuple[Any, Any]]] = field(default_factory=dict)
    along: dict[int, dict[str, Any]] = field(default_factory=dict)
    removes: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.creates or self.updates or self.removes)

    def content(self) -> list[Any]:
        """Return the plan as data that is equal for equal plans; which id a record gets is left out."""
        creates = [[key, _contents(values)] for key, values in self.creates]
        updates = {
            str(res_id): {name: [_content(one) for one in pair] for name, pair in changes.items()}
            for res_id, changes in self.updates.items()
        }
        return [creates, updates, self.removes]


def _contents(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: _content(value) for name, value in values.items()}


def _content(value: Any) -> str:
    many = value if isinstance(value, tuple) else (value,)
    return "→" if any(isinstance(one, Unit) for one in many) else repr(value)


class Gate(NamedTuple):
    """An approval rule that holds for the lines of a record."""

    rule_id: int
    names: frozenset[str]  #: fields of a line
    line_ids: frozenset[int] | None  #: lines that meet the rule's condition; None: all


def gate_of(plan: LinePlan, gates: Iterable[Gate]) -> int | None:
    """Return the id of the first rule that a plan needs an approval by, or None.

    A line that is added or removed changes all that it says. Whether a new line meets a
    condition is not known before it is there, so it waits.
    """
    for gate in gates:
        names, ids = gate.names, gate.line_ids
        touched = [res_id for res_id, changes in plan.updates.items() if names & changes.keys()]
        if any(ids is None or res_id in ids for res_id in [*touched, *plan.removes]):
            return gate.rule_id
        if any(not is_empty(values.get(name)) for _key, values in plan.creates for name in names):
            return gate.rule_id
    return None


# === What the ledger keeps ===#


def exact(value: Any) -> Any:
    """Return a value as JSON carries it: numbers with a point as text, every digit kept."""
    if isinstance(value, float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else value
        return format(number.normalize(), "f") if number else "0"
    if isinstance(value, datetime | date):
        return str(value)
    if isinstance(value, list | tuple):
        return [exact(one) for one in value]
    return plain(value)


def row(line_id: int | None, key: str, number: int, name: str, values: Mapping[str, Any]) -> Row:
    """Return a line as the ledger keeps it; what it does not have is left out."""
    kept = {field_: exact(value) for field_, value in values.items()}
    return {"id": line_id, "key": key, "number": number, "name": name, "values": kept}


def observed(before: Mapping[int, Row], after: Mapping[int, Row], mapped: Collection[str]) -> Pair:
    """Return what became of lines that were looked at before and after.

    Of a line that is gone all is kept, empty fields too: it may have to come back as it
    was, and what is not said would be filled in. Of a new one what was said of it.

    :param mapped: fields that a line gets by its rules.
    """
    befores, afters = [], []
    for line_id, old in before.items():
        new = after.get(line_id)
        if new is None:
            befores.append(old)
            continue
        names = [name for name, value in new["values"].items() if not same(value, old["values"].get(name))]
        if names:
            befores.append(_of(old, names))
            afters.append(_of(new, names))
    afters += [
        _of(new, [name for name in new["values"] if name in mapped])
        for line_id, new in after.items()
        if line_id not in before
    ]
    return befores, afters


def planned(plan: LinePlan, now: Mapping[int, Row], *, along: bool = False) -> Pair:
    """Return the same of a plan, as far as it is known before it is written.

    Its values are those of the plan, see `exactly`.

    :param now: the record's lines.
    :param along: tell of the values, too, that are only written again: who carries the
        rows out later must do the same.
    """
    befores, afters = [], []
    for line_id, changes in plan.updates.items():
        old, again = now[line_id], plan.along.get(line_id, {}) if along else {}
        befores.append({**old, "values": {**again, **{name: before for name, (before, _after) in changes.items()}}})
        afters.append({**old, "values": {**again, **{name: after for name, (_before, after) in changes.items()}}})
    befores += [_filled(now[line_id]) for line_id in plan.removes]
    first = len(now) - len(plan.removes) + 1
    for number, (key, values) in enumerate(plan.creates, first):
        text = values.get("name")
        name = text.partition("\n")[0] if isinstance(text, str) else ""
        # What is empty is said, too: Odoo would fill it in.
        afters.append({"id": None, "key": key, "number": number, "name": name, "values": values})
    return befores, afters


def exactly(pair: Pair) -> list[list[Row]]:
    """Return a pair as JSON carries it, records that are there by now by their ids."""
    return [
        [{**one, "values": {name: exact(value) for name, value in one["values"].items()}} for one in rows]
        for rows in pair
    ]


def bounded(pair: Pair) -> list[Any]:
    """Return a pair as it is stored; of too many lines only how many there were."""
    if max(map(len, pair)) > MAX_ROWS:
        return [None, f"{len({identity(one) for rows in pair for one in rows})} lines"]
    return exactly(pair)


def is_pair(value: Any) -> bool:
    """Return whether a value of the ledger tells of lines, each by itself."""
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(rows, list) and all(_is_row(one) for one in rows) for rows in value)
        and any(value)
    )


def _is_row(value: Any) -> bool:
    return isinstance(value, dict) and "values" in value


def identity(one: Row) -> Any:
    """Return what tells a row from the others of its change."""
    return one["id"] or (one["key"], one["number"])


def _of(one: Row, names: Iterable[str]) -> Row:
    return {**one, "values": {name: one["values"].get(name) for name in names}}


def _filled(one: Row) -> Row:
    return {**one, "values": {name: value for name, value in one["values"].items() if not is_empty(value)}}


# === From one state to another ===#


def between(
    start: list[Row],
    end: list[Row],
    find: Callable[[Row], int | None],
    now: Mapping[int, Mapping[str, Any]],
    typed: Callable[[str, Any], Any],
) -> tuple[LinePlan, list[tuple[Row, str, list[str]]]]:
    """Return what leads from the one state of lines to the other, and what is in the way.

    An approval leads from before to after, an undo from after to before.

    :param find: returns the line that a row tells of, if it is there.
    :param now: the values of the lines that are there.
    :param typed: makes of a field's stored value what the ORM gives.
    :return: the plan, and `(row, reason, fields)` of each line that is not as in `start`.
    """
    plan, left = LinePlan(), []
    old, new = ({identity(one): one for one in rows} for rows in (start, end))
    for key, one in old.items():
        line_id = find(one)
        if line_id is None:
            if key in new:
                left.append((one, GONE, []))
            continue
        if key in new:
            names = _way(plan, line_id, one, new[key], now[line_id], typed)
        else:
            names = _differing(one, now[line_id], typed)
            if not names:
                plan.removes.append(line_id)
        if names:
            left.append((one, CHANGED, names))
    for key, one in new.items():
        if key in old:
            continue
        line_id = find(one)
        if line_id is None:
            plan.creates.append((one["key"], {name: typed(name, value) for name, value in one["values"].items()}))
        elif names := _differing(one, now[line_id], typed):
            left.append((one, THERE, names))
    return plan, left


def _way(
    plan: LinePlan, line_id: int, start: Row, end: Row, now: Mapping[str, Any], typed: Callable[[str, Any], Any]
) -> list[str]:
    """Plan the fields of one line; return those that are as in neither state."""
    changed = []
    for name, stored in end["values"].items():
        wanted = typed(name, stored)
        if same(now[name], wanted):
            plan.along.setdefault(line_id, {})[name] = wanted
        elif same(now[name], typed(name, start["values"].get(name))):
            plan.updates.setdefault(line_id, {})[name] = (now[name], wanted)
        else:
            changed.append(name)
    return changed


def _differing(one: Row, now: Mapping[str, Any], typed: Callable[[str, Any], Any]) -> list[str]:
    return [name for name, stored in one["values"].items() if not same(now[name], typed(name, stored))]


def names_in(pair: Iterable[Collection[Row]]) -> set[str]:
    """Return the fields of which the rows of a pair tell."""
    return {name for rows in pair for one in rows for name in one["values"]}
