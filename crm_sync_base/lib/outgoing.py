"""A record on its way to the provider, from rendering to result."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from .fingerprint import fingerprint

#: verdicts after which nothing is left to do for a record in this run
SETTLED = ("unchanged", "not_needed", "skipped", "differs")


class Outgoing:
    """One Odoo record that a job or a page of a run is about.

    In the end it has either an `intent`, which is what to write, or an `outcome`.
    """

    __slots__ = ("binding", "intent", "job", "note", "outcome", "present", "record", "res_id")

    def __init__(self, job, res_id):
        self.job = job
        self.res_id = res_id
        self.record = None  # the Odoo record, empty when it was deleted
        self.binding = None  # of the remote record, once that is known
        self.intent = None  # {"external_id", "values", "fingerprint", "key"}
        self.outcome = None  # an `Outcome`, when nothing is written
        self.present = None  # the `Document` that the provider has now, where it was read
        self.note = ""  # for people, besides its verdict

    @property
    def verdict(self) -> str:
        """What becomes of the record, in the one word of its line in a run."""
        if self.intent:
            return "update" if self.intent["external_id"] else "create"
        if self.outcome.error:
            return "conflict" if self.outcome.error.code == "conflict" else "blocked"
        return self.outcome.verdict or "skipped"

    @property
    def is_settled(self) -> bool:
        """Whether it need not be sent: nothing is to be written, and nothing is in the way."""
        return self.verdict in SETTLED


def digest(intent: Mapping[str, Any], mapping_id: int) -> str:
    """Return a digest that is equal as long as the call would be the same one.

    :param intent: its key is left out: each call has its own.
    """
    return fingerprint([intent["external_id"], intent["values"], mapping_id])


def altered(planned: Mapping[str, Any], intent: Mapping[str, Any]) -> list[str]:
    """Return the remote paths whose value is not the planned one any more.

    :param planned: {path: [before, after]}, as the ledger keeps them; what the provider
        had already is not among them.
    """
    now = {path: _kept(value) for path, value in intent["values"].items()}
    then = {path: _kept(after) for path, (_before, after) in planned.items()}
    return sorted(path for path in then if now.get(path) != then[path])


def differences(values: Mapping[str, Any], present: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """Return `{path: [what the provider has, what it is to have]}` of values that differ.

    :param present: {path: value} of what the provider has; None where nobody has looked.
    """
    if present is None:
        return {path: [None, value] for path, value in values.items()}
    return {
        path: [present.get(path), value]
        for path, value in values.items()
        if _text(present.get(path)) != _text(value)
    }


def _kept(value: Any) -> str:
    """Return a value as text, equal before and after it was kept as JSON."""
    return "" if value is None else str(value)


def _text(value: Any) -> str:
    """Return a value as text, equal for what both sides spell in their own way."""
    if value in (None, ""):
        return ""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return format(Decimal(str(value)).normalize(), "f")
    if isinstance(value, (list, tuple)):
        return "|".join(sorted(map(str, value)))
    return str(value)
