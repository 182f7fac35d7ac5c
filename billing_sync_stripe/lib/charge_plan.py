"""From a charge and its balance transaction to the payment that is booked.

The buyer pays in one currency (the charge's), Stripe settles in another or the same
(the balance transaction's). The payment is registered with what the buyer paid; fee
and net are known in the settlement currency only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, DataInvalid, NotReady, Transient

from .balance import Movement, moment_of, read_movement
from .money import exponent, from_minor

#: Seconds until we look again for the balance transaction of a charge.
SETTLING_WAIT = 300.0


class ChargeNotPaid(NotReady):
    """The charge failed, is pending or was never captured: no payment to book."""


class ChargeNotSettled(Transient):
    """The charge succeeded, but Stripe has not yet written its balance transaction."""


class ChargeTransactionMismatch(DataInvalid):
    """The balance transaction belongs to another charge."""


class ChargeAmountMismatch(AmountMismatch):
    """Charge, balance transaction and document do not agree; all amounts are named."""


@dataclass(frozen=True, slots=True)
class ChargePlan:
    """A payment as it is booked.

    :param amount: what the buyer paid, in `currency`.
    :param settled: the same money in `settled_currency`; equal when not converted.
    :param fee: what Stripe kept, in `settled_currency`.
    :param net: `settled - fee`, what a payout will contain.
    :param exchange_rate: units of `settled_currency` for one of `currency`; None when
        both are the same.
    :param paid_at: naive UTC.
    """

    charge_id: str
    payment_intent_id: str
    customer_id: str
    balance_transaction_id: str
    amount: Decimal
    currency: str
    settled: Decimal
    settled_currency: str
    fee: Decimal
    net: Decimal
    exchange_rate: Decimal | None
    paid_at: datetime | None
    available_on: date | None
    refunded: Decimal
    disputed: bool

    @property
    def is_converted(self) -> bool:
        """Whether Stripe exchanged the money."""
        return self.settled_currency != self.currency


def plan_charge(
    charge: Mapping[str, Any],
    transaction: Mapping[str, Any] | None = None,
    *,
    expected: Decimal | None = None,
    expected_currency: str | None = None,
) -> ChargePlan:
    """Plan the payment of a charge.

    :param charge: the charge's JSON object.
    :param transaction: its balance transaction; None takes the expanded one inside.
    :param expected: amount that the document asked for, in `expected_currency`.
    :raises ChargeNotPaid, ChargeNotSettled: not now.
    :raises ChargeTransactionMismatch, ChargeAmountMismatch: what Stripe says does not
        fit together, or not to the document; nothing is planned.
    """
    _check_paid(charge)
    movement = _movement(charge, transaction)
    currency = charge["currency"].upper()
    amount = from_minor(charge["amount_captured"], currency)
    _check_movement(charge, movement, amount, currency)
    _check_expected(charge, amount, currency, expected, expected_currency)
    return ChargePlan(
        charge_id=charge["id"],
        payment_intent_id=_id(charge.get("payment_intent")),
        customer_id=_id(charge.get("customer")),
        balance_transaction_id=movement.id,
        amount=amount,
        currency=currency,
        settled=movement.gross,
        settled_currency=movement.currency,
        fee=movement.fee,
        net=movement.net,
        exchange_rate=_rate(movement, currency),
        paid_at=moment_of(charge.get("created")),
        available_on=movement.available_on,
        refunded=from_minor(charge.get("amount_refunded") or 0, currency),
        disputed=bool(charge.get("disputed")),
    )


def _check_paid(charge: Mapping[str, Any]) -> None:
    id_, status = charge.get("id"), charge.get("status")
    if status != "succeeded" or not charge.get("paid"):
        raise ChargeNotPaid(f"Charge {id_} is {status}: nothing was collected.")
    if not charge.get("captured") or not charge.get("amount_captured"):
        raise ChargeNotPaid(f"Charge {id_} is authorised, but not captured: nothing was collected yet.")


def _movement(charge: Mapping[str, Any], transaction: Mapping[str, Any] | None) -> Movement:
    if transaction is None:
        transaction = charge.get("balance_transaction")
    if not isinstance(transaction, Mapping):
        raise ChargeNotSettled(
            f"Charge {charge['id']} has no balance transaction to read yet.", retry_after=SETTLING_WAIT
        )
    return read_movement(transaction)


def _check_movement(charge: Mapping[str, Any], movement: Movement, amount: Decimal, currency: str) -> None:
    id_ = charge["id"]
    named = _id(charge.get("balance_transaction"))
    if movement.source_id != id_ or movement.category != "charge" or named not in ("", movement.id):
        raise ChargeTransactionMismatch(f"Balance transaction {movement.id} does not belong to charge {id_}.")
    if movement.currency == currency:
        if movement.gross != amount:
            raise ChargeAmountMismatch(
                f"Charge {id_} is {amount} {currency}, but {movement.gross} {currency} reached the Stripe balance."
            )
        return
    if movement.exchange_rate is None:
        raise ChargeAmountMismatch(
            f"Charge {id_} is in {currency}, its money in {movement.currency}, and Stripe names no exchange rate."
        )
    _check_conversion(id_, movement, amount, currency)


def _check_conversion(id_: str, movement: Movement, amount: Decimal, currency: str) -> None:
    """Amount times rate is what was settled, but for the rounding of both.

    Stripe shows the rate with about six significant digits, hence the allowance of a
    hundred thousandth of the amount beside the last unit. It only guards against
    nonsense: what is booked is what Stripe settled.
    """
    computed = amount * _rate(movement, currency)
    unit = Decimal(1).scaleb(-exponent(movement.currency))
    if abs(computed - movement.gross) > unit + abs(movement.gross) / 100_000:
        raise ChargeAmountMismatch(
            f"Charge {id_}: {amount} {currency} at {_rate(movement, currency)} is {computed} {movement.currency}, "
            f"but {movement.gross} {movement.currency} reached the Stripe balance."
        )


def _rate(movement: Movement, currency: str) -> Decimal | None:
    """Return the rate between units of the currencies; Stripe's is between API units."""
    if movement.currency == currency or movement.exchange_rate is None:
        return None
    return movement.exchange_rate.scaleb(exponent(currency) - exponent(movement.currency))


def _check_expected(
    charge: Mapping[str, Any], amount: Decimal, currency: str, expected: Decimal | None, expected_currency: str | None
) -> None:
    if expected is None:
        return
    wanted = (expected_currency or currency).upper()
    if wanted != currency or expected != amount:
        raise ChargeAmountMismatch(
            f"The document asks for {expected} {wanted}, but charge {charge['id']} collected {amount} {currency}.",
            fingerprint="stripe: charge differs from the document",
        )


def _id(value: Any) -> str:
    """Return the id of a member that may be expanded."""
    if isinstance(value, Mapping):
        return value.get("id") or ""
    return value or ""
