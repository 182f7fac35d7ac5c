"""The prices of a deal beside those of the pricelist that governs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PricedLine:
    """One line, net of its discount, exact to the currency's unit.

    :param label: as people know it.
    :param stated: what the source asks for it.
    :param listed: what the pricelist asks for the same quantity.
    """

    label: str
    stated: Decimal
    listed: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more than the pricelist the source asks."""
        return self.stated - self.listed

    def deviates(self, percent: Decimal) -> bool:
        """Return whether it differs by more than so many percent of the pricelist's price.

        Where the pricelist has no price there is nothing to hold it against.
        """
        return abs(self.difference) * 100 > percent * abs(self.listed)


def breaches(lines: Iterable[PricedLine], percent: Decimal) -> list[PricedLine]:
    """Return the lines whose price somebody has to approve.

    :param percent: tolerance, 0 for none.
    """
    return [line for line in lines if line.deviates(percent)]


def worth(lines: Iterable[PricedLine]) -> Decimal:
    """Return what the deviations come to, whichever way they go."""
    return sum((abs(line.difference) for line in lines), Decimal(0))
