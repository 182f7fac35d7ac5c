"""Parameter fragments that several endpoints share, and small document parts."""

from __future__ import annotations

from typing import Any

from . import money
from .params import Arr, Currency, Int, Map, Obj, Param, Range, Str, merge_metadata

ADDRESS_PARTS = ("city", "country", "line1", "line2", "postal_code", "state")
ADDRESS = Obj({name: Str(blank=True) for name in ADDRESS_PARTS}, blank=True)
METADATA = Map(blank=True)
CREATED = Range()
TAX_RATES = Arr(Str(), blank=True)
PERIOD = Obj({"start": Int(required=True), "end": Int(required=True)})


def currency(**options: Any) -> Param:
    """:return: a currency parameter."""
    return Currency(money.CURRENCIES, **options)


def address(sent: dict | None) -> dict | None:
    """:return: an address as the API shows it: every part present."""
    if sent is None:
        return None
    return {name: sent.get(name) for name in ADDRESS_PARTS}


def metadata(current: dict, params: dict) -> dict:
    """:return: metadata after the request, unchanged when none was sent."""
    if "metadata" not in params:
        return current
    return merge_metadata(current, params["metadata"])


def billing_details(customer: dict | None = None) -> dict:
    """:return: the billing details of a payment method or charge."""
    customer = customer or {}
    return {
        "address": customer.get("address") or address({}),
        "email": customer.get("email"),
        "name": customer.get("name"),
        "phone": customer.get("phone"),
        "tax_id": None,
    }
