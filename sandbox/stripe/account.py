"""The objects of one account: ids, storage, snapshots, events.

Documents are stored in the shape in which they are answered; members whose name
starts with an underscore belong to the stand-in and are never shown. Documents
are never changed in place: `save` stores a new one.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable
from typing import Any

from . import const
from .errors import resource_missing

_ALPHABET = string.ascii_letters + string.digits
_random = random.SystemRandom()

#: Indexes for the filters that callers use most: {object type: {index: key}}.
_LOOKUPS: dict[str, dict[str, Callable[[dict], Any]]] = {
    "balance_transaction": {
        "payout": lambda doc: doc.get("_payout"),
        "source": lambda doc: doc["source"],
    },
    "charge": {
        "customer": lambda doc: doc["customer"],
        "payment_intent": lambda doc: doc["payment_intent"],
    },
    "customer": {"email": lambda doc: doc.get("email")},
    "dispute": {"charge": lambda doc: doc["charge"]},
    "invoice": {"customer": lambda doc: doc["customer"]},
    "invoice_payment": {
        "invoice": lambda doc: doc["invoice"],
        "payment_intent": lambda doc: doc["payment"].get("payment_intent"),
    },
    "invoiceitem": {
        "customer": lambda doc: doc["customer"],
        "invoice": lambda doc: doc["invoice"],
    },
    "line_item": {"invoice": lambda doc: doc["invoice"]},
    "payment_intent": {"customer": lambda doc: doc["customer"]},
    "payment_method": {"customer": lambda doc: doc["customer"]},
    "price": {"product": lambda doc: doc["product"]},
    "refund": {
        "charge": lambda doc: doc["charge"],
        "payment_intent": lambda doc: doc["payment_intent"],
    },
    "subscription": {"customer": lambda doc: doc["customer"]},
}


def random_text(length: int) -> str:
    """:return: letters and digits, as in the vendor's ids."""
    return "".join(_random.choices(_ALPHABET, k=length))


def kind(object_type: str) -> str:
    """:return: the store's name for an object type."""
    return f"{const.VENDOR}/{object_type}"


