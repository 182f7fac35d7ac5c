"""What objects look like, how that differs from before, and whom it hits.

A shape is `{field name: RemoteField}`; a schema is `{object name: shape}`. Nothing here
touches a database: the models store shapes and act on what these functions return.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .declarations import RemoteField

Shape = Mapping[str, RemoteField]
Schema = Mapping[str, Shape]

#: ways in which a field can differ, as a reader of the change list sees them
DIFFERENCES: dict[str, str] = {
    "object_added": "Object added",
    "object_removed": "Object removed",
    "added": "Field added",
    "removed": "Field removed",
    "type": "Type changed",
    "reference": "Links to another object",
    "required": "Became mandatory",
    "optional": "No longer mandatory",
    "read_only": "Became read-only",
    "writable": "Can be written now",
    "shorter": "Holds shorter texts",
    "longer": "Holds longer texts",
    "choice_removed": "Values removed",
    "choice_added": "Values added",
    "relabelled": "Renamed",
}

#: what a difference means to a flow: it would write something wrong, its records will
#: fail, somebody should look, or nothing
WRONG, FAILS, LOOK, HARMLESS = "wrong", "fails", "look", "harmless"
SEVERITIES: dict[str, str] = {
    WRONG: "Would write wrongly",
    FAILS: "Records will fail",
    LOOK: "Worth a look",
    HARMLESS: "Harmless",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which an object is not what it was.

    :param kind: a key of `DIFFERENCES`.
    :param field: its name; empty when the object itself came or went.
    :param label: how people call the field.
    :param before: and `after`: in words for people, empty where that says nothing.
    """

    kind: str
    field: str = ""
    label: str = ""
    before: str = ""
    after: str = ""


def compare(before: Shape, after: Shape) -> list[Difference]:
    """Return how a shape differs from an earlier one, fields in alphabetical order."""
    found = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None:
            found.append(Difference("added", name, new.label, after=new.type))
        elif new is None:
            found.append(Difference("removed", name, old.label, before=old.type))
        else:
            found.extend(_compare_field(old, new))
    return found


def _compare_field(old: RemoteField, new: RemoteField) -> Iterable[Difference]:
    def differs(kind: str, before: str = "", after: str = "") -> Difference:
        return Difference(kind, new.name, new.label, before, after)

    if old.type != new.type or old.kind != new.kind:
        yield differs("type", old.type, new.type)
    if old.references != new.references or old.relationship != new.relationship:
        yield differs("reference", old.references, new.references)
    if old.required != new.required:
        yield differs("required" if new.required else "optional")
    if old.writable != new.writable:
        yield differs("writable" if new.writable else "read_only")
    if old.length and new.length and old.length != new.length:
        kind = "shorter" if new.length < old.length else "longer"
        yield differs(kind, str(old.length), str(new.length))
    gone = [value for value in old.choices if value[0] not in dict(new.choices)]
    come = [value for value in new.choices if value[0] not in dict(old.choices)]
    if gone:
        yield differs("choice_removed", before=_listed(gone))
    if come:
        yield differs("choice_added", after=_listed(come))
    if old.label != new.label:
        yield differs("relabelled", old.label, new.label)


def _listed(choices: Iterable[tuple[str, str]]) -> str:
    return ", ".join(label or value for value, label in choices)


# === Paths ===


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a dotted path leads.

    :param steps: (object, field name) of each field on the way.
    :param field: the last one; None when the path leads nowhere.
    :param missing: object whose shape is not known, so that nobody can tell.
    """

    steps: tuple[tuple[str, str], ...] = ()
    field: RemoteField | None = None
    missing: str = ""

    @property
    def is_broken(self) -> bool:
        """Whether the path is known to lead nowhere."""
        return self.field is None and not self.missing


def walk(schema: Schema, object_name: str, path: str) -> Walk:
    """Follow a dotted path from an object through relationships.

    A field whose own name has dots (`address.city`) wins over a relationship.
    """
    steps: list[tuple[str, str]] = []
    rest = path
    while True:
        shape = schema.get(object_name)
        if shape is None:
            # A rule of lines need not say whose lines they are, yet.
            return Walk(tuple(steps), missing=object_name or path)
        if rest in shape:
            return Walk((*steps, (object_name, rest)), shape[rest])
        head, _dot, rest = rest.partition(".")
        link = _link(shape, head) if rest else None
        if link is None:
            return Walk((*steps, (object_name, head)))
        steps.append((object_name, link.name))
        if not link.references:
            return Walk(tuple(steps), missing=f"{object_name}.{head}")
        object_name = link.references
        if link.kind in ("lines", "references"):
            # A number picks one of several.
            first, _dot, further = rest.partition(".")
            rest = further if first.isdigit() and further else rest


def _link(shape: Shape, name: str) -> RemoteField | None:
    """Return the field that leads to another record under a name."""
    for field in shape.values():
        if field.relationship == name:
            return field
    return None


# === Impact ===


@dataclass(frozen=True, slots=True)
class Use:
    """That a flow's rule relies on a field.

    :param flow: id of the flow.
    :param rule: what people call the rule's field.
    :param side: of the field: remote or odoo.
    :param reads: the flow takes values from the field.
    :param writes: the flow puts values there.
    :param creates: the flow creates records of the object.
    :param is_last: the field is what the path ends at, not a link on the way.
    :param fits: whether the field as it is now suits the rule's transform; None when
        that cannot be told.
    """

    flow: int
    rule: str
    side: str
    reads: bool
    writes: bool
    creates: bool = False
    is_last: bool = True
    fits: bool | None = None


def severity(difference: Difference, use: Use) -> str:
    """Return what a difference means to a rule that relies on the field.

    Something that is read and is gone arrives as "empty" and would blank what Odoo
    has; what is written and is gone is refused by the other side, record by record.
    """
    kind = difference.kind
    if kind in ("removed", "object_removed"):
        return WRONG if use.reads or use.side == "odoo" else FAILS
    if kind == "reference":
        return WRONG if use.reads or not use.is_last else FAILS
    if kind == "type":
        if use.fits:
            return LOOK
        return WRONG if use.reads else FAILS
    if kind == "read_only":
        return FAILS if use.writes and use.is_last else HARMLESS
    if kind == "shorter":
        return FAILS if use.writes and use.is_last else HARMLESS
    if kind in ("choice_removed", "choice_added"):
        relevant = use.writes if kind == "choice_removed" else use.reads
        return LOOK if relevant and use.is_last else HARMLESS
    return HARMLESS


def worst(severities: Iterable[str]) -> str:
    """Return the worst of several severities."""
    order = list(SEVERITIES)
    return min(severities, key=order.index, default=HARMLESS)


def becomes_mandatory(difference: Difference, field: RemoteField | None) -> bool:
    """Whether new records will be refused that leave this field out."""
    if difference.kind == "required":
        return True
    return difference.kind == "added" and field is not None and field.required
