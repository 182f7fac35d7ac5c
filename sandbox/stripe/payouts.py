"""Payouts: the balance goes to the bank account, automatically or on request."""

from __future__ import annotations

from . import balance, const, money
from .account import Account
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, currency, metadata
from .listing import page
from .operation import Operation
from .params import Int, Str

#: The steps of an automatic payout, in order.
STEPS = ("created", "in_transit", "reconciled", "paid")


def bank_account(account: Account, code: str) -> dict:
    """:return: the account's bank account of a currency, made when first used."""
    for doc in account.newest("bank_account"):
        if doc["currency"] == code:
            return doc
    country = {"usd": "US", "eur": "DE", "gbp": "GB"}.get(code, "US")
    return account.insert(
        "bank_account",
        {
            "account": account.id,
            "account_holder_name": "Sandbox Company",
            "account_holder_type": "company",
            "account_type": None,
            "available_payout_methods": ["standard"],
            "bank_name": "STRIPE TEST BANK",
            "country": country,
            "currency": code,
            "default_for_currency": True,
            "fingerprint": f"bank{code}0123456789",
            "last4": "6789",
            "metadata": {},
            "routing_number": "110000000",
            "status": "new",
        },
    )


def run(account: Account, code: str, settle: bool, until: str = "paid") -> dict | None:
    """The nightly payout: everything that is available goes to the bank.

    :param code: settlement currency.
    :param settle: let pending money become available first.
    :param until: last step to take, one of `STEPS`.
    :return: the payout, or None when there is nothing to pay out.
    """
    if settle:
        balance.make_available(account, code)
    now = account.now()
    contained = [d for d in balance.unpaid(account, code) if d["available_on"] <= now]
    amount = balance.total(contained)
    if code in money.WHOLE_UNIT_PAYOUTS and amount % 100:
        raise invalid_request(f"{code.upper()} payouts must be evenly divisible by 100.")
    if amount == 0:
        return None
    payout = _create(account, amount, code, automatic=True, description="STRIPE PAYOUT")
    for doc in contained:
        account.save(doc, _payout=payout["id"])
    return advance(account, payout, until)


def _create(account: Account, amount: int, code: str, automatic: bool, **given) -> dict:
    """Store a payout and its own balance transaction, and announce it."""
    now = account.now()
    payout = account.insert(
        "payout",
        {
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": (now // const.DAY + 2) * const.DAY,
            "automatic": automatic,
            "balance_transaction": None,
            "created": now,
            "currency": code,
            "description": given.get("description"),
            "destination": bank_account(account, code)["id"],
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": given.get("metadata", {}),
            "method": given.get("method", "standard"),
            "original_payout": None,
            "payout_method": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": given.get("statement_descriptor"),
            "status": "pending",
            "trace_id": None,
            "type": "bank_account",
        },
    )
    moved = balance.add(
        account, "payout", -amount, code, payout["id"], description="STRIPE PAYOUT"
    )
    if automatic:
        account.save(moved, _payout=payout["id"])
    payout = account.save(payout, balance_transaction=moved["id"])
    account.emit("payout.created", payout)
    return payout


def advance(account: Account, payout: dict, until: str = "paid") -> dict:
    """Take the next steps of a payout up to and including `until`."""
    last = STEPS.index(until)
    if last >= 1 and payout["status"] == "pending":
        payout = account.changed("payout.updated", payout, status="in_transit")
    if last >= 2 and payout["reconciliation_status"] == "in_progress":
        payout = account.changed(
            "payout.reconciliation_completed", payout, reconciliation_status="completed"
        )
    if last >= 3 and payout["status"] == "in_transit":
        trace = {"status": "supported", "value": payout["id"][-12:].upper()}
        payout = account.changed("payout.paid", payout, status="paid", trace_id=trace)
    return payout


def fail(account: Account, payout: dict, code: str = "account_closed") -> dict:
    """The bank refuses: the money returns to the balance, even after `paid`."""
    if payout["status"] not in ("pending", "in_transit", "paid"):
        raise unexpected_state(f"Payout {payout['id']} is {payout['status']}.")
    back = balance.add(
        account,
        "payout_failure",
        payout["amount"],
        payout["currency"],
        payout["id"],
        description="PAYOUT FAILURE",
    )
    return account.changed(
        "payout.failed",
        payout,
        status="failed",
        failure_balance_transaction=back["id"],
        failure_code=code,
        failure_message="The bank account has been closed.",
    )


def create(account: Account, params: dict) -> dict:
    """`POST /v1/payouts`: a manual one. Nobody can say later what is inside."""
    code, amount = params["currency"], params["amount"]
    available = sum(
        doc["net"]
        for doc in account.store.scan("stripe/balance_transaction")
        if doc["currency"] == code and doc["available_on"] <= account.now()
    )
    if amount > available:
        raise unexpected_state(
            f"You have insufficient funds in your Stripe account for this transfer. "
            f"Your card balance is too low (available: {available} {code}).",
            "balance_insufficient",
        )
    if code in money.WHOLE_UNIT_PAYOUTS and amount % 100:
        raise invalid_request(
            f"{code.upper()} payouts must be evenly divisible by 100.", param="amount"
        )
    given = {key: params[key] for key in ("description", "method",
             "statement_descriptor") if key in params}
    given["metadata"] = metadata({}, params)
    return _create(account, amount, code, automatic=False, **given)


def cancel(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payouts/{payout}/cancel`: manual and still pending only."""
    payout = account.need("payout", id_)
    if payout["automatic"] or payout["status"] != "pending":
        raise unexpected_state(
            "Payouts can only be canceled if they're manual and pending.",
            "payout_not_cancelable",
        )
    back = balance.add(
        account, "payout_cancel", payout["amount"], payout["currency"], payout["id"],
        description="PAYOUT CANCEL",
    )
    return account.changed("payout.canceled", payout, status="canceled",
                           failure_balance_transaction=back["id"])


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payouts/{payout}`: metadata only."""
    doc = account.need("payout", id_)
    return account.changed(
        "payout.updated", doc, metadata=metadata(doc["metadata"], params)
    )


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/payouts/{payout}`."""
    return account.need("payout", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/payouts`."""
    return page(account, "payout", params, "/v1/payouts", ("status", "destination"),
                ("created", "arrival_date"))


OPERATIONS = [
    Operation("POST", "/v1/payouts", create, "payout", {
        "amount": Int(1, required=True),
        "currency": currency(required=True),
        "description": Str(),
        "metadata": METADATA,
        "method": Str(choices=("instant", "standard")),
        "statement_descriptor": Str(22),
    }),
    Operation("GET", "/v1/payouts", list_, "list:payout", {
        "arrival_date": CREATED,
        "created": CREATED,
        "destination": Str(),
        "status": Str(),
    }),
    Operation("GET", "/v1/payouts/{payout}", retrieve, "payout"),
    Operation("POST", "/v1/payouts/{payout}", update, "payout", {"metadata": METADATA}),
    Operation("POST", "/v1/payouts/{payout}/cancel", cancel, "payout"),
]
