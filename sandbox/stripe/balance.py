"""The balance: one transaction for every movement of money, in settlement currency."""

from __future__ import annotations

from collections.abc import Iterable

from . import const, money, settings
from .account import Account
from .fields import CREATED
from .listing import page
from .operation import Operation
from .params import Str

#: Reporting category of each transaction type; `adjustment` depends on its cause.
CATEGORIES = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund_failure",
    "stripe_fee": "fee",
    "payout": "payout",
    "payout_failure": "payout_reversal",
    "payout_cancel": "payout_reversal",
}


def add(
    account: Account,
    type_: str,
    amount: int,
    currency: str,
    source: str | None,
    *,
    fee: int = 0,
    fee_description: str = "",
    description: str | None = None,
    category: str | None = None,
    days: int = 0,
) -> dict:
    """Record one movement.

    :param amount: minor units of `currency`, the settlement currency; negative
        when money leaves the balance.
    :param fee: minor units of the same currency, positive when it costs.
    :param days: until the money is available.
    :return: the balance transaction; its net is `amount - fee`.
    """
    now = account.now()
    midnight = (now // const.DAY + days) * const.DAY
    return account.insert(
        "balance_transaction",
        {
            "amount": amount,
            "available_on": midnight if days else now,
            "balance_type": "payments",
            "created": now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": _fee_details(fee, currency, fee_description),
            "net": amount - fee,
            "reporting_category": category or CATEGORIES[type_],
            "source": source,
            "status": "pending" if days else "available",
            "type": type_,
            "_payout": None,
        },
    )


def add_converted(
    account: Account, type_: str, amount: int, currency: str, source: str, **options
) -> dict:
    """Record a movement of money in the buyer's currency.

    It is converted when the account has no bank account in that currency; the
    card fee, when asked for with `card_fee=True`, is taken in the settlement
    currency.
    """
    settled = settings.settlement_currency(account.ctx, currency)
    rate = settings.rate(account.ctx, currency, settled)
    converted = money.convert(amount, rate, currency, settled)
    if options.pop("card_fee", False):
        options["fee"] = money.card_fee(converted)
        options["fee_description"] = "Stripe processing fees"
    doc = add(account, type_, converted, settled, source, **options)
    if settled == currency:
        return doc
    # The API shows the rate as a JSON number between API units.
    shown = rate.scaleb(money.exponent(settled) - money.exponent(currency))
    return account.save(doc, exchange_rate=float(shown))


def _fee_details(fee: int, currency: str, description: str) -> list[dict]:
    if not fee:
        return []
    return [
        {
            "amount": fee,
            "application": None,
            "currency": currency,
            "description": description,
            "type": "stripe_fee",
        }
    ]


def unpaid(account: Account, currency: str) -> list[dict]:
    """:return: transactions that no payout contains yet, oldest first."""
    return [
        doc
        for doc in account.store.scan("stripe/balance_transaction")
        if doc["_payout"] is None and doc["currency"] == currency
    ]


def make_available(account: Account, currency: str) -> None:
    """Let all pending money become available now (time passes, for the buyer)."""
    now, found = account.now(), False
    for doc in unpaid(account, currency):
        if doc["available_on"] > now:
            account.save(doc, available_on=now, status="available")
            found = True
    if found:
        account.emit("balance.available", retrieve_balance(account, {}))


def total(documents: Iterable[dict]) -> int:
    """:return: the sum of the net amounts, minor units."""
    return sum(doc["net"] for doc in documents)


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/balance_transactions/{id}`."""
    return account.need("balance_transaction", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/balance_transactions`; `payout` works for automatic payouts only."""
    documents = None
    if "payout" in params:
        payout = account.need("payout", params["payout"], "payout")
        documents = account.by("balance_transaction", "payout", payout["id"])
        documents = documents if payout["automatic"] else []
    return page(
        account,
        "balance_transaction",
        params,
        "/v1/balance_transactions",
        ("currency", "source", "type"),
        documents=documents,
    )


def retrieve_balance(account: Account, params: dict) -> dict:
    """`GET /v1/balance`."""
    now = account.now()
    parts: dict[str, dict[str, int]] = {"available": {}, "pending": {}}
    for doc in account.store.scan("stripe/balance_transaction"):
        part = parts["pending" if doc["available_on"] > now else "available"]
        part[doc["currency"]] = part.get(doc["currency"], 0) + doc["net"]
    for currency in account.setting("settlement_currencies"):
        for part in parts.values():
            part.setdefault(currency, 0)
    shown = {
        name: [
            {"amount": value, "currency": code, "source_types": {"card": value}}
            for code, value in sorted(part.items())
        ]
        for name, part in parts.items()
    }
    return {"object": "balance", "livemode": False, **shown}


OPERATIONS = [
    Operation("GET", "/v1/balance", retrieve_balance, "balance"),
    Operation("GET", "/v1/balance_transactions", list_, "list:balance_transaction", {
        "created": CREATED,
        "currency": Str(),
        "payout": Str(),
        "source": Str(),
        "type": Str(),
    }),
    Operation("GET", "/v1/balance_transactions/{id}", retrieve, "balance_transaction"),
]
