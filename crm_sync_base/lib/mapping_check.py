"""What is doubtful in a mapping, before anything runs with it.

Pure: rules and schemas are plain values, findings are sentences for the person who
edits. What is not known (a schema that was never read, a transform of a later version)
leads to no finding.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .declarations import RemoteField
from .schema import Schema, Walk, walk
from .transforms import named_paths, problem_of

ERROR, WARNING = "error", "warning"

#: transform → kinds of source values that it understands (absent: any)
_TAKES_IN: dict[str, frozenset[str]] = {
    "number": frozenset({"number", "integer", "text", "choice"}),
    "integer": frozenset({"number", "integer", "text", "choice"}),
    "boolean": frozenset({"boolean", "text", "choice", "integer"}),
    "date": frozenset({"date", "datetime", "text", "integer"}),
    "datetime": frozenset({"date", "datetime", "text", "integer"}),
    "reference": frozenset({"reference", "text", "integer"}),
    "lines": frozenset({"lines", "references"}),
    "country": frozenset({"text", "choice"}),
    "state": frozenset({"text", "choice"}),
    "scale": frozenset({"number", "integer", "text", "choice"}),
    "money": frozenset({"number", "integer", "text", "choice"}),
    "money_minor": frozenset({"number", "integer", "text", "choice"}),
    "date_text": frozenset({"text", "choice"}),
    "phone": frozenset({"text", "number", "integer"}),
    "email": frozenset({"text"}),
    "url": frozenset({"text"}),
    "join": frozenset({"choices", "text", "choice", "references", "lines"}),
}

#: transform → kinds of what it makes of a remote value (absent: unknown, never doubted)
_GIVES_IN: dict[str, frozenset[str]] = {
    "number": frozenset({"number"}),
    "integer": frozenset({"integer"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
    "reference": frozenset({"reference"}),
    "lookup": frozenset({"reference"}),
    "country": frozenset({"reference"}),
    "state": frozenset({"reference"}),
    "lines": frozenset({"lines"}),
    "scale": frozenset({"number"}),
    "money": frozenset({"number"}),
    "money_minor": frozenset({"number"}),
    "date_text": frozenset({"date"}),
    "text": frozenset({"text"}),
    "phone": frozenset({"text"}),
    "email": frozenset({"text"}),
    "url": frozenset({"text"}),
    "rich_text": frozenset({"text"}),
    "join": frozenset({"text"}),
}

#: kinds that "as it is" hands over as something else: providers send moments, links and
#: lists of choices as texts
_RAW_IN = {"datetime": "text", "reference": "text", "choices": "text", "choice": "text"}

#: transform → kinds of Odoo values that it understands, on the way out
_TAKES_OUT: dict[str, frozenset[str]] = {
    "number": frozenset({"number", "integer"}),
    "integer": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
    "reference": frozenset({"reference", "references"}),
    "scale": frozenset({"number", "integer"}),
    "money": frozenset({"number"}),
    "money_minor": frozenset({"number"}),
    "date_text": frozenset({"date"}),
}

_GIVES_OUT: dict[str, frozenset[str]] = {
    "number": frozenset({"number"}),
    "integer": frozenset({"number", "integer"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
    "reference": frozenset({"reference"}),
    "lookup": frozenset({"text"}),
    "country": frozenset({"text"}),
    "state": frozenset({"text"}),
    "scale": frozenset({"number"}),
    "money": frozenset({"number"}),
    "money_minor": frozenset({"number", "integer"}),
    "date_text": frozenset({"text"}),
    "phone": frozenset({"text"}),
    "email": frozenset({"text"}),
    "url": frozenset({"text"}),
    "rich_text": frozenset({"text"}),
    "join": frozenset({"choices", "text"}),
}

#: "as it is", out: a linked record goes out as its name
_RAW_OUT = {"reference": "text", "references": "text", "lines": "text"}

#: kind of a field → kinds of values that it can hold
_HOLDS: dict[str, frozenset[str]] = {
    "text": frozenset({"text", "choice", "choices", "integer", "number", "date", "datetime", "reference"}),
    "choice": frozenset({"text", "choice", "integer"}),
    "choices": frozenset({"text", "choice", "choices"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "number"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date"}),
    "datetime": frozenset({"datetime"}),
    "reference": frozenset({"reference"}),
    "references": frozenset({"reference", "references", "lines"}),
    "lines": frozenset({"lines", "references"}),
}

#: kind of an Odoo field → kinds of values that it never takes; of the others that do not
#: fit, some do with luck (a text that is a number), so they are only doubted
_NEVER: dict[str, frozenset[str]] = {
    "text": frozenset({"lines", "references"}),
    "number": frozenset({"date", "datetime", "reference", "references", "lines"}),
    "integer": frozenset({"date", "datetime", "reference", "references", "lines"}),
    "date": frozenset({"boolean", "number", "reference", "references", "lines"}),
    "datetime": frozenset({"boolean", "number", "reference", "references", "lines"}),
    "reference": frozenset({"text", "choice", "choices", "number", "boolean", "date", "datetime", "lines"}),
    "references": frozenset({"text", "choice", "number", "integer", "boolean", "date", "datetime"}),
    "lines": frozenset({"text", "choice", "choices", "number", "integer", "boolean", "date", "datetime", "reference"}),
}

#: kind → what people call it
KIND_LABELS: dict[str, str] = {
    "text": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "yes or no",
    "date": "date",
    "datetime": "date and time",
    "choice": "choice",
    "choices": "several choices",
    "reference": "linked record",
    "references": "linked records",
    "lines": "lines",
    "binary": "file",
    "other": "something else",
}

#: transforms that may do without a source of their own, or look anything up in a table
SOURCELESS = frozenset({"constant", "template", "expression"})
TABLES = frozenset({"value_map"})


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """What a check must know of a rule.

    :param key: whatever the caller finds its rule by.
    :param path: remote path; `target`: Odoo field (dotted only outbound).
    :param mapped: the remote values that its value map knows; None without one.
    """

    key: str
    path: str
    target: str
    direction: str = "inbound"
    transform: str = "direct"
    argument: str = ""
    label: str = ""
    required: bool = False
    mapped: frozenset[str] | None = None
    child_object: str = ""

    @classmethod
    def of_values(cls, key: str, values: Mapping[str, Any], mapped: frozenset[str] | None) -> RuleFacts:
        """Return the facts of a rule that is no record yet.

        :param values: `{field of the rule: value}`; what is not there or empty is the default.
        """
        return cls(
            key=key,
            path=values.get("remote_path") or "",
            target=values.get("field_name") or "",
            direction=values.get("direction") or "inbound",
            transform=values.get("transform") or "direct",
            argument=values.get("argument") or "",
            label=values.get("name") or "",
            required=bool(values.get("required")),
            mapped=mapped,
            child_object=values.get("child_object") or "",
        )

    @property
    def comes_in(self) -> bool:
        """Whether the rule writes to Odoo."""
        return self.direction in ("inbound", "both")

    @property
    def goes_out(self) -> bool:
        """Whether the rule writes to the provider."""
        return self.direction in ("outbound", "both")

    @property
    def read_paths(self) -> tuple[str, ...]:
        """Return the remote paths that it reads, those that its argument names included."""
        if not self.comes_in:
            return ()
        paths = (self.path,) if self.path else ()
        return tuple(dict.fromkeys((*paths, *named_paths(self.transform, self.argument))))

    @property
    def name(self) -> str:
        """Return how people call the rule."""
        return self.label or self.path or self.target


@dataclass(frozen=True, slots=True)
class Finding:
    """One doubt.

    :param rule: key of the rule; empty when it is about the mapping as a whole.
    :param code: stable name of the kind of doubt.
    :param side: remote or odoo: which field is meant, if one is.
    :param field: a field that should be mapped and is not.
    """

    level: str
    code: str
    message: str
    rule: str = ""
    side: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a mapping is checked against.

    :param remote: schema of the provider, as far as it was read; `odoo` likewise.
    :param remote_object: and `model`: what the mapping joins.
    :param creates: missing records are created.
    :param direction: of the flow.
    :param creates_by_key: the provider makes a record only under a unique value of ours.
    :param brought: remote objects that some flow brings into Odoo.
    """

    remote: Schema
    odoo: Schema
    remote_object: str
    model: str
    direction: str = "inbound"
    creates: bool = True
    creates_by_key: bool = False
    brought: Collection[str] | None = None
    defaults: Collection[str] = field(default_factory=tuple)


