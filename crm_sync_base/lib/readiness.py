"""Readiness: what must hold before a document may become a record, as a list of values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from . import paths
from .scope import Condition, matches

PRESENT, CONDITION, RECORD = "present", "condition", "record"
_EMPTY = (None, "", [], {}, paths.MISSING)


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of a flow.

    :param message: what is missing when it does not hold, for people.
    :param kind: the document has a value (`PRESENT`), meets conditions (`CONDITION`), or
        an Odoo record that it names meets a domain (`RECORD`), which the caller answers.
    :param path: in the document, for `PRESENT`.
    :param conditions: all of them must be true, for `CONDITION`.
    :param target: Odoo field that holds the record, for `RECORD`.
    :param always: also before an update; else only before a creation.
    """

    message: str
    kind: str
    path: str = ""
    conditions: tuple[Condition, ...] = ()
    target: str = ""
    domain: str = ""
    always: bool = False

    def concerns(self, exists: bool) -> bool:
        """Whether it is asked for a record that exists already, or does not."""
        return self.always or not exists


def missing(checks: Iterable[Check], document: dict[str, Any], exists: bool) -> list[str]:
    """Return the messages of all checks that a document itself answers with no.

    :param exists: whether the document has a record already.
    """
    return [
        check.message
        for check in checks
        if check.kind != RECORD and check.concerns(exists) and not _holds(check, document)
    ]


def _holds(check: Check, document: dict[str, Any]) -> bool:
    if check.kind == PRESENT:
        value = paths.get(document, check.path)
        return value.strip() != "" if isinstance(value, str) else value not in _EMPTY
    try:
        return matches(check.conditions, document)
    except TypeError:
        return False  # what cannot be compared does not meet the condition
