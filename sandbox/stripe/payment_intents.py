"""Payment intents: the state machine around charges."""

from __future__ import annotations

from . import charges, disputes, money, payment_methods
from .account import Account, random_text
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, currency, metadata
from .listing import page
from .operation import Operation
from .params import Arr, Bool, Int, Obj, OneOf, Str

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
_TEXTS = {
    "description": Str(1000, blank=True),
    "receipt_email": Str(blank=True),
    "statement_descriptor": Str(22),
    "statement_descriptor_suffix": Str(22),
}
_SHARED = {
    **_TEXTS,
    "capture_method": Str(choices=("automatic", "automatic_async")),
    "customer": Str(),
    "metadata": METADATA,
    "payment_method": Str(),
    "payment_method_types": Arr(Str(choices=("card",))),
    "setup_future_usage": Str(choices=("off_session", "on_session"), blank=True),
}
_OFF_SESSION = OneOf(("one_off", "recurring"), Bool())
_CONFIRM = {
    "error_on_requires_action": Bool(),
    "off_session": _OFF_SESSION,
    "payment_method": Str(),
    "receipt_email": Str(blank=True),
    "return_url": Str(),
}


def create(account: Account, params: dict) -> dict:
    """`POST /v1/payment_intents`, confirmed at once with `confirm=true`.

    :raise StripeError: amount out of range, unknown customer or card, refused card.
    """
    _check_create(account, params)
    intent = account.insert("payment_intent", _new(account, params))
    if "payment_method" in params:
        intent = _choose(account, intent, params["payment_method"])
    account.emit("payment_intent.created", intent)
    if params.get("confirm"):
        return confirm_intent(account, intent, bool(params.get("off_session")))
    return intent


def _check_create(account: Account, params: dict) -> None:
    money.check_charge(params["amount"], params["currency"])
    if "customer" in params:
        account.need("customer", params["customer"], "customer")
    if "payment_method" in params:
        _check_owner(account, params["payment_method"], params.get("customer"))
    if params.get("off_session") and not params.get("confirm"):
        raise invalid_request(
            "`off_session` can only be used when confirming the PaymentIntent. You "
            "must pass `confirm=true`.",
            param="off_session",
        )
    if params.get("confirm") and "payment_method" not in params:
        raise _without_method(params.get("customer"))


def _check_owner(account: Account, id_: str, customer: str | None) -> None:
    """A card that belongs to a customer can be used for that customer only."""
    if payment_methods.is_test_id(id_):
        return
    owner = account.need("payment_method", id_, "payment_method")["customer"]
    if owner and owner != customer:
        raise invalid_request(
            f"The PaymentMethod supplied ({id_}) belongs to a Customer. Please "
            "include the Customer in the `customer` parameter on the PaymentIntent.",
            param="payment_method",
        )


def _without_method(customer: str | None):
    tail = (
        f"To confirm the PaymentIntent with {customer}, specify a payment method "
        "attached to this customer along with the customer ID."
        if customer
        else "You can either update the PaymentIntent with a payment method and "
        "then confirm it again, or confirm it again directly with a payment method."
    )
    return unexpected_state(
        "You cannot confirm this PaymentIntent because it's missing a payment "
        f"method. {tail}",
        "payment_intent_unexpected_state",
    )


def _new(account: Account, params: dict) -> dict:
    id_ = account.new_id("payment_intent")
    return {
        "id": id_,
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": params.get("automatic_payment_methods"),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": f"{id_}_secret_{random_text(25)}",
        "confirmation_method": "automatic",
        "created": account.now(),
        "currency": params["currency"],
        "customer": params.get("customer"),
        "customer_account": None,
        "description": params.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": metadata({}, params),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": params.get("payment_method_types", ["card"]),
        "processing": None,
        "receipt_email": params.get("receipt_email"),
        "review": None,
        "setup_future_usage": params.get("setup_future_usage"),
        "shipping": None,
        "statement_descriptor": params.get("statement_descriptor"),
        "statement_descriptor_suffix": params.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }


def _choose(account: Account, intent: dict, id_: str) -> dict:
    """Set the card; the intent then waits for confirmation."""
    method = payment_methods.resolve(account, id_, "payment_method")
    return account.save(
        intent, payment_method=method["id"], status="requires_confirmation"
    )


