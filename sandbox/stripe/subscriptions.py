"""Subscriptions: create, change what is simple, renew, cancel."""

from __future__ import annotations

from decimal import Decimal

from . import catalog, const, invoice_lines, invoices, money, payment_methods, periods
from .account import Account
from .errors import StripeError, invalid_request, not_implemented, unexpected_state
from .fields import CREATED, METADATA, TAX_RATES, metadata
from .listing import list_object, page
from .operation import Operation
from .params import Arr, Bool, Int, Obj, OneOf, Str

ENDED = ("canceled", "incomplete_expired")
STATUSES = ("active", "all", "canceled", "ended", "incomplete", "incomplete_expired",
            "past_due", "paused", "trialing", "unpaid")
BEHAVIOURS = ("allow_incomplete", "default_incomplete", "error_if_incomplete")


# -- creating ---------------------------------------------------------------------


def create(account: Account, params: dict) -> dict:
    """`POST /v1/subscriptions`: the first invoice is made and collected at once.

    :raise StripeError: unknown price, mixed currencies or intervals, no card; 402
        with `payment_behavior=error_if_incomplete`.
    """
    customer = account.need("customer", params["customer"], "customer")
    prices = _prices(account, params["items"])
    if "default_payment_method" in params:
        payment_methods.need_of(account, params["default_payment_method"],
                                customer["id"], "default_payment_method")
    doc = account.insert("subscription", _new(account, params, prices))
    behavior = params.get("payment_behavior", "allow_incomplete")
    invoice = _invoice(account, doc, "subscription_create")
    doc = account.save(doc, latest_invoice=invoice["id"])
    account.emit("customer.subscription.created", doc)
    if invoice["status"] == "open" and doc["collection_method"] == "charge_automatically":
        _first_payment(account, doc, invoice, behavior)
    return account.fresh(doc)


def _first_payment(account, doc: dict, invoice: dict, behavior: str) -> None:
    """Collect the first invoice; a refusal leaves the subscription incomplete."""
    account.save(doc, status="incomplete")
    if behavior == "default_incomplete":
        return
    try:
        invoices.collect(account, invoice)
    except StripeError as error:
        error.undo = behavior == "error_if_incomplete"
        if error.status != 402 or error.undo:
            raise


def _prices(account: Account, items: list[dict]) -> list[dict]:
    prices = [account.need("price", item["price"], f"items[{n}][price]")
              for n, item in enumerate(items)]
    for n, price in enumerate(prices):
        if not price["recurring"]:
            raise invalid_request(
                "The price specified is set to `type=one_time` but this field only "
                "accepts prices with `type=recurring`.", param=f"items[{n}][price]")
    if len({price["currency"] for price in prices}) > 1:
        raise invalid_request(
            "All prices on a subscription must have the same currency.", param="items")
    cycles = {(p["recurring"]["interval"], p["recurring"]["interval_count"])
              for p in prices}
    if len(cycles) > 1:
        raise not_implemented("prices of several intervals on one subscription", "items")
    return prices


def _new(account: Account, params: dict, prices: list[dict]) -> dict:
    id_, now = account.new_id("subscription"), account.now()
    trial_end = _trial_end(params, now)
    end = trial_end or _next(now, prices[0])
    items = [_item(account, id_, item, price, now, end)
             for item, price in zip(params["items"], prices, strict=True)]
    absent = ("application", "application_fee_percent", "billing_cycle_anchor_config",
              "billing_thresholds", "cancel_at", "canceled_at", "customer_account",
              "default_source", "ended_at", "next_pending_invoice_item_invoice",
              "on_behalf_of", "pause_collection", "pending_invoice_item_interval",
              "pending_setup_intent", "pending_update", "schedule", "test_clock",
              "transfer_data")
    rates = [account.render(account.need("tax_rate", rate, "default_tax_rates"))
             for rate in params.get("default_tax_rates") or []]
    doc = {
        **dict.fromkeys(absent),
        "id": id_,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": end if trial_end else now,
        "billing_mode": {"flexible": {"proration_discounts": "included"},
                         "type": "flexible"},
        "billing_schedules": [],
        "cancel_at_period_end": params.get("cancel_at_period_end", False),
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": params.get("collection_method", "charge_automatically"),
        "created": now,
        "currency": prices[0]["currency"],
        "customer": params["customer"],
        "days_until_due": params.get("days_until_due"),
        "default_payment_method": params.get("default_payment_method"),
        "default_tax_rates": rates,
        "description": params.get("description"),
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": list_object(items, False, f"/v1/subscription_items?subscription={id_}"),
        "latest_invoice": None,
        "livemode": False,
        "metadata": metadata({}, params),
        "payment_settings": {"payment_method_options": None,
                             "payment_method_types": None,
                             "save_default_payment_method": "off"},
        "start_date": now,
        "status": "trialing" if trial_end else "active",
        "trial_end": trial_end,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": now if trial_end else None,
    }
    return _with_cancel_at(doc)


