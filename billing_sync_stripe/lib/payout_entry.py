"""From the plan of a payout to the lines of its entry: which account takes what.

The payment of a charge and its fee are booked when the charge succeeds, both through
the clearing account. A payout therefore clears charges with their fees; what nothing
in the books explains yet goes where its kind belongs, or to suspense.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from . import const
from .balance import Movement
from .payout_plan import PayoutPlan

#: Who takes a line of the entry.
TRANSIT, CLEARING, FEES, SUSPENSE = "transit", "clearing", "fees", "suspense"

#: Bucket -> account. Charges come first, see `_parts`.
_ACCOUNTS = {
    const.FEE: FEES,
    const.OTHER_PAYOUT: TRANSIT,
    # The entry of the payout that came back was reversed on the clearing account.
    const.PAYOUT_REVERSAL: CLEARING,
}


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One line of the entry.

    :param account: one of the words above.
    :param bucket: one of `const`: what it is about.
    :param amount: in the payout's currency, debit positive.
    :param count: balance transactions behind it.
    """

    account: str
    bucket: str
    amount: Decimal
    count: int


def is_complete(payout: Mapping[str, Any]) -> bool:
    """Return whether the money left Stripe and Stripe says what it was made of."""
    return (
        payout.get("status") == "paid"
        and bool(payout.get("automatic"))
        and payout.get("reconciliation_status") == "completed"
    )


def entry_lines(plan: PayoutPlan) -> tuple[EntryLine, ...]:
    """Return the lines of a payout's entry; they add up to zero as the plan does.

    The first one is the payout itself. Lines without money are left out.
    """
    amounts: dict[tuple[str, str], Decimal] = {}
    counts: dict[tuple[str, str], int] = {}
    for movement in plan.movements:
        for account, bucket, amount in _parts(movement):
            key = (account, bucket)
            amounts[key] = amounts.get(key, Decimal(0)) + amount
            counts[key] = counts.get(key, 0) + 1
    first = EntryLine(TRANSIT, const.BANK, plan.amount, 1)
    rest = (EntryLine(*key, amount, counts[key]) for key, amount in sorted(amounts.items()))
    return tuple(line for line in (first, *rest) if line.amount)


def _parts(movement: Movement) -> list[tuple[str, str, Decimal]]:
    """Return (account, bucket, amount) of a movement's gross and of its fee."""
    bucket = const.BUCKETS.get(movement.category, const.SUSPENSE)
    is_charge = movement.category == "charge"
    account = CLEARING if is_charge else _ACCOUNTS.get(bucket, SUSPENSE)
    parts = [(account, bucket, -movement.gross)]
    if movement.fee:
        parts.append((CLEARING if is_charge else FEES, const.FEE, movement.fee))
    return parts


def convert(lines: tuple[EntryLine, ...], rate: Decimal, digits: int) -> tuple[Decimal, ...]:
    """Return the lines' balances in the company's currency, which add up to zero.

    Each is rounded on its own but the first: the payout's takes what is left, so that
    the rounding of the conversion needs no line of its own.

    :param rate: units of the company's currency for one of the payout's.
    :param digits: decimals of the company's currency.
    """
    unit = Decimal(1).scaleb(-digits)
    rest = tuple((line.amount * rate).quantize(unit, ROUND_HALF_UP) for line in lines[1:])
    return (-sum(rest, Decimal(0)), *rest)
