"""Disputes: the buyer's bank takes the money back, for a while or for good."""

from __future__ import annotations

from . import balance, const, money, settings
from .account import Account
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, metadata
from .listing import page
from .operation import Operation
from .params import Bool, Obj, Str

#: Days to answer a dispute.
RESPONSE_DAYS = 14
OPEN = ("needs_response", "under_review")
INQUIRY = ("warning_needs_response", "warning_under_review")
REASONS = (
    "bank_cannot_process", "credit_not_processed", "customer_initiated",
    "debit_not_authorized", "duplicate", "fraudulent", "general", "incorrect_account_details",
    "insufficient_funds", "product_not_received", "product_unacceptable",
    "subscription_canceled", "unrecognized",
)
_EVIDENCE_TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_email_address", "customer_name",
    "customer_purchase_ip", "duplicate_charge_explanation", "duplicate_charge_id",
    "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date",
    "shipping_tracking_number", "uncategorized_text",
)
_EVIDENCE_FILES = (
    "cancellation_policy", "customer_communication", "customer_signature",
    "duplicate_charge_documentation", "receipt", "refund_policy",
    "service_documentation", "shipping_documentation", "uncategorized_file",
)


def open_for(
    account: Account,
    charge: dict,
    reason: str = "fraudulent",
    amount: int | None = None,
    inquiry: bool = False,
) -> dict:
    """A dispute reaches the account.

    :param amount: disputed part, minor units of the charge's currency; all of it
        by default.
    :param inquiry: a mere question: no money moves.
    """
    charge = account.fresh(charge)
    amount = charge["amount"] if amount is None else amount
    _check(charge, reason, amount)
    doc = account.insert("dispute", _new(account, charge, reason, amount, inquiry))
    account.emit("charge.dispute.created", doc)
    account.save(charge, disputed=True, _charged_back=not inquiry)
    return doc if inquiry else _withdraw(account, doc)


def _check(charge: dict, reason: str, amount: int) -> None:
    if charge["status"] != "succeeded" or charge["disputed"]:
        raise invalid_request(f"Charge {charge['id']} cannot be disputed.")
    if reason not in REASONS:
        raise invalid_request(f"Invalid reason: {reason}", param="reason")
    if not 0 < amount <= charge["amount"]:
        raise invalid_request(f"Invalid amount: {amount}", param="amount")


def _new(account: Account, charge: dict, reason: str, amount: int, inquiry: bool):
    evidence = dict.fromkeys((*_EVIDENCE_TEXTS, *_EVIDENCE_FILES))
    return {
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**evidence, "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": (account.now() // const.DAY + RESPONSE_DAYS) * const.DAY - 1,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {
                "brand": charge["payment_method_details"]["card"]["brand"],
                "case_type": "inquiry" if inquiry else "chargeback",
                "network_reason_code": "10.4",
            },
            "type": "card",
        },
        "reason": reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
        "_moved": [],
    }


def _withdraw(account: Account, doc: dict) -> dict:
    """Take the disputed amount and the dispute fee from the balance."""
    code = doc["currency"]
    settled = settings.settlement_currency(account.ctx, code)
    rate = settings.rate(account.ctx, code, settled)
    moved = balance.add(
        account,
        "adjustment",
        -money.convert(doc["amount"], rate, code, settled),
        settled,
        doc["id"],
        category="dispute",
        fee=money.DISPUTE_FEE,
        fee_description="Dispute fee",
        description=f"Chargeback withdrawal for {doc['charge']}",
    )
    doc = account.save(doc, _moved=[moved["id"]])
    account.emit("charge.dispute.funds_withdrawn", doc)
    return doc


def close(account: Account, doc: dict, outcome: str) -> dict:
    """The bank decides.

    :param outcome: won, lost, or warning_closed for an inquiry.
    """
    allowed = ("warning_closed",) if doc["status"] in INQUIRY else ("won", "lost")
    if doc["status"] not in OPEN + INQUIRY or outcome not in allowed:
        raise unexpected_state(f"Dispute {doc['id']} is {doc['status']}.")
    if outcome != "lost":
        account.save(account.need("charge", doc["charge"]), _charged_back=False)
    if outcome == "won":
        doc = _reinstate(account, doc)
    doc = account.save(doc, status=outcome)
    account.emit("charge.dispute.closed", doc)
    return doc


def _reinstate(account: Account, doc: dict) -> dict:
    """Give the amount back; the dispute fee stays with the bank."""
    taken = account.need("balance_transaction", doc["_moved"][0])
    back = balance.add(
        account,
        "adjustment",
        -taken["amount"],
        taken["currency"],
        doc["id"],
        category="dispute_reversal",
        description=f"Chargeback reversal for {doc['charge']}",
    )
    doc = account.save(doc, _moved=[*doc["_moved"], back["id"]])
    account.emit("charge.dispute.funds_reinstated", doc)
    return doc


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/disputes/{dispute}`: evidence, and its submission."""
    doc = account.need("dispute", id_)
    changes = {"metadata": metadata(doc["metadata"], params)}
    sent = params.get("evidence")
    if sent:
        if doc["status"] not in OPEN + INQUIRY:
            raise unexpected_state("This dispute is already closed.")
        changes["evidence"] = {**doc["evidence"], **sent}
        submitted = params.get("submit", True)
        details = {**doc["evidence_details"], "has_evidence": True}
        if submitted:
            details["submission_count"] += 1
            changes["status"] = doc["status"].replace("needs_response", "under_review")
        changes["evidence_details"] = details
    return account.changed("charge.dispute.updated", doc, **changes)


def close_by_api(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/disputes/{dispute}/close`: give up, the dispute is lost."""
    doc = account.need("dispute", id_)
    return close(account, doc, "warning_closed" if doc["status"] in INQUIRY else "lost")


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/disputes/{dispute}`."""
    return account.need("dispute", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/disputes`."""
    return page(account, "dispute", params, "/v1/disputes", ("charge", "payment_intent"))


OPERATIONS = [
    Operation("GET", "/v1/disputes", list_, "list:dispute",
              {"charge": Str(), "created": CREATED, "payment_intent": Str()}),
    Operation("GET", "/v1/disputes/{dispute}", retrieve, "dispute"),
    Operation("POST", "/v1/disputes/{dispute}", update, "dispute", {
        "evidence": Obj({name: Str(20000, blank=True) for name in _EVIDENCE_TEXTS}),
        "metadata": METADATA,
        "submit": Bool(),
    }),
    Operation("POST", "/v1/disputes/{dispute}/close", close_by_api, "dispute"),
]
