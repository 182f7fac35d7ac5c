"""What can be set on the stand-in at run time (`POST /_admin/stripe/config`)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from . import money

_KIND, _ID = "stripe/_settings", "settings"

#: Name -> (default, check). A check returns the value to keep or raises ValueError.
DEFAULTS: dict[str, Any] = {
    #: the card that each new customer "enters": visa, declined or none
    "autocard": "none",
    #: currencies with a bank account of their own; others settle in the first
    "settlement_currencies": ["usd", "eur"],
    #: units of the first settlement currency for one unit of the currency
    "exchange_rates": {
        "eur": "1.0842", "gbp": "1.2710", "chf": "1.1295", "cad": "0.7290",
        "jpy": "0.0067", "usd": "1",
    },
    #: days until a charge's money is available
    "settlement_days": 2,
    #: requests a second, 0 = unlimited (the vendor: 25 in a sandbox, 100 live)
    "rate_limit": 0,
    #: how long a write takes; a second one with the same key gets 409 meanwhile
    "processing_ms": 0,
    #: retries of webhooks: `live` (3 days) or `test` (3 attempts)
    "retry_policy": "live",
    #: permissions of the restricted key by resource; what is missing may write
    "restricted": {},
}


class SettingError(ValueError):
    """A setting that does not exist or cannot have this value."""


def current(ctx) -> dict[str, Any]:
    """:return: all settings."""
    stored = ctx.store.get(_KIND, _ID) or {}
    return {**DEFAULTS, **stored}


def change(ctx, changes: dict[str, Any]) -> dict[str, Any]:
    """Set some values. :raise SettingError: with all that is wrong."""
    wrong = [name for name in changes if name not in DEFAULTS]
    if wrong:
        raise SettingError(f"unknown: {', '.join(wrong)}; known: {', '.join(DEFAULTS)}")
    for name, value in changes.items():
        check = _CHECKS.get(name)
        if check is not None and not check(value):
            raise SettingError(f"{name} cannot be {value!r}")
    stored = {**(ctx.store.get(_KIND, _ID) or {}), **changes}
    ctx.store.put(_KIND, _ID, stored)
    return current(ctx)


def rate(ctx, source: str, target: str) -> Decimal:
    """:return: units of `target` for one of `source`, through the first currency."""
    rates = current(ctx)["exchange_rates"]
    if source == target:
        return Decimal(1)
    if source not in rates or target not in rates:
        raise SettingError(f"no exchange rate from {source} to {target}")
    value = Decimal(rates[source]) / Decimal(rates[target])
    return value.quantize(Decimal("0.000001"))


def settlement_currency(ctx, currency: str) -> str:
    """:return: the currency in which money of this currency is paid out."""
    settled = current(ctx)["settlement_currencies"]
    return currency if currency in settled else settled[0]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _currencies(value: Any) -> bool:
    return bool(value) and isinstance(value, list) and set(value) <= money.CURRENCIES


def _rates(value: Any) -> bool:
    try:
        return isinstance(value, dict) and all(
            isinstance(text, str) and Decimal(text) > 0 for text in value.values()
        )
    except InvalidOperation:
        return False


_CHECKS = {
    "autocard": lambda value: value in ("visa", "declined", "none"),
    "settlement_currencies": _currencies,
    "exchange_rates": _rates,
    "settlement_days": _whole,
    "rate_limit": _whole,
    "processing_ms": _whole,
    "retry_policy": lambda value: value in ("live", "test"),
    "restricted": lambda value: isinstance(value, dict)
    and set(value.values()) <= {"none", "read", "write"},
}