def check(rules: Iterable[RuleFacts], facts: Facts) -> list[Finding]:
    """Return what is doubtful, errors first."""
    rules = list(rules)
    found: list[Finding] = []
    for rule in rules:
        found.extend(_check_rule(rule, facts))
    found.extend(_twice(rules))
    found.extend(_unmapped(rules, facts))
    return sorted(found, key=lambda finding: finding.level != ERROR)


# === One rule ===


def _check_rule(rule: RuleFacts, facts: Facts) -> Iterable[Finding]:
    remote = walk(facts.remote, facts.remote_object, rule.path) if rule.path else Walk(missing="path")
    odoo = walk(facts.odoo, facts.model, rule.target) if rule.target else Walk(missing="field")
    yield from _incomplete(rule)
    yield from _unknown(rule, remote, odoo, facts)
    yield from _writable(rule, remote.field, odoo.field)
    level = ERROR if is_hopeless(rule, remote.field, odoo.field) else WARNING
    for reason in mismatches(rule, remote.field, odoo.field):
        yield Finding(level, "type", f"{rule.name}: {reason}.", rule.key)
    yield from _values(rule, remote.field, odoo.field)
    yield from _links(rule, remote.field, odoo.field, facts)
    problem = problem_of(rule.transform, rule.argument, rule.direction)
    if problem:
        yield Finding(ERROR, "argument", f"{rule.name}: {problem}.".replace("..", "."), rule.key)


