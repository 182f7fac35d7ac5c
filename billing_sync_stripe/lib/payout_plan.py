"""From a payout and its balance transactions to a balanced accounting plan.

Stripe pays out one amount for many charges, refunds, fees and disputes. The plan says
which part belongs where; its lines always add up to zero, because everything is
checked first and nothing is ever made to fit: there is no balancing line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, DataInvalid, NotReady, Transient

from . import const
from .balance import Movement, day_of, read_movement
from .money import from_minor

#: Seconds until we look again at a payout whose contents Stripe is still working out,
#: should the event that announces them never arrive.
RECONCILING_WAIT = 900.0


class PayoutStillReconciling(Transient):
    """Stripe has not finished saying what the payout contains; it announces it."""


class PayoutNotReconcilable(NotReady):
    """Stripe cannot say what a manual or instant payout contains; match it by amount."""


class PayoutNotPaid(NotReady):
    """The payout failed or was canceled: there is nothing in the bank to book."""


class PayoutNetMismatch(AmountMismatch):
    """The transactions do not add up to the payout; something is missing or too many."""


class PayoutCurrencyMismatch(DataInvalid):
    """A transaction has another currency than the payout."""


class PayoutDuplicateTransaction(DataInvalid):
    """The same transaction was listed twice."""


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of the entry.

    :param bucket: one of `const`: what kind of account takes it.
    :param amount: debit positive, credit negative.
    :param movement_ids: balance transactions behind it, oldest first.
    """

    bucket: str
    amount: Decimal
    movement_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PayoutPlan:
    """A payout as one entry, in its settlement currency.

    :param amount: what reaches the bank; negative when Stripe debits it.
    :param lines: balanced; the bank first, then one for each bucket that has money.
    :param movements: all transactions inside, without the payout's own, oldest first.
    :param unknown: reporting categories that went to suspense.
    """

    payout_id: str
    currency: str
    amount: Decimal
    arrival_date: date | None
    trace: str
    lines: tuple[PlanLine, ...]
    movements: tuple[Movement, ...]
    unknown: tuple[str, ...]

    @property
    def fee(self) -> Decimal:
        """What Stripe kept in all."""
        return self.total(const.FEE)

    def total(self, bucket: str) -> Decimal:
        """Return the sum of a bucket's line, debit positive."""
        return sum((line.amount for line in self.lines if line.bucket == bucket), Decimal(0))


def plan_payout(payout: Mapping[str, Any], transactions: Iterable[Mapping[str, Any]]) -> PayoutPlan:
    """Plan the entry of an automatic payout.

    :param payout: the payout's JSON object.
    :param transactions: everything that `GET /v1/balance_transactions?payout=` lists,
        in any order, with or without the payout's own transaction.
    :raises PayoutNotPaid, PayoutNotReconcilable, PayoutStillReconciling: not now.
    :raises PayoutNetMismatch, PayoutCurrencyMismatch, PayoutDuplicateTransaction:
        the list is not what the payout says; nothing is planned.
    """
    _check_ready(payout)
    id_ = payout["id"]
    currency = payout["currency"].upper()
    amount = from_minor(payout["amount"], currency)
    movements = _read_all(id_, currency, transactions)
    inside = [movement for movement in movements if not _is_own(movement, id_)]
    _check_own(id_, amount, [movement for movement in movements if _is_own(movement, id_)])
    _check_total(id_, currency, amount, inside)
    lines = (PlanLine(const.BANK, amount), *_lines(inside))
    return PayoutPlan(
        payout_id=id_,
        currency=currency,
        amount=amount,
        arrival_date=day_of(payout.get("arrival_date")),
        trace=_trace(payout),
        lines=lines,
        movements=tuple(inside),
        unknown=tuple(sorted({m.category for m in inside if m.category not in const.BUCKETS})),
    )


