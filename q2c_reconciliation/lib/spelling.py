"""How a compared value is written for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from odoo.addons.q2c_sale.lib import facts as f
from odoo.addons.q2c_sale.lib import totals
from odoo.addons.q2c_sale.lib.facts import DealFacts

from .compare import ANSWER, RECORD, Comparison, Row, Statement


@dataclass(frozen=True, slots=True)
class Words:
    """What depends on the reader's language and on the currencies that exist.

    :param unread: with one `%s` for the reason.
    :param facts: `{fact: {value: word}}`, for flags and words; others stay as they are.
    :param digits: currency code → decimals.
    """

    unread: str = "could not be read: %s"
    read: str = "read"
    deleted: str = "deleted"
    present: str = "there"
    empty: str = "(empty)"
    yes: str = "yes"
    no: str = "no"
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    digits: Mapping[str, int] = field(default_factory=dict)


def spell_row(comparison: Comparison, row: Row, words: Words) -> dict[str, str]:
    """Return `{role: text}` of a row; several systems of a role have a line each."""
    texts: dict[str, list[str]] = {role: [] for role in f.ROLES}
    for statement, value in zip(comparison.statements, row.values):
        text = _cell(statement, row.fact, value, words)
        if text:
            shared = sum(other.role == statement.role for other in comparison.statements) > 1
            texts[statement.role].append(f"{statement.system}: {text}" if shared else text)
    return {role: "\n".join(lines) for role, lines in texts.items()}


def _cell(statement: Statement, fact: str, value: Any, words: Words) -> str:
    if fact == ANSWER:
        return words.read if statement.is_read else words.unread % value
    if value is None:
        return ""
    if fact == RECORD:
        return words.deleted if value else words.present
    return _spell(statement.facts, fact, value, words)


def _spell(facts: DealFacts, fact: str, value: Any, words: Words) -> str:
    kind = f.KINDS[fact]
    if kind == f.FLAG:
        return words.yes if value else words.no
    if kind in (f.MONEY, f.FEE):
        return _amount(value, facts.currency if kind == f.MONEY else facts.fee_currency, facts.currency, words)
    if kind == f.CODES:
        return ", ".join(sorted(value)) or words.empty
    return words.facts.get(fact, {}).get(value) or str(value) or words.empty


def _amount(value: Any, currency: str | None, usual: str | None, words: Words) -> str:
    """Return an amount; without a currency of its own it has the digits of the deal's."""
    text = totals.spell(value, words.digits.get(currency or usual or "", 0))
    return f"{text} {currency}" if currency else text