def _trial_end(params: dict, now: int) -> int | None:
    if "trial_period_days" in params:
        return now + params["trial_period_days"] * const.DAY
    end = params.get("trial_end")
    return None if end in (None, "now") else end


def _next(start: int, price: dict) -> int:
    recurring = price["recurring"]
    return periods.add(start, recurring["interval"], recurring["interval_count"])


def _item(account, subscription: str, item: dict, price: dict, start: int, end: int):
    return {
        "id": account.new_id("subscription_item"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": start,
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": metadata({}, item),
        "price": account.render(price),
        "quantity": item.get("quantity", 1),
        "subscription": subscription,
        "tax_rates": [account.render(account.need("tax_rate", rate, "tax_rates"))
                      for rate in item.get("tax_rates") or []],
    }


def _with_cancel_at(doc: dict) -> dict:
    """`cancel_at_period_end` shows its date in `cancel_at`."""
    end = doc["items"]["data"][0]["current_period_end"]
    return {**doc, "cancel_at": end if doc["cancel_at_period_end"] else None}


# -- invoices of a subscription -----------------------------------------------------


def _invoice(account: Account, doc: dict, reason: str) -> dict:
    """Make and finalise the invoice of the current period."""
    customer = account.need("customer", doc["customer"])
    params = {"collection_method": doc["collection_method"], "auto_advance": True}
    if doc["days_until_due"] is not None:
        params["days_until_due"] = doc["days_until_due"]
    details = {"metadata": doc["metadata"], "subscription": doc["id"]}
    invoice = invoices.start(
        account, customer, doc["currency"], params, billing_reason=reason,
        parent={"quote_details": None, "subscription_details": details,
                "type": "subscription_details"},
    )
    for item in doc["items"]["data"]:
        _line(account, doc, invoice, item)
    account.emit("invoice.created", invoices.recompute(account, invoice))
    return invoices.finalize_draft(account, account.fresh(invoice))


def _line(account: Account, doc: dict, invoice: dict, item: dict) -> None:
    price, quantity = item["price"], item["quantity"]
    trial = doc["status"] == "trialing"
    unit = Decimal(0) if trial else Decimal(price["unit_amount_decimal"])
    product = account.need("product", price["product"])
    each = money.display(money.half_up(unit), price["currency"])
    interval = price["recurring"]["interval"]
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": None, "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": doc["id"], "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }
    line = {
        "amount": money.line_amount(unit, Decimal(quantity)),
        "currency": price["currency"],
        "description": f"Trial period for {product['name']}" if trial
        else f"{quantity} × {product['name']} (at {each} / {interval})",
        "metadata": doc["metadata"],
        "period": {"start": item["current_period_start"],
                   "end": item["current_period_end"]},
        "pricing": {**invoice_lines.pricing_of(price),
                    "unit_amount_decimal": catalog.plain(unit)},
        "quantity": quantity,
    }
    rates = item["tax_rates"] or doc["default_tax_rates"]
    invoice_lines.add_line(account, invoice["id"], line, parent, rates)


def invoice_settled(account: Account, doc: dict, invoice: dict) -> None:
    """An invoice of this subscription was paid or refused: the status follows."""
    if doc["status"] in ENDED or doc["latest_invoice"] not in (None, invoice["id"]):
        return
    if invoice["status"] == "paid" and doc["status"] in ("incomplete", "past_due"):
        account.changed("customer.subscription.updated", doc, status="active")
    if invoice["status"] == "open" and doc["status"] == "active":
        account.changed("customer.subscription.updated", doc, status="past_due")


def renew(account: Account, doc: dict) -> dict:
    """The period ends: cancel when so wished, else bill the next one."""
    if doc["status"] in ENDED:
        raise unexpected_state(f"Subscription {doc['id']} is {doc['status']}.")
    if doc["cancel_at_period_end"]:
        return end(account, doc)
    items = [
        {**item, "current_period_start": item["current_period_end"],
         "current_period_end": _next(item["current_period_end"], item["price"])}
        for item in doc["items"]["data"]
    ]
    status = "active" if doc["status"] == "trialing" else doc["status"]
    doc = account.changed("customer.subscription.updated", doc, status=status,
                          items={**doc["items"], "data": items})
    invoice = _invoice(account, doc, "subscription_cycle")
    doc = account.save(account.fresh(doc), latest_invoice=invoice["id"])
    if invoice["status"] == "open" and doc["collection_method"] == "charge_automatically":
        try:
            invoices.collect(account, invoice)
        except StripeError:
            account.changed("customer.subscription.updated", account.fresh(doc),
                            status="past_due")
    return account.fresh(doc)


