"""Refunds: money back to the buyer; the processing fee is not returned."""

from __future__ import annotations

from . import balance, money, payment_methods
from .account import Account
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, metadata
from .listing import page
from .operation import Operation
from .params import Int, Str

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def create(account: Account, params: dict) -> dict:
    """`POST /v1/refunds` of a charge, or of the charge behind a payment intent."""
    charge = _charge(account, params)
    amount = params.get("amount", charge["amount"] - charge["amount_refunded"])
    return refund(account, charge, amount, params)


def _charge(account: Account, params: dict) -> dict:
    if "charge" in params:
        return account.need("charge", params["charge"], "charge")
    if "payment_intent" not in params:
        raise invalid_request(
            "One of the following params should be provided for this request: "
            "payment_intent or charge.",
        )
    intent = account.need("payment_intent", params["payment_intent"], "payment_intent")
    if not intent["latest_charge"]:
        raise unexpected_state(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge "
            "to refund.",
            "payment_intent_unexpected_state",
        )
    return account.need("charge", intent["latest_charge"])


def _check(charge: dict, amount: int) -> None:
    """Refuse what cannot be refunded."""
    id_, code = charge["id"], charge["currency"]
    if charge["status"] != "succeeded":
        raise unexpected_state(
            f"Charge {id_} was not successful and cannot be refunded.", "charge_not_refundable"
        )
    if charge["_charged_back"]:
        raise unexpected_state(
            f"Charge {id_} has been charged back; cannot issue a refund.",
            "charge_disputed",
        )
    left = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise unexpected_state(
            f"Charge {id_} has already been refunded.", "charge_already_refunded"
        )
    if amount > left:
        raise unexpected_state(
            f"Refund amount ({money.display(amount, code)}) is greater than "
            f"unrefunded amount on charge ({money.display(left, code)})",
            param="amount",
        )
    money.check_digits(amount, code)


def refund(account: Account, charge: dict, amount: int, params: dict) -> dict:
    """Refund part of a charge.

    :param amount: minor units of the charge's currency.
    :param params: reason and metadata.
    """
    _check(charge, amount)
    doc = account.insert("refund", _new(account, charge, amount, params))
    moved = balance.add_converted(
        account, "refund", -amount, charge["currency"], doc["id"],
        description="REFUND FOR CHARGE" + (
            f" ({charge['description']})" if charge["description"] else ""),
    )
    doc = account.save(doc, balance_transaction=moved["id"])
    refunded = charge["amount_refunded"] + amount
    charge = account.save(
        charge, amount_refunded=refunded, refunded=refunded == charge["amount"]
    )
    account.emit("refund.created", doc)
    account.emit("charge.refunded", charge)
    method = account.find("payment_method", charge["payment_method"])
    if method and payment_methods.behaviour(method).refund_fails:
        fail(account, doc, "unknown")
    return doc


def _new(account: Account, charge: dict, amount: int, params: dict) -> dict:
    return {
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "destination_details": {
            "card": {
                "reference_status": "pending",
                "reference_type": "acquirer_reference_number",
                "type": "refund",
            },
            "type": "card",
        },
        "metadata": metadata({}, params),
        "payment_intent": charge["payment_intent"],
        "reason": params.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def fail(account: Account, doc: dict, reason: str) -> dict:
    """The buyer's bank returned the money: it comes back to the balance.

    :param reason: e.g. lost_or_stolen_card, expired_or_canceled_card, unknown.
    """
    if doc["status"] not in ("succeeded", "pending"):
        raise unexpected_state(f"Refund {doc['id']} is {doc['status']}.")
    taken = account.need("balance_transaction", doc["balance_transaction"])
    back = balance.add(
        account, "refund_failure", -taken["amount"], taken["currency"], doc["id"],
        description="REFUND FAILURE",
    )
    charge = account.need("charge", doc["charge"])
    account.save(
        charge, amount_refunded=charge["amount_refunded"] - doc["amount"], refunded=False
    )
    doc = account.save(
        doc, failure_balance_transaction=back["id"], failure_reason=reason,
        status="failed",
    )
    account.emit("refund.updated", doc)
    account.emit("charge.refund.updated", doc)
    account.emit("refund.failed", doc)
    return doc


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/refunds/{refund}`: metadata only."""
    doc = account.need("refund", id_)
    return account.changed(
        "refund.updated", doc, metadata=metadata(doc["metadata"], params)
    )


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/refunds/{refund}`."""
    return account.need("refund", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/refunds`."""
    return page(account, "refund", params, "/v1/refunds", ("charge", "payment_intent"))


def list_of_charge(account: Account, params: dict, charge: str) -> dict:
    """`GET /v1/charges/{charge}/refunds`."""
    account.need("charge", charge)
    url = f"/v1/charges/{charge}/refunds"
    return page(account, "refund", {**params, "charge": charge}, url, ("charge",), ())


OPERATIONS = [
    Operation("POST", "/v1/refunds", create, "refund", {
        "amount": Int(1),
        "charge": Str(),
        "metadata": METADATA,
        "payment_intent": Str(),
        "reason": Str(choices=REASONS),
    }),
    Operation("GET", "/v1/refunds", list_, "list:refund",
              {"charge": Str(), "created": CREATED, "payment_intent": Str()}),
    Operation("GET", "/v1/refunds/{refund}", retrieve, "refund"),
    Operation("POST", "/v1/refunds/{refund}", update, "refund", {"metadata": METADATA}),
    Operation("GET", "/v1/charges/{charge}/refunds", list_of_charge, "list:refund"),
]