def _check_ready(payout: Mapping[str, Any]) -> None:
    id_, status = payout.get("id"), payout.get("status")
    if status in ("failed", "canceled"):
        raise PayoutNotPaid(f"Payout {id_} is {status}: nothing arrives at the bank.")
    reconciliation = payout.get("reconciliation_status")
    if not payout.get("automatic") or reconciliation == "not_applicable":
        raise PayoutNotReconcilable(
            f"Payout {id_} was made by hand: Stripe cannot say what it contains.",
            hint="Match it with the bank statement by its amount.",
        )
    if reconciliation != "completed":
        raise PayoutStillReconciling(
            f"Stripe is still working out what payout {id_} contains.", retry_after=RECONCILING_WAIT
        )


def _read_all(payout_id: str, currency: str, transactions: Iterable[Mapping[str, Any]]) -> list[Movement]:
    """Return the movements, oldest first, each once and in the payout's currency."""
    documents = sorted(transactions, key=lambda one: (one.get("created") or 0, one.get("id") or ""))
    movements = [read_movement(document) for document in documents]
    seen: set[str] = set()
    for movement in movements:
        if movement.id in seen:
            raise PayoutDuplicateTransaction(f"Payout {payout_id} lists balance transaction {movement.id} twice.")
        seen.add(movement.id)
        if movement.currency != currency:
            raise PayoutCurrencyMismatch(
                f"Payout {payout_id} is in {currency}, but its balance transaction {movement.id} "
                f"is in {movement.currency}."
            )
    return movements


def _is_own(movement: Movement, payout_id: str) -> bool:
    """Whether it is the payout leaving the balance, and not one of its contents."""
    return movement.source_id == payout_id


def _check_own(payout_id: str, amount: Decimal, own: list[Movement]) -> None:
    for movement in own:
        if movement.net != -amount:
            raise PayoutNetMismatch(
                f"Payout {payout_id} is {amount} {movement.currency}, but {-movement.net} left the Stripe balance."
            )


def _check_total(payout_id: str, currency: str, amount: Decimal, inside: list[Movement]) -> None:
    total = sum((movement.net for movement in inside), Decimal(0))
    if total != amount:
        raise PayoutNetMismatch(
            f"Payout {payout_id} is {amount} {currency}, but its {len(inside)} transactions "
            f"add up to {total} {currency}.",
            hint="Read the payout again; if the difference stays, ask Stripe which transaction is missing.",
            fingerprint="stripe: payout does not add up",
        )


def _lines(inside: list[Movement]) -> list[PlanLine]:
    """Return one line for each bucket with money, in the order of `const.BUCKETS`.

    The gross of a movement goes to its category's bucket, its fee to the fees; money
    that entered the Stripe balance is a credit here, as it leaves it for the bank.
    A fee of its own has no gross: all of it is fee.
    """
    totals: dict[str, Decimal] = {}
    ids: dict[str, list[str]] = {}

    def add(bucket: str, amount: Decimal, movement: Movement) -> None:
        """Add an amount to a bucket, and its movement once to what the bucket is made of."""
        totals[bucket] = totals.get(bucket, Decimal(0)) + amount
        if not ids.setdefault(bucket, []) or ids[bucket][-1] != movement.id:
            ids[bucket].append(movement.id)

    for movement in inside:
        add(const.BUCKETS.get(movement.category, const.SUSPENSE), -movement.gross, movement)
        if movement.fee:
            add(const.FEE, movement.fee, movement)
    order = [*dict.fromkeys(const.BUCKETS.values()), const.SUSPENSE]
    # A bucket whose money adds up to nothing still names its transactions.
    return [PlanLine(bucket, totals[bucket], tuple(ids[bucket])) for bucket in order if bucket in totals]


def _trace(payout: Mapping[str, Any]) -> str:
    """Return the reference that the bank statement shows, "" while Stripe has none."""
    trace = payout.get("trace_id")
    return (trace.get("value") or "") if isinstance(trace, Mapping) else ""