def _incomplete(rule: RuleFacts) -> Iterable[Finding]:
    if not rule.target:
        yield Finding(ERROR, "incomplete", f"{rule.name}: choose the Odoo field.", rule.key, "odoo")
    if not rule.path and (rule.goes_out or rule.transform not in SOURCELESS):
        yield Finding(ERROR, "incomplete", f"{rule.name}: choose the remote field.", rule.key, "remote")


def _unknown(rule: RuleFacts, remote: Walk, odoo: Walk, facts: Facts) -> Iterable[Finding]:
    ways = [remote, *(walk(facts.remote, facts.remote_object, path) for path in rule.read_paths if path != rule.path)]
    for way in (way for way in ways if way.is_broken):
        where, name = way.steps[-1]
        what = "would be emptied in Odoo" if rule.comes_in else "would be refused"
        yield Finding(
            ERROR, "remote_unknown",
            f"{rule.name}: {where} has no field {name} that this connection may see; the value {what}.",
            rule.key, "remote",
        )
    if odoo.is_broken:
        where, name = odoo.steps[-1]
        yield Finding(ERROR, "odoo_unknown", f"{rule.name}: {where} has no field {name}.", rule.key, "odoo")


def _writable(rule: RuleFacts, remote: RemoteField | None, odoo: RemoteField | None) -> Iterable[Finding]:
    if rule.goes_out and remote is not None and not remote.writable:
        yield Finding(
            ERROR, "read_only", f"{rule.name}: {remote.label} cannot be written at the provider.",
            rule.key, "remote",
        )
    if rule.comes_in and odoo is not None and not odoo.writable:
        yield Finding(
            WARNING, "read_only", f"{rule.name}: Odoo computes {odoo.label} itself.", rule.key, "odoo"
        )
    if rule.comes_in and "." in rule.target:
        yield Finding(
            ERROR, "dotted", f"{rule.name}: only a field of the record itself can be filled.", rule.key, "odoo"
        )


def mismatches(
    rule: RuleFacts, remote: RemoteField | None, odoo: RemoteField | None
) -> list[str]:
    """Return why a rule's value cannot cross between two fields, once for each direction.

    Fields that are None, or whose kind is not known, are not doubted.
    """
    if odoo is None or (remote is None and rule.transform not in SOURCELESS):
        return []
    found = []
    if rule.comes_in:
        found.append(_mismatch(rule.transform, remote, odoo, _TAKES_IN, _GIVES_IN, _RAW_IN))
    if rule.goes_out and remote is not None:
        found.append(_mismatch(rule.transform, odoo, remote, _TAKES_OUT, _GIVES_OUT, _RAW_OUT))
    return [reason for reason in found if reason]


