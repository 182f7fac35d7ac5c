"""`expand[]`: replacing ids by the objects they name, at most four levels deep."""

from __future__ import annotations

from typing import Any

from . import const
from .account import Account
from .errors import invalid_request
from .listing import list_object

MAX_DEPTH = 4
ANY = "*"  #: the type is known from the id only

#: Type -> member -> type behind it. `a.b` is a plain object inside type `a`;
#: `list:x` a list; names in LISTS are absent unless expanded.
MEMBERS: dict[str, dict[str, str]] = {
    "balance_transaction": {"source": ANY},
    "charge": {
        "balance_transaction": "balance_transaction",
        "customer": "customer",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
        "refunds": "list:refund",
    },
    "customer": {"invoice_settings": "customer.invoice_settings"},
    "customer.invoice_settings": {"default_payment_method": "payment_method"},
    "dispute": {"charge": "charge", "payment_intent": "payment_intent"},
    "invoice": {
        "customer": "customer",
        "default_payment_method": "payment_method",
        "lines": "list:line_item",
        "parent": "invoice.parent",
        "payments": "list:invoice_payment",
    },
    "invoice.parent": {"subscription_details": "invoice.subscription"},
    "invoice.subscription": {"subscription": "subscription"},
    "invoice_payment": {"invoice": "invoice", "payment": "invoice_payment.payment"},
    "invoice_payment.payment": {
        "charge": "charge",
        "payment_intent": "payment_intent",
    },
    "invoiceitem": {"customer": "customer", "invoice": "invoice"},
    "line_item": {"pricing": "line_item.pricing"},
    "line_item.pricing": {"price_details": "line_item.price"},
    "line_item.price": {"price": "price", "product": "product"},
    "payment_intent": {
        "customer": "customer",
        "latest_charge": "charge",
        "payment_method": "payment_method",
    },
    "payment_method": {"customer": "customer"},
    "payout": {
        "balance_transaction": "balance_transaction",
        "destination": "bank_account",
        "failure_balance_transaction": "balance_transaction",
    },
    "price": {"product": "product"},
    "product": {"default_price": "price"},
    "refund": {
        "balance_transaction": "balance_transaction",
        "charge": "charge",
        "failure_balance_transaction": "balance_transaction",
        "payment_intent": "payment_intent",
    },
    "subscription": {
        "customer": "customer",
        "default_payment_method": "payment_method",
        "items": "list:subscription_item",
        "latest_invoice": "invoice",
    },
    "subscription_item": {"price": "price"},
}

#: Lists that are looked up when they are expanded: (type, index of that type).
LISTS: dict[tuple[str, str], tuple[str, str, str]] = {
    ("charge", "refunds"): ("refund", "charge", "/v1/charges/{id}/refunds"),
    ("invoice", "payments"): ("invoice_payment", "invoice", "/v1/invoice_payments"),
}


def check(paths: list[str], returns: str) -> None:
    """Refuse paths that the answer's type does not have.

    :param returns: `charge` or `list:charge`.
    :raise StripeError: too deep, or not expandable.
    """
    for path in paths:
        parts = path.split(".")
        if len([part for part in parts if part != "data"]) > MAX_DEPTH:
            raise invalid_request(
                f"You cannot expand more than {MAX_DEPTH} levels of a property. "
                f"Property: {path}",
                code="property_max_depth",
                param="expand",
            )
        _walk_type(path, parts, returns)


def _walk_type(path: str, parts: list[str], type_: str) -> None:
    for index, part in enumerate(parts):
        if type_ == ANY:
            return
        if type_.startswith("list:") and part == "data":
            type_ = type_[5:]
            continue
        known = {} if type_.startswith("list:") else MEMBERS.get(type_, {})
        if part not in known:
            hint = ""
            if type_.startswith("list:") and part in MEMBERS.get(type_[5:], {}):
                better = ".".join([*parts[:index], "data", *parts[index:]])
                hint = f" You may want to try expanding '{better}' instead."
            raise invalid_request(
                f"This property cannot be expanded ({path}).{hint}", param="expand"
            )
        type_ = known[part]
    if "." in type_ and not type_.startswith("list:"):
        raise invalid_request(
            f"This property cannot be expanded ({path}).", param="expand"
        )


def expand(account: Account, doc: dict, paths: list[str], returns: str) -> dict:
    """:return: the rendered answer with the named members replaced by objects."""
    for path in paths:
        doc = _grow(account, doc, path.split("."), returns)
    return doc


def _grow(account: Account, node: Any, parts: list[str], type_: str) -> Any:
    if not parts or not isinstance(node, dict):
        return node
    if type_.startswith("list:"):
        grown = [_grow(account, item, parts[1:], type_[5:]) for item in node["data"]]
        return {**node, "data": grown}
    if type_ == ANY:
        type_ = node.get("object", ANY)
    member, rest = parts[0], parts[1:]
    target = MEMBERS.get(type_, {}).get(member)
    if target is None:
        return node
    value = _value(account, node, member, type_, target)
    if target == ANY and isinstance(value, dict):
        target = value["object"]
    return {**node, member: _grow(account, value, rest, target)}


def _value(account: Account, node: dict, member: str, type_: str, target: str) -> Any:
    """:return: the member as an object (or list) when it was an id."""
    if (type_, member) in LISTS and member not in node:
        object_type, index, url = LISTS[type_, member]
        documents = account.by(object_type, index, node["id"])
        shown = [account.render(doc) for doc in documents]
        return list_object(shown[:10], len(shown) > 10, url.format(id=node["id"]))
    value = node.get(member)
    if not isinstance(value, str):
        return value
    if target == ANY:
        target = const.TYPE_BY_PREFIX.get(value.split("_")[0], "")
    found = account.find(target, value)
    return account.render(found) if found else value
