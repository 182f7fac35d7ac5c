"""Exact totals: what the source says, what Odoo says, and where they differ.

All amounts are `Decimal`. Odoo keeps amounts as binary floats; `from_float` is
the only way in, and it is exact as long as `fits` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Any

_WIDE = Context(prec=100)  # normalising must never round
_HUGE = 18  # digits before the point that no field of Odoo holds exactly

#: the parts of a document's totals, in the order in which people read them
PARTS = ("untaxed", "tax", "total")


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals of one document; None means that the source does not say."""

    untaxed: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal | None = None

    def part(self, name: str) -> Decimal | None:
        """Return one of `PARTS`."""
        return getattr(self, name)


@dataclass(frozen=True, slots=True)
class Difference:
    """One part of the totals that is not equal."""

    part: str
    ours: Decimal
    theirs: Decimal


def read(value: Any) -> Decimal | None:
    """Return an amount from text or from a JSON number; None when it is empty.

    A float counts by its shortest spelling, which is what was in the document.

    :raises ValueError: when it is not a number, or one of absurd size.
    """
    if value is None or value is False or value == "":
        return None
    try:
        amount = value if isinstance(value, Decimal) else Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"{value!r} is not an amount") from None
    if not amount.is_finite() or amount.adjusted() > 2 * _HUGE:
        raise ValueError(f"{value!r} is not an amount")
    return amount


def unit(digits: int) -> Decimal:
    """Return the smallest unit of a currency: 0.01 for two digits."""
    return Decimal(1).scaleb(-digits)


def decimals(value: Decimal) -> int:
    """Return how many digits after the point a value needs; trailing zeros do not count."""
    return max(0, -value.normalize(_WIDE).as_tuple().exponent)


def spell(amount: Decimal, digits: int) -> str:
    """Return the one spelling of an amount: all digits that it has, at least `digits`.

    >>> spell(Decimal("1234.5"), 2), spell(Decimal("0.125"), 2)
    ('1234.50', '0.125')
    """
    return format(amount or Decimal(0), f".{max(digits, decimals(amount))}f")


def from_float(amount: float, digits: int) -> Decimal:
    """Return an amount that Odoo holds in a float, exact to the currency's unit."""
    return Decimal(repr(float(amount))).quantize(unit(digits), ROUND_HALF_UP)


def fits(value: Decimal, digits: int | None) -> bool:
    """Return whether a field can hold a value without changing it.

    :param digits: decimals that the field keeps; None when it keeps what a float
        holds.
    """
    if value.adjusted() >= _HUGE or (digits is not None and decimals(value) > digits):
        return False
    return Decimal(repr(float(value))) == value


def misfits(totals: Totals, digits: int) -> tuple[str, ...]:
    """Return the parts of the source's totals that the currency cannot hold."""
    return tuple(
        part for part in PARTS if totals.part(part) is not None and not fits(totals.part(part), digits)
    )


def adds_up(totals: Totals) -> bool:
    """Return whether untaxed and tax make the total, where the source gives all three."""
    if None in (totals.untaxed, totals.tax, totals.total):
        return True
    return totals.untaxed + totals.tax == totals.total


def differences(ours: Totals, theirs: Totals) -> tuple[Difference, ...]:
    """Return every part that is not exactly equal; what the source leaves out is not compared."""
    return tuple(
        Difference(part, ours.part(part), theirs.part(part))
        for part in PARTS
        if theirs.part(part) is not None and ours.part(part) != theirs.part(part)
    )
