"""The test cards: what they look like and how they behave when they are used."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

#: code, decline_code, message and network code of each refusal.
DECLINES = {
    "generic_decline": ("card_declined", "Your card was declined.", "01"),
    "insufficient_funds": (
        "card_declined",
        "Your card has insufficient funds.",
        "51",
    ),
    "authentication_required": (
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        "1A",
    ),
}


@dataclass(frozen=True)
class Card:
    """A test card.

    :param attach: reason for which attaching it to a customer is refused.
    :param charge: reason for which a charge is refused.
    :param dispute: reason of the dispute that follows a charge.
    """

    brand: str
    last4: str
    funding: str = "credit"
    attach: str | None = None
    charge: str | None = None
    dispute: str | None = None
    refund_fails: bool = False
    available_now: bool = False

    @property
    def fingerprint(self) -> str:
        """:return: the same for the same card number."""
        return hashlib.sha256(f"{self.brand}{self.last4}".encode()).hexdigest()[:16]


#: `pm_card_<name>` and `tok_<name>`, from docs.stripe.com/testing.
CARDS = {
    "visa": Card("visa", "4242"),
    "visa_debit": Card("visa", "5556", funding="debit"),
    "mastercard": Card("mastercard", "4444"),
    "amex": Card("amex", "8431"),
    "bypassPending": Card("visa", "0077", available_now=True),
    "chargeDeclined": Card("visa", "0002", attach="generic_decline",
                           charge="generic_decline"),
    "chargeDeclinedInsufficientFunds": Card(
        "visa", "9995", attach="insufficient_funds", charge="insufficient_funds"
    ),
    "chargeCustomerFail": Card("visa", "0341", charge="generic_decline"),
    "authenticationRequired": Card("visa", "3184", charge="authentication_required"),
    "createDispute": Card("visa", "0259", dispute="fraudulent"),
    "refundFail": Card("visa", "5126", refund_fails=True),
}

#: The stand-in's `autocard` setting -> card.
AUTOCARDS = {"visa": "visa", "declined": "chargeCustomerFail"}


def details(card: Card, year: int) -> dict:
    """:return: the `card` member of a payment method."""
    return {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": year + 3,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def charge_details(card: dict, amount: int) -> dict:
    """:return: the `payment_method_details.card` member of a charge."""
    kept = (
        "brand", "checks", "country", "exp_month", "exp_year", "fingerprint",
        "funding", "last4", "regulated_status", "wallet",
    )
    return {
        **{name: card[name] for name in kept},
        "amount_authorized": amount,
        "authorization_code": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {
            "maximum_amount_capturable": amount,
            "status": "unavailable",
        },
        "three_d_secure": None,
    }
