"""What differs between two versions of a mapping, rule by rule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ADDED, REMOVED, CHANGED = "added", "removed", "changed"

Rule = dict[str, str]  # attribute → how it is shown


@dataclass(frozen=True, slots=True)
class Described:
    """A rule as people read it.

    :param keys: what it may be recognised by in another version, the surest first.
    :param title: what it is called.
    :param shown: attribute → text; empty ones are left out.
    """

    keys: tuple[str, ...]
    title: str
    shown: Rule


@dataclass(frozen=True, slots=True)
class Difference:
    """One rule that is not the same in both versions.

    :param attributes: (attribute, before, after) of what differs.
    """

    kind: str
    title: str
    attributes: tuple[tuple[str, str, str], ...]


def differences(before: Sequence[Described], after: Sequence[Described]) -> list[Difference]:
    """Return the rules that were added, removed or changed, in the order of the newer version.

    A rule is the same one if it fills the same field from the same place, else if it fills
    the same field; the surest recognition of all rules comes first.
    """
    pairs = _pairs(before, after)
    found = []
    for new in after:
        old = pairs.get(id(new))
        attributes = _attributes(old.shown if old else {}, new.shown)
        if old is None:
            found.append(Difference(ADDED, new.title, attributes))
        elif attributes:
            found.append(Difference(CHANGED, new.title, attributes))
    known = {id(old) for old in pairs.values()}
    found += [
        Difference(REMOVED, old.title, _attributes(old.shown, {})) for old in before if id(old) not in known
    ]
    return found


def _pairs(before: Sequence[Described], after: Sequence[Described]) -> dict[int, Described]:
    """Return `{id of a newer rule: the older one that it was}`."""
    pairs: dict[int, Described] = {}
    taken: set[int] = set()
    levels = max((len(rule.keys) for rule in (*before, *after)), default=0)
    for level in range(levels):
        by_key: dict[str, list[Described]] = {}
        for old in before:
            if id(old) not in taken and level < len(old.keys):
                by_key.setdefault(old.keys[level], []).append(old)
        for new in after:
            if id(new) not in pairs and level < len(new.keys) and by_key.get(new.keys[level]):
                old = by_key[new.keys[level]].pop(0)
                pairs[id(new)] = old
                taken.add(id(old))
    return pairs


def _attributes(before: Rule, after: Rule) -> tuple[tuple[str, str, str], ...]:
    names = dict.fromkeys([*after, *before])
    return tuple(
        (name, before.get(name, ""), after.get(name, ""))
        for name in names
        if before.get(name, "") != after.get(name, "")
    )