class Account:
    """Reads and writes the account's objects and announces their changes.

    :param ctx: the sandbox's shared parts.
    """

    def __init__(self, ctx):
        self.ctx = ctx
        self.store = ctx.store
        #: who caused the events of the request being executed
        self.cause: dict[str, str | None] = {"id": None, "idempotency_key": None}
        for object_type in const.ID_SHAPES:
            self.store.add_sorted(kind(object_type), "seq", lambda doc: doc.get("_seq"))
        for object_type, lookups in _LOOKUPS.items():
            for name, key in lookups.items():
                self.store.add_lookup(kind(object_type), name, key)

    # -- identity ---------------------------------------------------------------

    @property
    def id(self) -> str:
        """The account's own id."""
        return self.ctx.secret("stripe/account", lambda: "acct_1" + random_text(15))

    def now(self) -> int:
        """:return: seconds since the epoch, by the sandbox's clock."""
        return int(self.ctx.clock.time())

    def new_id(self, object_type: str) -> str:
        """:return: a fresh id with the type's prefix."""
        prefix, length = const.ID_SHAPES[object_type]
        return prefix + random_text(length)

    # -- settings of the stand-in -------------------------------------------------

    def setting(self, name: str) -> Any:
        """:return: a value of the stand-in's configuration (see `settings.py`)."""
        from .settings import current

        return current(self.ctx)[name]

    # -- documents ----------------------------------------------------------------

    def insert(self, object_type: str, doc: dict) -> dict:
        """Store a new object; `id`, `object` and `created` are filled in if missing."""
        doc = {
            "id": doc.get("id") or self.new_id(object_type),
            "object": object_type,
            **{key: value for key, value in doc.items() if key != "id"},
            "_seq": self.store.next_number("stripe/object"),
        }
        return self.store.put(kind(object_type), doc["id"], doc)

    def save(self, doc: dict, **changes: Any) -> dict:
        """Store a changed object. :return: the new document."""
        return self.store.update(kind(doc["object"]), doc["id"], **changes)

    def fresh(self, doc: dict) -> dict:
        """:return: the object as it is stored now."""
        return self.store.get(kind(doc["object"]), doc["id"])

    def find(self, object_type: str, id_: str) -> dict | None:
        """:return: the object, or None."""
        return self.store.get(kind(object_type), id_)

    def need(self, object_type: str, id_: str, param: str | None = None) -> dict:
        """:return: the object.

        :param param: name of the parameter that held the id, None when it was in
            the path (decides between 400 and 404).
        :raise StripeError: resource_missing.
        """
        doc = self.find(object_type, id_)
        if doc is None or doc.get("deleted"):
            raise resource_missing(_spoken(object_type), id_, param)
        return doc

    def by(self, object_type: str, index: str, value: str) -> list[dict]:
        """:return: the objects whose indexed member has this value, newest first."""
        found = self.store.lookup(kind(object_type), index, value)
        return sorted(found, key=lambda doc: doc["_seq"], reverse=True)

    def newest(self, object_type: str) -> list[dict]:
        """:return: all objects of a type, newest first."""
        return self.store.range(kind(object_type), "seq", reverse=True)

    def indexes(self, object_type: str) -> Iterable[str]:
        """:return: names of the members that `by` can look up."""
        return _LOOKUPS.get(object_type, {})

    # -- answers ------------------------------------------------------------------

    def render(self, doc: dict) -> dict:
        """:return: the object as the API shows it now."""
        shown = public(doc)
        if doc.get("object") == "invoice" and "status" in doc:
            lines = self.by("line_item", "invoice", doc["id"])[::-1]
            shown["lines"] = {
                "object": "list",
                "data": [public(line) for line in lines[:10]],
                "has_more": len(lines) > 10,
                "url": f"/v1/invoices/{doc['id']}/lines",
            }
        if doc.get("object") == "dispute":
            moved = (self.find("balance_transaction", id_) for id_ in doc["_moved"])
            shown["balance_transactions"] = [self.render(one) for one in moved]
        if doc.get("object") == "balance_transaction":
            pending = doc["available_on"] > self.now()
            shown["status"] = "pending" if pending else "available"
        if doc.get("object") == "event":
            shown["pending_webhooks"] = self.pending_webhooks(doc)
        return shown

    def pending_webhooks(self, event: dict) -> int:
        """:return: deliveries of this event that have not been accepted yet."""
        states = (
            self.store.get("_framework/delivery", id_) for id_ in event["_deliveries"]
        )
        return sum(1 for doc in states if doc and doc["state"] != "delivered")

    # -- events -------------------------------------------------------------------

    def emit(self, type_: str, doc: dict, before: dict | None = None) -> dict:
        """Record an event and queue it for the endpoints that want it.

        :param doc: the object after the change.
        :param before: the object before it, for `previous_attributes`.
        """
        data: dict[str, Any] = {"object": self.render(doc)}
        if before is not None:
            data["previous_attributes"] = _previous(public(before), public(doc))
        event = self.insert(
            "event",
            {
                "api_version": const.API_VERSION,
                "created": self.now(),
                "data": data,
                "livemode": False,
                "pending_webhooks": 0,
                "request": dict(self.cause),
                "type": type_,
                "_deliveries": [],
            },
        )
        return self._queue(event)

    def changed(self, type_: str, doc: dict, **changes: Any) -> dict:
        """Save changes and announce them; nothing happens when nothing differs."""
        if all(doc.get(name) == value for name, value in changes.items()):
            return doc
        after = self.save(doc, **changes)
        self.emit(type_, after, before=doc if type_.endswith(".updated") else None)
        return after

    def _queue(self, event: dict) -> dict:
        deliveries = []
        for endpoint in self.store.scan(kind("webhook_endpoint")):
            wanted = endpoint["enabled_events"]
            if endpoint["status"] != "enabled":
                continue
            if "*" in wanted or event["type"] in wanted:
                deliveries += self.ctx.webhooks.enqueue(
                    const.VENDOR,
                    endpoint["url"],
                    [{"event": event["id"]}],
                    meta={"endpoint": endpoint["id"]},
                )
        return self.save(event, _deliveries=deliveries) if deliveries else event


def public(value: Any) -> Any:
    """:return: a copy without the stand-in's own members, at every depth."""
    if isinstance(value, dict):
        return {k: public(v) for k, v in value.items() if not k.startswith("_")}
    if isinstance(value, list):
        return [public(item) for item in value]
    return value


def _previous(before: dict, after: dict) -> dict:
    """:return: old values of the members that changed, nested objects in part."""
    changed = {}
    for key, value in before.items():
        new = after.get(key)
        if value == new:
            continue
        both = isinstance(value, dict) and isinstance(new, dict)
        changed[key] = _previous(value, new) if both else value
    changed.update({key: None for key in after if key not in before})
    return changed


def _spoken(object_type: str) -> str:
    """:return: the type's name as the vendor's messages have it."""
    return {"payment_method": "PaymentMethod"}.get(object_type, object_type)
