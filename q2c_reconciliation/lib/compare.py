"""Compares what several systems say of one deal, fact by fact.

Only what at least two systems know is compared; amounts are equal when they are
exactly equal in the same currency. Nothing is rounded and there is no tolerance.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from odoo.addons.q2c_sale.lib import facts as f
from odoo.addons.q2c_sale.lib.facts import DealFacts

ANSWER = "answer"  #: the row that says which systems could not be read
RECORD = "record"  #: the row that says in which systems the deal was deleted


class Verdict(str, Enum):
    """Of a row, and of a comparison as a whole."""

    EQUAL = "equal"  #: all that know it say the same
    DIFFERENT = "different"  #: at least two say different things
    UNKNOWN = "unknown"  #: a row that fewer than two systems know
    UNREAD = "unread"  #: a row about a system that could not be read
    INCOMPLETE = "incomplete"  #: a comparison without a difference that misses a system


@dataclass(frozen=True, slots=True)
class Statement:
    """What one system says of the deal, or why it says nothing.

    :param role: one of `facts.ROLES`.
    :param facts: None when the system could not be read.
    :param problem: why not, in words for people.
    """

    role: str
    system: str
    facts: DealFacts | None = None
    problem: str = ""

    @property
    def is_read(self) -> bool:
        """Whether the system answered."""
        return self.facts is not None

    def value(self, fact: str) -> Any:
        """Return a fact of this system; None when it does not know."""
        if self.facts is None or self.facts.deleted:
            return None
        return getattr(self.facts, fact)


@dataclass(frozen=True, slots=True)
class Row:
    """One fact in all systems; `values` has one element for each, in their order."""

    fact: str
    values: tuple[Any, ...]
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result: rows in reading order.

    Facts that nobody knows have no row, nor does the emptiness that one system alone
    knows of: no refund, say, of an order for which nothing was ever charged.
    """

    statements: tuple[Statement, ...]
    rows: tuple[Row, ...]
    verdict: Verdict

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have a verdict."""
        return sum(row.verdict is verdict for row in self.rows)


def compare(statements: Iterable[Statement]) -> Comparison:
    """Compare the statements of any number of systems.

    :return: *different* as soon as one row is: that is true whatever a system that
        could not be read would say. *Incomplete* when none is, but a system could not
        be read, or no fact is known to two systems.
    """
    statements = tuple(statements)
    rows = (*_answer_row(statements), *_record_row(statements), *_fact_rows(statements))
    return Comparison(statements, rows, _overall(rows))


def _overall(rows: Sequence[Row]) -> Verdict:
    verdicts = {row.verdict for row in rows}
    if Verdict.DIFFERENT in verdicts:
        return Verdict.DIFFERENT
    if Verdict.UNREAD in verdicts or Verdict.EQUAL not in verdicts:
        return Verdict.INCOMPLETE
    return Verdict.EQUAL


def _answer_row(statements: Sequence[Statement]) -> Iterable[Row]:
    """Say why a system could not be read; "" for those that could."""
    if not all(statement.is_read for statement in statements):
        yield Row(ANSWER, tuple(statement.problem for statement in statements), Verdict.UNREAD)


def _record_row(statements: Sequence[Statement]) -> Iterable[Row]:
    """Say where the deal was deleted: True; False where it is still there."""
    deleted = tuple(statement.facts.deleted if statement.facts else None for statement in statements)
    if any(deleted):
        yield Row(RECORD, deleted, Verdict.DIFFERENT if False in deleted else Verdict.UNKNOWN)


def _fact_rows(statements: Sequence[Statement]) -> Iterable[Row]:
    for fact, kind in f.KINDS.items():
        values = tuple(statement.value(fact) for statement in statements)
        known = [statement for statement, value in zip(statements, values) if value is not None]
        verdict = _verdict(fact, kind, known)
        if verdict is not Verdict.UNKNOWN or any(map(_says_something, values)):
            yield Row(fact, values, verdict)


def _says_something(value: Any) -> bool:
    """Return whether a value is worth a row of its own; "no" is, "nothing" is not."""
    return value is False or bool(value)


def _verdict(fact: str, kind: str, known: Sequence[Statement]) -> Verdict:
    if len(known) < 2:
        return Verdict.UNKNOWN
    keys = {_KEYS[kind](statement.value(fact)) for statement in known}
    same = len(keys) == 1 and len(_currencies(kind, known)) <= 1
    return Verdict.EQUAL if same else Verdict.DIFFERENT


def _currencies(kind: str, known: Sequence[Statement]) -> set[str]:
    """Return the currencies of an amount; a system that does not name one agrees with all."""
    names = {f.MONEY: "currency", f.FEE: "fee_currency"}
    if kind not in names:
        return set()
    found = (getattr(statement.facts, names[kind]) for statement in known)
    return {code.strip() for code in found if code}


def name_key(text: str) -> str:
    """Return what two spellings of one name have in common.

    >>> name_key(" Aurora  Foods") == name_key("AURORA FOODS")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _text_key(text: str) -> str:
    return " ".join(text.split())


#: kind → what two equal values have in common
_KEYS: dict[str, Callable[[Any], Hashable]] = {
    f.FLAG: bool,
    f.NAME: name_key,
    f.CODE: _text_key,
    f.WORD: _text_key,
    f.COUNT: int,
    f.MONEY: Decimal,  # equal Decimals have equal hashes, however many zeros they show
    f.FEE: Decimal,
    f.CODES: lambda codes: frozenset(map(_text_key, codes)),
}
