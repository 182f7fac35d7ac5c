"""Currencies, fees and tax in integer minor units, as the payment platform counts them.

Sources: docs.stripe.com/currencies for the special currencies, the support page on
fee rounding ("0.025 rounds up to 0.03, 0.024 down to 0.02": half up).
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from .errors import invalid_request

#: One unit of the API is one unit of the currency.
ZERO_DECIMAL = frozenset(
    "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split()
)
#: 1000 units of the API are one of the currency; the last digit must be 0.
THREE_DECIMAL = frozenset("bhd jod kwd omr tnd".split())
#: Two decimals in the API although the currency has none: 00 only.
WHOLE_UNITS_ONLY = frozenset("isk ugx".split())
#: Payouts in whole units only, although charges may have two decimals.
WHOLE_UNIT_PAYOUTS = frozenset("huf twd".split())

TWO_DECIMAL = frozenset(
    "usd eur gbp chf cad aud nzd sek nok dkk pln czk huf ron bgn isk ugx twd hkd sgd"
    " inr brl mxn zar aed sar thb php myr idr ils try cop pen".split()
)
CURRENCIES = ZERO_DECIMAL | THREE_DECIMAL | TWO_DECIMAL

#: Smallest charge where it is not 50 minor units (docs.stripe.com/currencies).
MINIMUM_CHARGE = {
    "gbp": 30, "dkk": 250, "nok": 300, "sek": 300, "czk": 1500, "huf": 17500,
    "jpy": 50, "mxn": 1000, "pln": 200, "hkd": 400, "ron": 200, "thb": 1000,
    "myr": 200, "aed": 200, "bgn": 100,
}
MAXIMUM_CHARGE = 99_999_999

#: The card fee of the stand-in: 2.9 % and 30 minor units.
FEE_PER_MILLE, FEE_FIXED = 29, 30
DISPUTE_FEE = 1500


def exponent(currency: str) -> int:
    """:return: decimals of the API's amounts in this currency (0, 2 or 3)."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def check_charge(amount: int, currency: str, param: str = "amount") -> None:
    """Refuse amounts that cannot be charged.

    :param amount: minor units.
    :raise StripeError: too small, too large, or digits that the currency lacks.
    """
    minimum = MINIMUM_CHARGE.get(currency, 50 if exponent(currency) == 2 else 1)
    if amount < minimum:
        raise invalid_request(
            f"Amount must be at least {display(minimum, currency)} {currency}",
            code="amount_too_small",
            param=param,
        )
    if amount > MAXIMUM_CHARGE:
        raise invalid_request(
            f"Amount must be no more than {display(MAXIMUM_CHARGE, currency)} {currency}",
            code="amount_too_large",
            param=param,
        )
    check_digits(amount, currency, param)


def check_digits(amount: int, currency: str, param: str = "amount") -> None:
    """Refuse minor units that the currency cannot express.

    The code for ISK is documented ("Deprecation of fractional ISK charges").
    """
    if currency in WHOLE_UNITS_ONLY and amount % 100:
        raise invalid_request(
            f"Invalid amount. Currency {currency.upper()} has become effectively "
            "zero-decimal and charged amounts must be evenly divisible by 100. See "
            "https://stripe.com/docs/currencies#special-cases for more information.",
            code="invalid_charge_amount_no_decimal_compatible",
            param=param,
        )
    if currency in THREE_DECIMAL and amount % 10:
        raise invalid_request(
            f"Invalid amount. Amounts in {currency.upper()} must be evenly divisible "
            "by 10. See https://stripe.com/docs/currencies#three-decimal.",
            param=param,
        )


def display(amount: int, currency: str) -> str:
    """:return: the amount for people, `$0.50` for dollars, `0.50` for the rest."""
    value = Decimal(amount).scaleb(-exponent(currency))
    return f"${value:,}" if currency == "usd" else f"{value:,}"


def half_up(value: Decimal) -> int:
    """Round to a whole unit, halves away from zero."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def card_fee(amount: int) -> int:
    """:return: the processing fee of a card charge, minor units, exact integers."""
    return (amount * FEE_PER_MILLE + 500) // 1000 + FEE_FIXED


def convert(amount: int, rate: Decimal, source: str, target: str) -> int:
    """Convert minor units between currencies.

    :param rate: units of `target` for one unit of `source`, in API units per API
        unit scaled by the decimals of both (1 EUR = 1.08 USD is `Decimal("1.08")`).
    """
    scaled = Decimal(amount).scaleb(exponent(target) - exponent(source))
    return half_up(scaled * rate)


def line_amount(unit_amount: Decimal, quantity: Decimal) -> int:
    """:return: a line's amount, rounded once at the end."""
    return half_up(unit_amount * quantity)


def tax(amount: int, percentage: Decimal, inclusive: bool) -> tuple[int, int]:
    """Tax on a line.

    :return: (tax, taxable amount), minor units. An inclusive tax is part of
        `amount`, an exclusive one is added to it.
    """
    if inclusive:
        value = half_up(Decimal(amount) * percentage / (100 + percentage))
        return value, amount - value
    return half_up(Decimal(amount) * percentage / 100), amount
