"""Charges: one attempt to collect money. They are made by payment intents only."""

from __future__ import annotations

from . import balance, cards, payment_methods
from .account import Account
from .errors import StripeError
from .fields import CREATED, METADATA, metadata
from .listing import page
from .operation import Operation
from .params import Str

_APPROVED = {
    "advice_code": None,
    "network_advice_code": None,
    "network_decline_code": None,
    "network_status": "approved_by_network",
    "reason": None,
    "risk_level": "normal",
    "risk_score": 12,
    "seller_message": "Payment complete.",
    "type": "authorized",
}


def attempt(account: Account, intent: dict, method: dict, off_session: bool) -> dict:
    """Charge the card of an intent.

    :return: the charge, succeeded (with its balance transaction) or failed (with
        the reason in `_refused`).
    """
    card = payment_methods.behaviour(method)
    refused = card.charge
    if refused == "authentication_required" and not off_session:
        refused = None
    charge = account.insert("charge", _new(account, intent, method, refused))
    if refused:
        account.emit("charge.failed", charge)
        return charge
    moved = balance.add_converted(
        account,
        "charge",
        charge["amount"],
        charge["currency"],
        charge["id"],
        description=charge["description"],
        card_fee=True,
        days=0 if card.available_now else account.setting("settlement_days"),
    )
    charge = account.save(charge, balance_transaction=moved["id"])
    account.emit("charge.succeeded", charge)
    return charge


def _new(account: Account, intent: dict, method: dict, refused: str | None) -> dict:
    code, message, network = cards.DECLINES.get(refused, (None, None, None))
    amount = intent["amount"]
    return {
        "amount": amount,
        "amount_captured": 0 if refused else amount,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "SANDBOX CO",
        "captured": not refused,
        "created": account.now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": code,
        "failure_message": message,
        "fraud_details": {},
        "livemode": False,
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _refusal(refused, network) if refused else _APPROVED,
        "paid": not refused,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "card": cards.charge_details(method["card"], amount),
            "type": "card",
        },
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None if refused else "https://pay.stripe.com/receipts/test",
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": intent["statement_descriptor"],
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
        "status": "failed" if refused else "succeeded",
        "transfer_data": None,
        "transfer_group": None,
        "_charged_back": False,
        "_refused": refused,
    }


def _refusal(reason: str, network: str | None) -> dict:
    return {
        "advice_code": "try_again_later",
        "network_advice_code": "02",
        "network_decline_code": network,
        "network_status": "declined_by_network",
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank did not return any further details with this "
        "decline.",
        "type": "issuer_declined",
    }


def refusal_error(charge: dict, **extra) -> StripeError:
    """:return: the 402 answer for a failed charge."""
    return payment_methods.declined(charge["_refused"], charge=charge["id"], **extra)


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/charges/{charge}`."""
    return account.need("charge", id_)


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/charges/{charge}`."""
    doc = account.need("charge", id_)
    changes = {k: params[k] for k in ("description", "receipt_email") if k in params}
    changes["metadata"] = metadata(doc["metadata"], params)
    return account.changed("charge.updated", doc, **changes)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/charges`."""
    return page(account, "charge", params, "/v1/charges", ("customer", "payment_intent"))


OPERATIONS = [
    Operation("GET", "/v1/charges", list_, "list:charge",
              {"created": CREATED, "customer": Str(), "payment_intent": Str()}),
    Operation("GET", "/v1/charges/{charge}", retrieve, "charge"),
    Operation("POST", "/v1/charges/{charge}", update, "charge", {
        "description": Str(40000, blank=True),
        "metadata": METADATA,
        "receipt_email": Str(),
    }),
]