def is_hopeless(rule: RuleFacts, remote: RemoteField | None, odoo: RemoteField | None) -> bool:
    """Return whether no value that a rule brings into Odoo can ever fit into its field."""
    if odoo is None or not rule.comes_in or rule.transform in SOURCELESS | TABLES:
        return False
    kind = remote.kind if remote is not None else ""
    if rule.transform == "direct":
        given = frozenset({_RAW_IN.get(kind, kind)} if kind else ())
    else:
        given = _GIVES_IN.get(rule.transform, frozenset())
    return bool(given) and given <= _NEVER.get(odoo.kind, frozenset())


def _mismatch(
    transform: str,
    source: RemoteField | None,
    target: RemoteField,
    takes: Mapping[str, frozenset[str]],
    gives: Mapping[str, frozenset[str]],
    raw: Mapping[str, str],
) -> str:
    kind = source.kind if source is not None else ""
    if transform in SOURCELESS | TABLES or "other" in (kind, target.kind):
        return ""
    if kind and transform in takes and kind not in takes[transform]:
        return f"{source.label} is a {KIND_LABELS[kind]}, which this transform does not understand"
    if transform == "direct":
        given = frozenset({raw.get(kind, kind)} if kind else ())
    else:
        given = gives.get(transform, frozenset())
    held = _HOLDS.get(target.kind)
    if not given or held is None or given & held:
        return ""
    what = KIND_LABELS[kind] if kind and transform == "direct" else KIND_LABELS[next(iter(given))]
    return f"a {what} does not fit into {target.label}, which is a {KIND_LABELS[target.kind]}"


def _values(rule: RuleFacts, remote: RemoteField | None, odoo: RemoteField | None) -> Iterable[Finding]:
    """Choices without a counterpart, and choices that are taken over as they are."""
    if rule.transform in TABLES and rule.mapped is None:
        yield Finding(ERROR, "value_map", f"{rule.name}: choose the value map.", rule.key)
    if rule.mapped is not None and remote is not None and remote.choices and rule.comes_in:
        missing = [label or value for value, label in remote.choices if value not in rule.mapped]
        if missing:
            yield Finding(
                WARNING, "unmapped_values",
                f"{rule.name}: no counterpart yet for {_some(missing)}.", rule.key,
            )
    if rule.transform != "direct" or not rule.comes_in or remote is None or odoo is None:
        return
    if odoo.kind == "boolean" and remote.kind == "boolean":
        yield Finding(
            WARNING, "boolean",
            f"{rule.name}: use the transform “Yes or no”; as it is, the text “false” counts as yes.",
            rule.key,
        )
    if odoo.choices and remote.choices:
        known = dict(odoo.choices)
        foreign = [label or value for value, label in remote.choices if value not in known]
        if foreign:
            yield Finding(
                WARNING, "choices",
                f"{rule.name}: Odoo's {odoo.label} has no {_some(foreign)}; use a value map.", rule.key,
            )


def _links(
    rule: RuleFacts, remote: RemoteField | None, odoo: RemoteField | None, facts: Facts
) -> Iterable[Finding]:
    if rule.transform == "reference" and rule.comes_in:
        if remote is not None and rule.argument and remote.references not in ("", rule.argument):
            yield Finding(
                WARNING, "reference",
                f"{rule.name}: {remote.label} links to {remote.references}, not to {rule.argument}.", rule.key,
            )
        elif facts.brought is not None and rule.argument and rule.argument not in facts.brought:
            yield Finding(
                WARNING, "no_flow", f"{rule.name}: no flow brings {rule.argument} into Odoo.", rule.key
            )
    if rule.transform == "lookup" and odoo is not None and odoo.references in facts.odoo:
        name = rule.argument or "name"
        if name not in facts.odoo[odoo.references]:
            yield Finding(
                ERROR, "lookup", f"{rule.name}: {odoo.references} has no field {name} to look up by.", rule.key
            )


