"""Who may write a field: write policies, ownership and conflict rules, as values.

A field of two systems has a *writer* (the side whose value arrives) and a *holder*
(the side that would be written). `decide` is the only place that says what becomes of
an arriving value; inbound, outbound, approval and undo ask it alike (invariant I8).
Nothing here touches a database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

# What becomes of an arriving value.
WRITE = "write"  #: it is written
KEEP = "keep"  #: the holder's value stays
PROPOSE = "propose"  #: the holder's value stays until somebody approves
ASK = "ask"  #: both sides changed: a person chooses

# Owners of a field.
REMOTE = "remote"
ODOO = "odoo"
SHARED = "shared"

_EPOCH = datetime(1970, 1, 1)

#: why a value was kept, proposed or asked about
REASONS = (
    "create_only",  # the policy writes on creation only
    "filled",  # the policy or conflict rule fills empty fields only
    "protected",  # the record is in the state in which the field is protected
    "not_owner",  # the other system is the system of record
    "older",  # the holder's value is newer
    "unchanged",  # the writer says nothing new; the holder's value was changed there
    "approval",  # an approval rule
    "conflict",  # both sides changed, and the rule is to ask
    "rejected",  # the same change was rejected
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What one rule says about writing its field."""

    policy: str = "always"  #: always | create_only | fill_empty | protected
    owner: str = REMOTE
    conflict: str = "owner"  #: owner | newest | fill_empty | ask

    @property
    def needs_memory(self) -> bool:
        """Whether the last agreed value must be known to decide."""
        return self.conflict != "owner" or self.owner != REMOTE

    @property
    def is_sovereign(self) -> bool:
        """Whether the writer overrules whatever the holder has: nothing is asked or remembered."""
        return (self.owner, self.conflict) == (REMOTE, "owner") and self.policy in ("always", "protected")

    def mirrored(self) -> Terms:
        """Return the same terms seen from the other side (outbound)."""
        other = {REMOTE: ODOO, ODOO: REMOTE}.get(self.owner, self.owner)
        return Terms(self.policy, other, self.conflict)


@dataclass(frozen=True, slots=True)
class Memory:
    """Prints of what both sides said when they were last looked at.

    :param said: of the writer's value; empty when it was never seen.
    :param held: of the holder's value when both sides last agreed.
    """

    said: str = ""
    held: str = ""


