"""What another mapping version would do to a record, compared with what the active one does.

Pure: an `Effect` is what planning with one version came to, an `Impact` what differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .ownership import same

SAME = "same"  #: both versions lead to the same record
DIFFERENT = "different"  #: another value in some field, or a record more or less
BLOCKED = "blocked"  #: the record passes today and would wait for a person
RELEASED = "released"  #: the record waits today and would pass


@dataclass(frozen=True, slots=True)
class Effect:
    """What one mapping version would do with one record, if it came now.

    :param operation: create, update, or empty when nothing would be written.
    :param values: field → (what is there, what would be there).
    :param waiting: fields of these whose change would wait for a person's decision.
    :param problem: why the record would be blocked; empty when it would not.
    """

    operation: str = ""
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Impact:
    """What activating the other version would change for one record.

    :param values: field → (value under the active version, value under the other).
    """

    kind: str
    values: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    waiting: frozenset[str] = frozenset()
    reason: str = ""


def compare(now: Effect, then: Effect) -> Impact:
    """Return what the version `then` changes in comparison with `now`.

    What a version does not write stays what it is; so a field differs if either version
    writes it and the results are not the same.
    """
    if then.problem:
        if now.problem == then.problem:
            return Impact(SAME, reason=then.problem)
        return Impact(DIFFERENT if now.problem else BLOCKED, reason=then.problem)
    values = _different(now, then)
    if now.problem:
        return Impact(RELEASED, values, then.waiting & values.keys(), now.problem)
    created = "create" in (now.operation, then.operation) and now.operation != then.operation
    kind = DIFFERENT if values or created else SAME
    return Impact(kind, values, then.waiting & values.keys())


def _different(now: Effect, then: Effect) -> dict[str, tuple[Any, Any]]:
    found = {}
    for name in dict.fromkeys([*then.values, *now.values]):
        # Either of them knows what is there today.
        today = (then.values.get(name) or now.values[name])[0]
        ends = [effect.values[name][1] if name in effect.values else today for effect in (now, then)]
        if now.problem:
            ends[0] = today
        if not same(*ends):
            found[name] = (ends[0], ends[1])
    return found
