"""Customers."""

from __future__ import annotations

from . import payment_methods
from .account import Account
from .fields import ADDRESS, CREATED, METADATA, address, metadata
from .listing import page
from .operation import Operation
from .params import Arr, Int, Obj, Str

_SHARED = {
    "address": ADDRESS,
    "balance": Int(),
    "business_name": Str(150, blank=True),
    "description": Str(blank=True),
    "email": Str(512, blank=True),
    "individual_name": Str(150, blank=True),
    "invoice_prefix": Str(12),
    "invoice_settings": Obj(
        {"default_payment_method": Str(blank=True), "footer": Str(blank=True)}
    ),
    "metadata": METADATA,
    "name": Str(256, blank=True),
    "next_invoice_sequence": Int(1),
    "phone": Str(20, blank=True),
    "preferred_locales": Arr(Str()),
    "tax_exempt": Str(choices=("exempt", "none", "reverse"), blank=True),
}
_PLAIN = (
    "balance", "business_name", "description", "email", "individual_name",
    "invoice_prefix", "name", "next_invoice_sequence", "phone",
    "preferred_locales",
)


def create(account: Account, params: dict) -> dict:
    """`POST /v1/customers`; the configured card is entered right after it."""
    doc = _new(account, params)
    account.emit("customer.created", doc)
    if "payment_method" in params:
        payment_methods.attach_to(
            account, params["payment_method"], doc["id"], "payment_method"
        )
    doc = account.save(doc, **_settings(account, doc, params))
    _enter_card(account, doc)
    return doc


def _new(account: Account, params: dict) -> dict:
    id_ = account.new_id("customer")
    return account.insert(
        "customer",
        {
            "id": id_,
            "address": address(params.get("address")),
            "balance": params.get("balance", 0),
            "created": account.now(),
            "currency": None,
            "customer_account": None,
            "default_source": None,
            "delinquent": False,
            "description": params.get("description"),
            "discount": None,
            "email": params.get("email"),
            "invoice_prefix": params.get("invoice_prefix") or id_[-8:].upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "livemode": False,
            "metadata": metadata({}, params),
            "name": params.get("name"),
            "next_invoice_sequence": params.get("next_invoice_sequence", 1),
            "phone": params.get("phone"),
            "preferred_locales": params.get("preferred_locales", []),
            "shipping": None,
            "tax_exempt": params.get("tax_exempt") or "none",
            "test_clock": None,
            **{k: params[k] for k in ("business_name", "individual_name")
               if params.get(k)},
        },
    )


def _settings(account: Account, doc: dict, params: dict) -> dict:
    """:return: the change of `invoice_settings`, the card checked."""
    sent = params.get("invoice_settings") or {}
    card = sent.get("default_payment_method")
    if card:
        payment_methods.need_of(
            account, card, doc["id"], "invoice_settings[default_payment_method]"
        )
    return {"invoice_settings": {**doc["invoice_settings"], **sent}} if sent else {}


def _enter_card(account: Account, doc: dict) -> None:
    """Do what the buyer would do on a payment page, when so configured."""
    kind = account.setting("autocard")
    if kind != "none" and not doc["invoice_settings"]["default_payment_method"]:
        payment_methods.enter(account, doc["id"], payment_methods.autocard(kind))


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/customers/{customer}`."""
    doc = account.need("customer", id_)
    changes = {name: params[name] for name in _PLAIN if name in params}
    if "address" in params:
        changes["address"] = address(params["address"])
    if "tax_exempt" in params:
        changes["tax_exempt"] = params["tax_exempt"] or "none"
    changes["metadata"] = metadata(doc["metadata"], params)
    changes.update(_settings(account, doc, params))
    return account.changed("customer.updated", doc, **changes)


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/customers/{customer}`; a deleted one still answers, as deleted."""
    found = account.find("customer", id_)
    return found if found else account.need("customer", id_)


def delete(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/customers/{customer}`: its subscriptions end at once."""
    from . import subscriptions

    doc = account.need("customer", id_)
    for subscription in account.by("subscription", "customer", id_):
        if subscription["status"] not in ("canceled", "incomplete_expired"):
            subscriptions.end(account, subscription)
    for method in account.by("payment_method", "customer", id_):
        payment_methods.detach(account, {}, method["id"])
    account.emit("customer.deleted", doc)
    gone = {"id": id_, "object": "customer", "deleted": True, "_seq": doc["_seq"]}
    return account.store.put("stripe/customer", id_, gone)


def search_list(account: Account, params: dict) -> dict:
    """`GET /v1/customers`."""
    return page(account, "customer", params, "/v1/customers", equal=("email",))


def list_methods(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/customers/{customer}/payment_methods`."""
    account.need("customer", id_)
    url = f"/v1/customers/{id_}/payment_methods"
    filters = {**params, "customer": id_}
    return page(account, "payment_method", filters, url, ("customer", "type"), ())


def retrieve_method(account: Account, params: dict, id_: str, method: str) -> dict:
    """`GET /v1/customers/{customer}/payment_methods/{payment_method}`."""
    account.need("customer", id_)
    return payment_methods.need_of(account, method, id_, None)


_ONE = "/v1/customers/{customer}"
OPERATIONS = [
    Operation("POST", "/v1/customers", create, "customer",
              {**_SHARED, "payment_method": Str()}),
    Operation("GET", "/v1/customers", search_list, "list:customer",
              {"created": CREATED, "email": Str(512)}),
    Operation("GET", _ONE, retrieve, "customer"),
    Operation("POST", _ONE, update, "customer", _SHARED),
    Operation("DELETE", _ONE, delete, "customer"),
    Operation("GET", _ONE + "/payment_methods", list_methods, "list:payment_method",
              {"type": Str()}),
    Operation("GET", _ONE + "/payment_methods/{payment_method}", retrieve_method,
              "payment_method"),
]
