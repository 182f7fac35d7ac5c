"""Amounts between Decimal and Stripe's integers, exact or not at all."""

from __future__ import annotations

from decimal import Decimal

from odoo.addons.crm_sync_base.lib.errors import DataInvalid, MappingMissing

from . import const


def exponent(currency: str) -> int:
    """Return how many decimals Stripe's amounts in a currency have (0, 2 or 3).

    :param currency: ISO code, in either case.
    :raises MappingMissing: Stripe does not know the currency.
    """
    try:
        return const.EXPONENTS[currency.upper()]
    except (KeyError, AttributeError):
        raise MappingMissing(
            f"Stripe does not support the currency {currency!r}.",
            hint="Charge in a currency that Stripe supports.",
        ) from None


def to_minor(amount: Decimal, currency: str) -> int:
    """Return an amount in the integer units of Stripe's API.

    :param amount: units of the currency; a Decimal (or int), never a float.
    :raises DataInvalid: the currency cannot express the amount. Nothing is rounded.
    """
    if isinstance(amount, bool) or not isinstance(amount, (Decimal, int)):
        raise DataInvalid(f"An amount must be a Decimal, not {type(amount).__name__}.")
    value = Decimal(amount)
    if not value.is_finite():
        raise DataInvalid(f"{value} is not an amount.")
    units = value.scaleb(exponent(currency))
    if units != units.to_integral_value():
        raise DataInvalid(f"{value} {currency.upper()} has more decimals than Stripe can charge.")
    _check_digits(int(units), value, currency.upper())
    return int(units)


def _check_digits(units: int, value: Decimal, currency: str) -> None:
    if currency in const.WHOLE_UNITS_ONLY and units % 100:
        raise DataInvalid(f"Stripe charges {currency} in whole units only, not {value}.")
    if currency in const.THREE_DECIMAL and units % 10:
        raise DataInvalid(f"Stripe wants the last of the three decimals of {currency} to be 0, not {value}.")


def to_payout_minor(amount: Decimal, currency: str) -> int:
    """Return the amount of a payout in integer units; stricter than a charge's.

    :raises DataInvalid: also when the currency is paid out in whole units only.
    """
    units = to_minor(amount, currency)
    if currency.upper() in const.WHOLE_UNIT_PAYOUTS and units % 100:
        raise DataInvalid(f"Stripe pays out {currency.upper()} in whole units only, not {amount}.")
    return units


def from_minor(units: int, currency: str) -> Decimal:
    """Return integer units of Stripe's API as an amount of the currency.

    :param units: as Stripe sent it; anything but an int is refused, because it would
        mean that we read the wrong member.
    :return: a Decimal with exactly the currency's decimals at Stripe.
    """
    if isinstance(units, bool) or not isinstance(units, int):
        raise DataInvalid(f"An amount of Stripe's must be a whole number, not {type(units).__name__}.")
    return Decimal(units).scaleb(-exponent(currency))


def to_ledger(amount: Decimal, digits: int) -> Decimal:
    """Return an amount with the decimals of the ledger, if it can be expressed there.

    A fee of 12.34 HUF cannot be booked where the forint has no decimals: the document
    is blocked rather than rounded.

    :param digits: decimal places of the currency in Odoo.
    :raises DataInvalid: digits would be lost.
    """
    value = amount.quantize(Decimal(1).scaleb(-digits)) if amount.is_finite() else amount
    if value != amount:
        raise DataInvalid(
            f"{amount} cannot be booked with {digits} decimals.",
            hint="Raise the currency's rounding factor in Odoo to the decimals that Stripe uses.",
        )
    return value