@dataclass(frozen=True, slots=True)
class FieldPast:
    """What is known of one field of the holder's record before values arrive.

    :param written: print of what a document wrote last; empty when that is not known.
    :param written_at: when it did, naive UTC.
    :param edited_at: when somebody changed it since, where Odoo tracks that.
    :param edited_by: who did, for people.
    """

    written: str = ""
    written_at: datetime | None = None
    edited_at: datetime | None = None
    edited_by: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of one record when values arrive for it, for all its fields.

    :param memory: field → `Memory`.
    :param protected: fields whose protecting condition holds on the record.
    :param gates: field → id of the approval rule that its change needs.
    :param line_gates: list of lines → the approval rules that hold for its lines, the
        first to decide first (`lines.Gate`).
    :param granted: fields that a person has decided on: no gate, protection or conflict
        holds them up. Write policies that nobody can lift still do.
    :param settled: (field, print of the arriving value) → "rejected".
    :param said_at: when the writer's record was last changed, naive UTC.
    :param held_at: field → when the holder's value was last changed, naive UTC; under
        "" for fields that are not there.
    :param held_by: who changed the holder's record last, for people.
    :param edited_by: field → who changed it, for people, where that is known.
    """

    memory: Mapping[str, Memory] = field(default_factory=dict)
    protected: frozenset[str] = frozenset()
    gates: Mapping[str, int] = field(default_factory=dict)
    line_gates: Mapping[str, Any] = field(default_factory=dict)
    granted: frozenset[str] = frozenset()
    settled: Mapping[tuple[str, str], str] = field(default_factory=dict)
    said_at: datetime | None = None
    held_at: Mapping[str, datetime] = field(default_factory=dict)
    held_by: str = ""
    edited_by: Mapping[str, str] = field(default_factory=dict)

    def held_moment(self, name: str) -> datetime | None:
        """Return when the holder's value of a field was last changed, if that is known."""
        return self.held_at.get(name) or self.held_at.get("")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one arriving value, and why.

    :param violation: a system that does not own the field tried to change it, or did.
    """

    action: str
    reason: str = ""
    violation: bool = False


NOTHING_KNOWN = Situation()
_WRITTEN = Verdict(WRITE)


def decide(
    name: str,
    terms: Terms,
    before: Any,
    after: Any,
    *,
    exists: bool,
    situation: Situation = NOTHING_KNOWN,
) -> Verdict:
    """Say what becomes of a value that arrives for a field and differs from what is there.

    :param terms: from the writer's side: the owner `REMOTE` is the writer.
    :param before: the holder's value.
    :param after: the writer's value, not the same as `before`.
    :param exists: whether the holder has the record; a new one takes every value.
    """
    if not exists:
        return _WRITTEN
    if terms.policy == "create_only":
        return Verdict(KEEP, "create_only")
    if terms.policy == "fill_empty" and not is_empty(before):
        return Verdict(KEEP, "filled")
    if name in situation.granted:
        return _WRITTEN
    verdict = _by_owner(name, terms, before, after, situation)
    if verdict.action == ASK:
        return _unless_settled(name, after, verdict, situation)
    if verdict.action != WRITE:
        return verdict
    held_back = ""
    if terms.policy == "protected" and name in situation.protected:
        held_back = "protected"
    elif name in situation.gates:
        held_back = "approval"
    if not held_back:
        return verdict
    return _unless_settled(name, after, Verdict(PROPOSE, held_back, verdict.violation), situation)


def _unless_settled(name: str, after: Any, verdict: Verdict, situation: Situation) -> Verdict:
    """A change that was rejected is not brought up again."""
    known = situation.settled.get((name, print_of(after)))
    return Verdict(KEEP, known, verdict.violation) if known else verdict


def _by_owner(name: str, terms: Terms, before: Any, after: Any, situation: Situation) -> Verdict:
    memory = situation.memory.get(name) or Memory()
    news = not memory.said or memory.said != print_of(after)
    contested = not memory.held or memory.held != print_of(before)
    if terms.owner == REMOTE:
        if not terms.needs_memory or terms.conflict == "owner":
            return Verdict(WRITE, violation=bool(memory.held) and contested)
        if not contested:
            return Verdict(WRITE)
    elif not news:
        return Verdict(KEEP, "unchanged")
    elif terms.owner == SHARED and not contested:
        return Verdict(WRITE)
    if not news:
        return Verdict(KEEP, "unchanged")
    return _by_conflict(name, terms, before, contested, situation)


def _by_conflict(
    name: str, terms: Terms, before: Any, contested: bool, situation: Situation
) -> Verdict:
    foreign = terms.owner == ODOO  # the writer is not the system of record
    if terms.conflict == "fill_empty":
        return Verdict(WRITE) if is_empty(before) else Verdict(KEEP, "filled", foreign)
    if terms.conflict == "newest":
        return _by_age(name, contested, foreign, situation)
    if terms.conflict == "ask" or terms.owner == SHARED:
        # Nobody owns a shared field: without another rule a person decides.
        return Verdict(ASK, "conflict", foreign)
    return Verdict(KEEP, "not_owner", True)


def _by_age(name: str, contested: bool, foreign: bool, situation: Situation) -> Verdict:
    if not contested:
        return Verdict(WRITE, violation=foreign)
    held_at = situation.held_moment(name)
    if held_at is None or situation.said_at is None:
        return Verdict(ASK, "conflict", foreign)
    if situation.said_at > held_at:
        return Verdict(WRITE, violation=foreign)
    return Verdict(KEEP, "older", foreign)


def is_empty(value: Any) -> bool:
    """Return whether a value is nothing to Odoo (0 is something)."""
    return normal(value) is None


def same(before: Any, after: Any) -> bool:
    """Return whether two values mean the same to Odoo."""
    return normal(before) == normal(after)


def same_when_sent(one: Any, other: Any) -> bool:
    """Return whether two values are the same to providers, which send back texts of their own spelling."""
    return _spelled(one) == _spelled(other)


def _spelled(value: Any) -> Any:
    text = "" if value is None or value is False else str(value).strip().lower()
    if text == "false":
        return ""
    try:
        return Decimal(text).normalize()
    except InvalidOperation:
        return text


def normal(value: Any) -> Any:
    """Return a value in the one spelling in which equal values are equal."""
    if type(value) is str:  # what most values are
        return value or None
    if value is None or value is False:
        return None
    if isinstance(value, bool):
        return True
    if isinstance(value, (int, float, Decimal)):
        # Odoo stores floats; ten digits are beyond any of its precisions.
        return round(Decimal(str(value)), 10)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (list, tuple, set, frozenset)):
        return frozenset(value) or None
    return value


def print_of(value: Any) -> str:
    """Return a short print of a value; equal values have equal prints."""
    plain = normal(value)
    if isinstance(plain, frozenset):
        plain = sorted(map(repr, plain))
    elif isinstance(plain, Decimal):
        plain = ("number", format(plain.normalize(), "f"))
    return hashlib.blake2b(repr(plain).encode(), digest_size=8).hexdigest()


def moment_of(version: str) -> datetime | None:
    """Return the moment that a version says, naive UTC, or None when it says none.

    ISO 8601 with or without an offset, and Unix times in milliseconds, are understood.
    """
    text = version.strip()
    if "~" in text:
        # A person edited the document: his decision is as old as the edit.
        text = text.partition("~")[2]
    if text.isdigit():
        # Plain counters sort in time order, too, but tell no time.
        return _EPOCH + timedelta(milliseconds=int(text)) if len(text) == 13 else None
    try:
        parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if parsed.tzinfo:
        parsed = (parsed - parsed.utcoffset()).replace(tzinfo=None)
    return parsed
