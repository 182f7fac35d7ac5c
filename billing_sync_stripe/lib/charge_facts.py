"""What Stripe's documents say of one deal, in the words of `DealFacts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from .balance import read_movement
from .money import from_minor

Charge = Mapping[str, Any]


def collected(charges: Iterable[Charge]) -> list[Charge]:
    """Return the charges by which money was really collected."""
    return [one for one in charges if one.get("status") == "succeeded" and one.get("amount_captured")]


def charge_facts(charges: Sequence[Charge]) -> dict[str, Any]:
    """Return what charges, refunded or not, say of their deal.

    :param charges: every charge of the deal, each once, failed ones too; their balance
        transactions expanded.
    :return: keyword arguments of `DealFacts`. Amounts of several currencies cannot be
        added: they are left out, and all currencies are named.
    """
    paid = collected(charges)
    currencies = sorted({one["currency"].upper() for one in paid})
    facts: dict[str, Any] = {"charged_invoices": _invoices(paid), **_fee(paid)}
    if currencies:
        facts["currency"] = ", ".join(currencies)
    if len(currencies) <= 1:
        facts["amount_charged"] = _sum(paid, "amount_captured")
        facts["amount_refunded"] = _sum(paid, "amount_refunded")
    return facts


def _sum(charges: Sequence[Charge], member: str) -> Decimal:
    return sum((from_minor(one.get(member) or 0, one["currency"]) for one in charges), Decimal(0))


def _invoices(charges: Sequence[Charge]) -> frozenset[str]:
    """Return the invoices that charges name; Stripe copies an intent's metadata to its charge."""
    named = ((one.get("metadata") or {}).get("odoo_invoice") for one in charges)
    return frozenset(filter(None, named))


def _fee(charges: Sequence[Charge]) -> dict[str, Any]:
    """Return what Stripe kept of the charges; nothing until all of them are settled."""
    transactions = [one.get("balance_transaction") for one in charges]
    if not all(isinstance(one, Mapping) for one in transactions):
        return {}
    movements = [read_movement(one) for one in transactions]
    currencies = {movement.currency for movement in movements}
    if len(currencies) > 1:
        return {}
    fee = sum((movement.fee for movement in movements), Decimal(0))
    return {"fee": fee, "fee_currency": next(iter(currencies), None)}


def transaction_ids(charges: Iterable[Charge]) -> list[str]:
    """Return the ids of the balance transactions of charges, as far as they are settled."""
    found = (one.get("balance_transaction") for one in charges)
    return [one["id"] if isinstance(one, Mapping) else one for one in found if one]