# === The mapping as a whole ===


def _twice(rules: list[RuleFacts]) -> Iterable[Finding]:
    """Two rules for one field: the later one wins, even with an empty value."""
    for side, wanted in (("odoo", "comes_in"), ("remote", "goes_out")):
        seen: dict[str, RuleFacts] = {}
        for rule in rules:
            name = rule.target if side == "odoo" else rule.path
            if not name or not getattr(rule, wanted):
                continue
            if name in seen:
                yield Finding(
                    ERROR, "twice",
                    f"{rule.name}: {seen[name].name} fills {name} already; only the later one counts.",
                    rule.key, side,
                )
            seen[name] = rule


def _unmapped(rules: list[RuleFacts], facts: Facts) -> Iterable[Finding]:
    if not facts.creates:
        return
    incoming = {rule.target for rule in rules if rule.comes_in}
    outgoing = {rule.path for rule in rules if rule.goes_out}
    if facts.direction == "inbound":
        for one in facts.odoo.get(facts.model, {}).values():
            if one.required and one.name not in incoming and one.name not in facts.defaults:
                yield Finding(
                    ERROR, "required",
                    f"{one.label} ({one.name}) is mandatory in Odoo and nothing fills it: "
                    "no record can be created.",
                    side="odoo", field=one.name,
                )
        return
    shape = facts.remote.get(facts.remote_object, {})
    for one in shape.values():
        if one.required and one.writable and one.name not in outgoing:
            yield Finding(
                ERROR, "required",
                f"{one.label} ({one.name}) is mandatory at the provider and nothing fills it: "
                "new records are refused.",
                side="remote", field=one.name,
            )
    keys = sorted(one.name for one in shape.values() if one.unique and one.writable)
    if facts.creates_by_key and shape and not outgoing & set(keys):
        names = f" ({_some(keys)})" if keys else ""
        yield Finding(
            ERROR, "key",
            f"New records are made only under a unique value: fill a field that identifies them{names}, "
            "for example with the Odoo id, so that a repeated call finds what the first one made.",
            side="remote", field=keys[0] if keys else "",
        )


def _some(names: list[str]) -> str:
    shown = ", ".join(f"“{name}”" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


# === Rings ===

Node = tuple[str, ...]
Edge = tuple[Node, Node]


def ring(edge: Edge, edges: Collection[Edge]) -> list[Node]:
    """Return the shortest ring that an edge closes, without plain to and fro.

    A field that is synchronised both ways with its counterpart is no ring. A value that
    wanders over three fields or more and comes back to the first is: every change starts
    the next one.

    :return: the nodes from the edge's end back to its start; empty when there is no ring.
    """
    start, end = edge
    onward: dict[Node, list[Node]] = {}
    for source, target in edges:
        onward.setdefault(source, []).append(target)
    before: dict[Node, Node | None] = {end: None}
    queue = deque([end])
    while queue:
        node = queue.popleft()
        for following in onward.get(node, ()):
            if following in before or (node == end and following == start):
                continue
            before[following] = node
            if following == start:
                return _trail(following, before)
            queue.append(following)
    return []


def _trail(node: Node | None, before: Mapping[Node, Node | None]) -> list[Node]:
    trail = []
    while node is not None:
        trail.append(node)
        node = before[node]
    return trail[::-1]


def mandatory_ring(needs: Mapping[str, Collection[str]], start: str) -> list[str]:
    """Return objects that all need each other before they can exist, from `start` on.

    :param needs: object → objects that it cannot be created without.
    :return: the ring, first and last the same; empty when there is none.
    """
    before: dict[str, str | None] = {}
    queue: deque[tuple[str, str | None]] = deque((need, None) for need in sorted(needs.get(start, ())))
    while queue:
        node, came_from = queue.popleft()
        if node in before:
            continue
        before[node] = came_from
        if node == start:
            break
        queue.extend((need, node) for need in sorted(needs.get(node, ())))
    if start not in before:
        return []
    trail, node = [], start
    while node is not None:
        trail.append(node)
        node = before[node]
    return [start, *trail[::-1]]