# -- changing and ending ------------------------------------------------------------


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/subscriptions/{subscription}`; changes of items without proration."""
    doc = account.need("subscription", id_)
    if doc["status"] in ENDED:
        raise invalid_request(
            "A canceled subscription can only update its cancellation_details and "
            "metadata.")
    if "default_payment_method" in params:
        payment_methods.need_of(account, params["default_payment_method"],
                                doc["customer"], "default_payment_method")
    names = ("cancel_at_period_end", "default_payment_method", "description",
             "pause_collection")
    changes = {name: params[name] for name in names if name in params}
    changes["metadata"] = metadata(doc["metadata"], params)
    if "items" in params:
        changes["items"] = _changed_items(account, doc, params)
    if "pause_collection" in changes and changes["pause_collection"]:
        changes["pause_collection"] = {"resumes_at": None, **changes["pause_collection"]}
    after = _with_cancel_at({**doc, **changes})
    if "cancel_at_period_end" in changes:
        wanted = changes["cancel_at_period_end"]
        changes.update(cancel_at=after["cancel_at"],
                       canceled_at=account.now() if wanted else None)
    return account.changed("customer.subscription.updated", doc, **changes)


def _changed_items(account: Account, doc: dict, params: dict) -> dict:
    """:return: the item list after changes of quantity or price."""
    if params.get("proration_behavior") != "none":
        raise not_implemented("proration; pass proration_behavior=none", "items")
    items = {item["id"]: item for item in doc["items"]["data"]}
    for n, sent in enumerate(params["items"]):
        item = items.get(sent.get("id"))
        if item is None:
            raise invalid_request("No such subscription item", param=f"items[{n}][id]",
                                  code="resource_missing")
        item = {**item, "quantity": sent.get("quantity", item["quantity"])}
        if "price" in sent:
            item["price"] = account.render(_prices(account, [sent])[0])
        items[item["id"]] = item
    return {**doc["items"], "data": list(items.values())}


def cancel(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/subscriptions/{subscription}`: at once, without proration."""
    doc = account.need("subscription", id_)
    if doc["status"] in ENDED:
        raise StripeError(404, "invalid_request_error",
                          f"No such subscription: '{id_}'", code="resource_missing",
                          param="id")
    if params.get("prorate") or params.get("invoice_now"):
        raise not_implemented("prorate and invoice_now")
    return end(account, doc, params.get("cancellation_details"))


def end(account: Account, doc: dict, details: dict | None = None) -> dict:
    """The subscription ends now."""
    now = account.now()
    doc = account.save(
        doc, status="canceled", ended_at=now, canceled_at=doc["canceled_at"] or now,
        cancellation_details={"comment": None, "feedback": None, **(details or {}),
                              "reason": "cancellation_requested"},
    )
    account.emit("customer.subscription.deleted", doc)
    return doc


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/subscriptions/{subscription}`."""
    return account.need("subscription", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/subscriptions`: without the ended ones unless asked for."""
    wanted = params.get("status")
    hidden = () if wanted == "all" else ENDED
    shown = {"ended": ENDED, None: None, "all": None}.get(wanted, (wanted,))
    documents = [
        doc for doc in account.newest("subscription")
        if (doc["status"] in shown if shown else doc["status"] not in hidden)
        and params.get("price", "") in ("", *(i["price"]["id"]
                                              for i in doc["items"]["data"]))
    ]
    return page(account, "subscription", params, "/v1/subscriptions",
                ("customer", "collection_method"), documents=documents)


_SHARED = {
    "cancel_at_period_end": Bool(),
    "default_payment_method": Str(),
    "description": Str(500, blank=True),
    "metadata": METADATA,
    "off_session": Bool(),
    "payment_behavior": Str(choices=BEHAVIOURS),
    "proration_behavior": Str(choices=("create_prorations", "none", "always_invoice")),
}
_NEW_ITEM = Obj({
    "metadata": METADATA,
    "price": Str(required=True),
    "quantity": Int(0),
    "tax_rates": TAX_RATES,
})
_ALL, _ONE = "/v1/subscriptions", "/v1/subscriptions/{subscription_exposed_id}"
OPERATIONS = [
    Operation("POST", _ALL, create, "subscription", {
        **_SHARED,
        "collection_method": Str(choices=("charge_automatically", "send_invoice")),
        "customer": Str(required=True),
        "days_until_due": Int(0),
        "default_tax_rates": TAX_RATES,
        "items": Arr(_NEW_ITEM, 20, required=True),
        "trial_end": OneOf(("now",), Int()),
        "trial_period_days": Int(1),
    }),
    Operation("GET", _ALL, list_, "list:subscription", {
        "collection_method": Str(),
        "created": CREATED,
        "customer": Str(),
        "price": Str(),
        "status": Str(choices=STATUSES),
    }),
    Operation("GET", _ONE, retrieve, "subscription"),
    Operation("POST", _ONE, update, "subscription", {
        **_SHARED,
        "items": Arr(Obj({"id": Str(required=True), "price": Str(),
                          "quantity": Int(0)}), 20),
        "pause_collection": Obj({
            "behavior": Str(choices=("keep_as_draft", "mark_uncollectible", "void"),
                            required=True),
            "resumes_at": Int(),
        }, blank=True),
    }),
    Operation("DELETE", _ONE, cancel, "subscription", {
        "cancellation_details": Obj({"comment": Str(blank=True),
                                     "feedback": Str(blank=True)}),
        "invoice_now": Bool(),
        "prorate": Bool(),
    }),
]