def confirm_intent(account: Account, intent: dict, off_session: bool) -> dict:
    """Charge the intent's card.

    :return: the succeeded intent.
    :raise StripeError: 402 with the failed intent inside; the failed charge and
        the events stay.
    """
    method = account.need("payment_method", intent["payment_method"], "payment_method")
    charge = charges.attempt(account, intent, method, off_session)
    if charge["status"] == "failed":
        raise _failed(account, intent, charge, method)
    intent = account.changed(
        "payment_intent.succeeded",
        intent,
        amount_received=intent["amount"],
        last_payment_error=None,
        latest_charge=charge["id"],
        status="succeeded",
    )
    reason = payment_methods.behaviour(method).dispute
    if reason:
        disputes.open_for(account, charge, reason)
    return intent


def _failed(account: Account, intent: dict, charge: dict, method: dict):
    error = charges.refusal_error(charge)
    shown_method = account.render(method)
    remembered = {**error.body()["error"], "payment_method": shown_method}
    intent = account.changed(
        "payment_intent.payment_failed",
        intent,
        last_payment_error=remembered,
        latest_charge=charge["id"],
        payment_method=None,
        status="requires_payment_method",
    )
    return charges.refusal_error(
        charge, payment_intent=account.render(intent), payment_method=shown_method
    )


def confirm(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_intents/{intent}/confirm`."""
    intent = account.need("payment_intent", id_)
    _must_be_open(intent, "confirm", OPEN)
    if "payment_method" in params:
        _check_owner(account, params["payment_method"], intent["customer"])
        intent = _choose(account, intent, params["payment_method"])
    if not intent["payment_method"]:
        raise _without_method(intent["customer"])
    if "receipt_email" in params:
        intent = account.save(intent, receipt_email=params["receipt_email"])
    return confirm_intent(account, intent, bool(params.get("off_session")))


def _must_be_open(intent: dict, verb: str, allowed: tuple[str, ...]) -> None:
    status = intent["status"]
    if status in allowed:
        return
    if status == "succeeded" and verb == "confirm":
        text = (
            "You cannot confirm this PaymentIntent because it has already succeeded "
            "after being previously confirmed."
        )
    else:
        wanted = ", ".join(allowed)
        text = (
            f"You cannot {verb} this PaymentIntent because it has a status of "
            f"{status}. Only a PaymentIntent with one of the following statuses may "
            f"be used: {wanted}."
        )
    raise unexpected_state(text, "payment_intent_unexpected_state")


def cancel(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_intents/{intent}/cancel`."""
    intent = account.need("payment_intent", id_)
    _must_be_open(intent, "cancel", OPEN)
    return account.changed(
        "payment_intent.canceled",
        intent,
        canceled_at=account.now(),
        cancellation_reason=params.get("cancellation_reason"),
        status="canceled",
    )


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/payment_intents/{intent}`: amount, card and currency while open."""
    intent = account.need("payment_intent", id_)
    locked = [name for name in ("amount", "currency", "customer", "payment_method")
              if name in params]
    if locked:
        _must_be_open(intent, "update", OPEN)
        money.check_charge(params.get("amount", intent["amount"]),
                           params.get("currency", intent["currency"]))
    if "customer" in params:
        account.need("customer", params["customer"], "customer")
    plain = (*_TEXTS, "amount", "currency", "customer", "setup_future_usage")
    changes = {name: params[name] for name in plain if name in params}
    changes["metadata"] = metadata(intent["metadata"], params)
    intent = account.save(intent, **changes)
    if "payment_method" in params:
        _check_owner(account, params["payment_method"], intent["customer"])
        intent = _choose(account, intent, params["payment_method"])
    return intent


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/payment_intents/{intent}`."""
    return account.need("payment_intent", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/payment_intents`."""
    url = "/v1/payment_intents"
    return page(account, "payment_intent", params, url, ("customer",))


_ALL, _ONE = "/v1/payment_intents", "/v1/payment_intents/{intent}"
OPERATIONS = [
    Operation("POST", _ALL, create, "payment_intent", {
        **_SHARED,
        **_CONFIRM,
        "amount": Int(1, required=True),
        "automatic_payment_methods": Obj({
            "allow_redirects": Str(choices=("always", "never")),
            "enabled": Bool(required=True),
        }),
        "confirm": Bool(),
        "currency": currency(required=True),
    }),
    Operation("GET", _ALL, list_, "list:payment_intent",
              {"created": CREATED, "customer": Str()}),
    Operation("GET", _ONE, retrieve, "payment_intent"),
    Operation("POST", _ONE, update, "payment_intent",
              {**_SHARED, "amount": Int(1), "currency": currency()}),
    Operation("POST", _ONE + "/confirm", confirm, "payment_intent", _CONFIRM),
    Operation("POST", _ONE + "/cancel", cancel, "payment_intent", {
        "cancellation_reason": Str(choices=(
            "abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    }),
]
