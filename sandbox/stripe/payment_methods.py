"""Payment methods: cards, entered with test ids and tokens only."""

from __future__ import annotations

from datetime import datetime, timezone

from . import cards
from .account import Account
from .errors import StripeError, invalid_request, resource_missing
from .fields import ADDRESS, METADATA, address, billing_details, metadata
from .listing import page
from .operation import Operation
from .params import Obj, Str

TEST_PREFIX = "pm_card_"
_CARD_ONLY = Str(choices=("card",))
_DETAILS = Obj(
    {
        "address": ADDRESS,
        "email": Str(blank=True),
        "name": Str(blank=True),
        "phone": Str(blank=True),
    }
)


def autocard(kind: str) -> str:
    """:return: the test id of the card of an `autocard` setting."""
    return TEST_PREFIX + cards.AUTOCARDS[kind]


def is_test_id(id_: str) -> bool:
    """:return: True for an id that stands for a new test card."""
    return id_.startswith(TEST_PREFIX) and id_[len(TEST_PREFIX):] in cards.CARDS


def new(account: Account, card_name: str, details: dict | None = None) -> dict:
    """Store a payment method for a test card."""
    card = cards.CARDS[card_name]
    year = datetime.fromtimestamp(account.now(), timezone.utc).year
    return account.insert(
        "payment_method",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {**billing_details(), **(details or {})},
            "card": cards.details(card, year),
            "created": account.now(),
            "customer": None,
            "customer_account": None,
            "livemode": False,
            "metadata": {},
            "type": "card",
            "_card": card_name,
        },
    )


def resolve(account: Account, id_: str, param: str | None = None) -> dict:
    """:return: the payment method; a test id makes a new one each time.

    :raise StripeError: no such payment method.
    """
    if is_test_id(id_):
        return new(account, id_[len(TEST_PREFIX):])
    return account.need("payment_method", id_, param)


def need_of(account: Account, id_: str, customer: str, param: str | None) -> dict:
    """:return: a payment method that belongs to the customer."""
    doc = account.need("payment_method", id_, param)
    if doc["customer"] != customer:
        raise invalid_request(
            f"The customer does not have a payment method with the ID {id_}. The "
            "payment method must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return doc


def behaviour(doc: dict) -> cards.Card:
    """:return: the test card behind a payment method."""
    return cards.CARDS[doc["_card"]]


def declined(reason: str, charge: str | None = None, **extra) -> StripeError:
    """:return: the 402 answer for a refused card."""
    code, message, network = cards.DECLINES[reason]
    if charge:
        extra["charge"] = charge
    return StripeError(
        402,
        "card_error",
        message,
        code=code,
        stored=True,
        decline_code=reason,
        network_decline_code=network,
        advice_code="try_again_later",
        **extra,
    )


def attach_to(
    account: Account, id_: str, customer: str, param: str | None = None
) -> dict:
    """Attach; a test id attaches a new copy.

    :param param: name of the parameter that held the id, None for the path.
    :raise StripeError: 402 when the card refuses even that, 400 when it belongs
        to somebody else.
    """
    doc = resolve(account, id_, param)
    refused = behaviour(doc).attach
    if refused:
        raise declined(refused)
    if doc["customer"] == customer:
        return doc
    if doc["customer"]:
        raise invalid_request(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    return account.changed("payment_method.attached", doc, customer=customer)


def enter(account: Account, customer: str, id_: str) -> dict:
    """Attach a card and make it the customer's default, as a payment page does."""
    method = attach_to(account, id_, customer)
    doc = account.need("customer", customer)
    settings = {**doc["invoice_settings"], "default_payment_method": method["id"]}
    account.changed("customer.updated", doc, invoice_settings=settings)
    return method


def create(account: Account, params: dict) -> dict:
    """`POST /v1/payment_methods` from a test token; card numbers are refused."""
    name = params["card"]["token"].removeprefix("tok_")
    if name not in cards.CARDS:
        raise resource_missing("token", params["card"]["token"], "card[token]")
    details = dict(params.get("billing_details", {}))
    if "address" in details:
        details["address"] = address(details["address"])
    doc = new(account, name, details)
    return account.save(doc, metadata=metadata({}, params))


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/payment_methods/{payment_method}`."""
    return account.need("payment_method", id_)


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_methods/{payment_method}`."""
    doc = account.need("payment_method", id_)
    details = {**doc["billing_details"], **params.get("billing_details", {})}
    if "address" in params.get("billing_details", {}):
        details["address"] = address(details["address"]) or address({})
    changes = {"billing_details": details, "metadata": metadata(doc["metadata"], params)}
    return account.changed("payment_method.updated", doc, **changes)


def attach(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_methods/{payment_method}/attach`."""
    account.need("customer", params["customer"], "customer")
    return attach_to(account, id_, params["customer"])


def detach(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_methods/{payment_method}/detach`; no longer the default."""
    doc = account.need("payment_method", id_)
    if doc["customer"] is None:
        raise invalid_request(
            "The payment method you provided is not attached to a customer so "
            "detachment is impossible.",
            code="payment_method_unexpected_state",
        )
    customer = account.find("customer", doc["customer"])
    if customer and customer["invoice_settings"]["default_payment_method"] == id_:
        settings = {**customer["invoice_settings"], "default_payment_method": None}
        account.changed("customer.updated", customer, invoice_settings=settings)
    return account.changed("payment_method.detached", doc, customer=None)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/payment_methods`, of one customer."""
    url = "/v1/payment_methods"
    return page(account, "payment_method", params, url, ("customer", "type"), ())


_ALL, _ONE = "/v1/payment_methods", "/v1/payment_methods/{payment_method}"
OPERATIONS = [
    Operation("POST", _ALL, create, "payment_method", {
        "type": Str(choices=("card",), required=True),
        "card": Obj({"token": Str(required=True)}, required=True),
        "billing_details": _DETAILS,
        "metadata": METADATA,
    }),
    Operation("GET", _ALL, list_, "list:payment_method",
              {"customer": Str(), "type": _CARD_ONLY}),
    Operation("GET", _ONE, retrieve, "payment_method"),
    Operation("POST", _ONE, update, "payment_method",
              {"billing_details": _DETAILS, "metadata": METADATA}),
    Operation("POST", _ONE + "/attach", attach, "payment_method",
              {"customer": Str(required=True)}),
    Operation("POST", _ONE + "/detach", detach, "payment_method"),
]
