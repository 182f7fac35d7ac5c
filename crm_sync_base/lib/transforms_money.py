"""Money that crosses the border: exact, in the currency of the record, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from .transform_types import Context, Money, TransformProblem, as_text, is_empty


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency as Odoo has it."""

    code: str
    digits: int


def _amount(value: Any, context: Context) -> Decimal:
    try:
        amount = Decimal(as_text(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or abs(amount.adjusted()) > 20:
        raise TransformProblem(f"{context.label} is {value!r}, which is not an amount")
    return amount


def _code(context: Context) -> str:
    code = context.neighbour(context.argument) if context.argument else None
    if code is None:
        raise TransformProblem(f"{context.label}: the currency is empty")
    return as_text(code).upper()


def money(value: Any, context: Context) -> Money | None:
    """Return an amount with its currency, to be held against the record's.

    The argument says which currency: a path in the document, or `=EUR`.
    """
    return None if is_empty(value) else Money(_amount(value, context), _code(context))


def money_minor(value: Any, context: Context) -> Money | None:
    """Return an amount that is stated in smallest units (cents), with its currency."""
    return None if is_empty(value) else Money(_amount(value, context), _code(context), minor=True)


def settle(given: Money, record: Currency | None, known: Mapping[str, Currency], label: str) -> Decimal:
    """Return the amount to store, in units of the record's currency.

    :param record: currency of the record's field; None when the field has none.
    :param known: the currencies that Odoo has, by code.
    :raises TransformProblem: when the currency is another one or not known, or when the
        amount has more decimals than the currency. Nothing is converted or rounded.
    """
    currency = known.get(given.currency)
    if currency is None:
        raise TransformProblem(f"{label}: there is no currency “{given.currency}”", "mapping_missing")
    if record is not None and record.code != given.currency:
        raise TransformProblem(
            f"{label} is in {given.currency}, but the record is kept in {record.code}; amounts are not converted"
        )
    amount = given.amount.scaleb(-currency.digits) if given.minor else given.amount
    if amount != round(amount, currency.digits):
        raise TransformProblem(
            f"{label} is {format(amount, 'f')} {currency.code}, which has more than {currency.digits} decimals"
        )
    return amount


def _exact(value: Any, context: Context) -> Decimal:
    # What Odoo keeps as a float means the nearest amount that the currency has.
    amount = Decimal(repr(value)) if isinstance(value, float) else _amount(value, context)
    return amount if context.digits is None else round(amount, context.digits)


def out_money(value: Any, context: Context) -> str:
    """Return an amount as decimal text with the digits of its currency."""
    return format(_exact(value or 0, context), "f")


def out_money_minor(value: Any, context: Context) -> int:
    """Return an amount in smallest units of its currency.

    :raises TransformProblem: when the field has no currency.
    """
    if context.digits is None:
        raise TransformProblem(f"{context.label}: the field has no currency")
    return int(_exact(value or 0, context).scaleb(context.digits))
