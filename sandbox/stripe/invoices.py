"""Invoices: draft, finalised, paid through a payment intent of their own."""

from __future__ import annotations

from . import const, invoice_lines, money, payment_intents
from .account import Account
from .errors import StripeError, invalid_request, unexpected_state
from .fields import CREATED, METADATA, TAX_RATES, currency, metadata
from .listing import page
from .operation import Operation
from .params import Bool, Int, Obj, Str

_SHARED = {
    "auto_advance": Bool(),
    "collection_method": Str(choices=("charge_automatically", "send_invoice")),
    "days_until_due": Int(0),
    "default_payment_method": Str(),
    "default_tax_rates": TAX_RATES,
    "description": Str(1500),
    "due_date": Int(),
    "effective_at": Int(),
    "footer": Str(),
    "metadata": METADATA,
    "number": Str(26),
    "statement_descriptor": Str(22),
}
_PLAIN = ("auto_advance", "collection_method", "default_payment_method", "description",
          "due_date", "effective_at", "footer", "number", "statement_descriptor")


# -- making a draft ---------------------------------------------------------------


def create(account: Account, params: dict) -> dict:
    """`POST /v1/invoices`: a draft, with the waiting items when asked for."""
    customer = account.need("customer", params["customer"], "customer")
    _check_due(params)
    code = params.get("currency") or customer["currency"] or account.setting(
        "settlement_currencies")[0]
    invoice = start(account, customer, code, params)
    if params.get("pending_invoice_items_behavior", "exclude") == "include":
        for item in account.by("invoiceitem", "customer", customer["id"])[::-1]:
            if item["invoice"] is None and item["currency"] == code:
                invoice_lines.attach_item(account, item, account.fresh(invoice))
        invoice = account.fresh(invoice)
    account.emit("invoice.created", invoice)
    return invoice


def _check_due(params: dict) -> None:
    dated = [name for name in ("days_until_due", "due_date") if name in params]
    method = params.get("collection_method", "charge_automatically")
    if dated and method != "send_invoice":
        raise invalid_request(
            f"`{dated[0]}` may only be set for invoices with collection_method "
            "`send_invoice`.",
            param=dated[0],
        )
    if method == "send_invoice" and not dated:
        raise invalid_request(
            "You must pass either `days_until_due` or `due_date` when "
            "collection_method is `send_invoice`.",
            param="days_until_due",
        )


def start(account: Account, customer: dict, code: str, params: dict, **given) -> dict:
    """Store a draft without lines; `given` are members that only the stand-in sets."""
    _one_currency(account, customer, code)
    now = account.now()
    rates = [account.render(account.need("tax_rate", id_, "default_tax_rates"))
             for id_ in params.get("default_tax_rates") or []]
    due = params.get("due_date")
    if "days_until_due" in params:
        due = now + params["days_until_due"] * const.DAY
    document = {
        **_empty(account, now),
        "currency": code,
        "customer": customer["id"],
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_tax_exempt": customer["tax_exempt"],
        "default_tax_rates": rates,
        "metadata": metadata({}, params),
        **{name: params.get(name) for name in _PLAIN},
        "auto_advance": params.get("auto_advance", False),
        "collection_method": params.get("collection_method", "charge_automatically"),
        "due_date": due,
        "starting_balance": customer["balance"],
        **given,
    }
    return account.insert("invoice", document)


def _one_currency(account: Account, customer: dict, code: str) -> None:
    """A customer with something open in one currency cannot be billed in another."""
    busy = [doc for doc in account.by("invoice", "customer", customer["id"])
            if doc["status"] in ("draft", "open")]
    busy += [doc for doc in account.by("subscription", "customer", customer["id"])
             if doc["status"] not in ("canceled", "incomplete_expired")]
    other = next((doc["currency"] for doc in busy if doc["currency"] != code), None)
    if other:
        raise unexpected_state(
            "You cannot combine currencies on a single customer. This customer has an "
            "active subscription, subscription schedule, discount, quote, or invoice "
            f"item with currency {other}")


def _empty(account: Account, now: int) -> dict:
    zero = ("amount_due", "amount_overpaid", "amount_paid", "amount_paid_off_stripe",
            "amount_remaining", "amount_shipping", "attempt_count",
            "post_payment_credit_notes_amount", "pre_payment_credit_notes_amount",
            "subtotal", "subtotal_excluding_tax", "total", "total_excluding_tax")
    absent = ("account_tax_ids", "application", "automatically_finalizes_at",
              "confirmation_secret", "custom_fields", "customer_account",
              "customer_shipping", "default_source", "ending_balance", "from_invoice",
              "hosted_invoice_url", "invoice_pdf", "last_finalization_error",
              "latest_revision", "next_payment_attempt", "on_behalf_of", "parent",
              "receipt_number", "rendering", "shipping_cost", "shipping_details",
              "test_clock", "webhooks_delivered_at")
    return {
        **dict.fromkeys(zero, 0),
        **dict.fromkeys(absent),
        "account_country": "US",
        "account_name": "Sandbox Company",
        "attempted": False,
        "automatic_tax": {
            "disabled_reason": None, "enabled": False, "liability": None,
            "provider": None, "status": None,
        },
        "billing_reason": "manual",
        "created": now,
        "customer_tax_ids": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "lines": None,
        "livemode": False,
        "payment_settings": {
            "default_mandate": None, "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "status": "draft",
        "status_transitions": dict.fromkeys(
            ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def recompute(account: Account, invoice: dict) -> dict:
    """Add up the lines. Inclusive tax is inside `subtotal`, exclusive on top."""
    lines = invoice_lines.of_invoice(account, invoice["id"])
    taxes = _total_taxes(lines)
    subtotal = sum(line["amount"] for line in lines)
    by_kind = {kind: sum(t["amount"] for t in taxes if t["tax_behavior"] == kind)
               for kind in ("inclusive", "exclusive")}
    total = subtotal + by_kind["exclusive"]
    net = subtotal - by_kind["inclusive"]
    due = max(0, total + invoice["starting_balance"])
    return account.save(
        invoice, subtotal=subtotal, subtotal_excluding_tax=net, total=total,
        total_excluding_tax=net, total_taxes=taxes, amount_due=due, amount_remaining=due,
    )


def _total_taxes(lines: list[dict]) -> list[dict]:
    totals: dict[tuple, dict] = {}
    for tax in (tax for line in lines for tax in line["taxes"]):
        key = (tax["tax_rate_details"]["tax_rate"], tax["tax_behavior"])
        if key not in totals:
            totals[key] = {**tax, "amount": 0, "taxable_amount": 0}
        for name in ("amount", "taxable_amount"):
            totals[key][name] += tax[name]
    return list(totals.values())


def update(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}`; after finalisation only metadata and the like."""
    doc = account.need("invoice", id_)
    free = {"auto_advance", "default_payment_method", "metadata"}
    if doc["status"] != "draft" and set(params) - free:
        raise unexpected_state(
            "Finalized invoices can't be updated in this way", "invoice_not_editable"
        )
    changes = {name: params[name] for name in _PLAIN if name in params}
    if "days_until_due" in params:
        changes["due_date"] = account.now() + params["days_until_due"] * const.DAY
    changes["metadata"] = metadata(doc["metadata"], params)
    return account.changed("invoice.updated", doc, **changes)


def delete(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/invoices/{invoice}`: drafts only; its items wait again."""
    doc = account.need("invoice", id_)
    _must_be(doc, ("draft",), "You can only delete draft invoices.")
    for line in invoice_lines.of_invoice(account, id_):
        account.store.delete("stripe/line_item", line["id"])
    for item in account.by("invoiceitem", "invoice", id_):
        account.save(item, invoice=None)
    account.emit("invoice.deleted", doc)
    account.store.delete("stripe/invoice", id_)
    return {"id": id_, "object": "invoice", "deleted": True}


def _must_be(doc: dict, allowed: tuple[str, ...], message: str) -> None:
    if doc["status"] not in allowed:
        raise unexpected_state(message, "invoice_not_editable")


# -- finalising -------------------------------------------------------------------


def finalize(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}/finalize`."""
    doc = account.need("invoice", id_)
    _must_be(doc, ("draft",), "This invoice is already finalized, you can't re-finalize "
             "a non-draft invoice.")
    if "auto_advance" in params:
        doc = account.save(doc, auto_advance=params["auto_advance"])
    return finalize_draft(account, doc)


def finalize_draft(account: Account, doc: dict) -> dict:
    """Number it, apply the customer's balance, open a payment intent for the rest.

    :return: the open invoice, or the paid one when nothing is due.
    """
    customer = account.need("customer", doc["customer"])
    doc = recompute(account, account.save(doc, starting_balance=customer["balance"]))
    due, left = _apply_balance(doc, customer["balance"])
    number = doc["number"] or _next_number(account, customer)
    now = account.now()
    account.save(account.fresh(customer), balance=left,
                 currency=customer["currency"] or doc["currency"])
    host = "https://invoice.stripe.com/i/test"
    doc = account.save(
        doc, amount_due=due, amount_remaining=due, ending_balance=left, number=number,
        status="open", effective_at=doc["effective_at"] or now,
        hosted_invoice_url=f"{host}/{doc['id']}", invoice_pdf=f"{host}/{doc['id']}/pdf",
        status_transitions={**doc["status_transitions"], "finalized_at": now},
    )
    if due:
        _open_payment(account, doc)
    account.emit("invoice.finalized", doc)
    return doc if due else _mark_paid(account, doc, 0)


def _apply_balance(doc: dict, balance: int) -> tuple[int, int]:
    """:return: (amount due, customer balance afterwards), minor units.

    A credit (negative balance) pays first. What cannot be charged because it is
    below the currency's minimum is carried on the balance to the next invoice.
    """
    due = doc["total"] + balance
    if due <= 0:
        return 0, due
    minimum = money.MINIMUM_CHARGE.get(doc["currency"], 50)
    too_small = due < minimum and doc["collection_method"] == "charge_automatically"
    return (0, due) if too_small else (due, 0)


def _next_number(account: Account, customer: dict) -> str:
    sequence = customer["next_invoice_sequence"]
    account.save(customer, next_invoice_sequence=sequence + 1)
    return f"{customer['invoice_prefix']}-{sequence:04d}"


def _open_payment(account: Account, doc: dict) -> dict:
    intent = payment_intents.create(
        account,
        {
            "amount": doc["amount_due"],
            "currency": doc["currency"],
            "customer": doc["customer"],
            "description": f"Payment for Invoice {doc['number']}",
        },
    )
    return account.insert(
        "invoice_payment",
        {
            "amount_paid": None,
            "amount_requested": doc["amount_due"],
            "created": account.now(),
            "currency": doc["currency"],
            "invoice": doc["id"],
            "is_default": True,
            "livemode": False,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )


# -- collecting -------------------------------------------------------------------


def pay(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}/pay`.

    :raise StripeError: 400 not payable or no card, 402 card refused.
    """
    doc = account.need("invoice", id_)
    if doc["status"] == "paid":
        raise unexpected_state("Invoice is already paid", "invoice_already_paid")
    if doc["status"] == "draft":
        doc = finalize_draft(account, doc)
        if doc["status"] == "paid":
            return doc
    _must_be(doc, ("open", "uncollectible"), "This invoice can no longer be paid.")
    if params.get("paid_out_of_band"):
        return _paid_elsewhere(account, doc)
    return collect(account, doc, params.get("payment_method"))


def collect(account: Account, doc: dict, method: str | None = None) -> dict:
    """Charge an open invoice. :return: the paid invoice."""
    method = method or card_for(account, doc)
    payment = default_payment(account, doc)
    intent = account.need("payment_intent", payment["payment"]["payment_intent"])
    try:
        payment_intents.confirm(
            account, {"payment_method": method, "off_session": True}, intent["id"]
        )
    except StripeError as error:
        if error.status == 402:
            attempts = doc["attempt_count"] + 1
            doc = account.save(doc, attempted=True, attempt_count=attempts)
            account.emit("invoice.payment_failed", doc)
            _subscription_changed(account, doc)
        raise
    paid = {**payment["status_transitions"], "paid_at": account.now()}
    payment = account.save(payment, status="paid", amount_paid=doc["amount_due"],
                           status_transitions=paid)
    account.emit("invoice_payment.paid", payment)
    return _mark_paid(account, doc, doc["amount_due"])


def card_for(account: Account, doc: dict) -> str:
    """:return: the card that an invoice is collected with.

    :raise StripeError: neither invoice, subscription nor customer has one.
    """
    customer = account.need("customer", doc["customer"])
    subscription = _subscription_of(account, doc) or {}
    method = (
        doc["default_payment_method"]
        or subscription.get("default_payment_method")
        or customer["invoice_settings"]["default_payment_method"]
    )
    if not method:
        raise unexpected_state(
            "This customer has no attached payment source or default payment method. "
            "Please consider adding a default payment method. For more information, "
            "visit https://stripe.com/docs/billing/subscriptions/"
            "payment-methods-setting#payment-method-priority.",
            "resource_missing",
        )
    return method


def default_payment(account: Account, doc: dict) -> dict:
    """:return: the invoice payment that holds the invoice's payment intent."""
    payments = account.by("invoice_payment", "invoice", doc["id"])
    return next(payment for payment in payments if payment["is_default"])


def _mark_paid(account: Account, doc: dict, amount: int, **more) -> dict:
    now = account.now()
    doc = account.save(
        doc, status="paid", attempted=True, amount_paid=amount, amount_remaining=0,
        attempt_count=doc["attempt_count"] + (1 if amount else 0),
        status_transitions={**doc["status_transitions"], "paid_at": now}, **more,
    )
    account.emit("invoice.paid", doc)
    account.emit("invoice.payment_succeeded", doc)
    _subscription_changed(account, doc)
    return doc


def _paid_elsewhere(account: Account, doc: dict) -> dict:
    """Money that arrived outside the platform: no charge, the intent is canceled."""
    _cancel_payment(account, doc)
    due = doc["amount_due"]
    return _mark_paid(account, doc, due, amount_paid_off_stripe=due)


def _cancel_payment(account: Account, doc: dict) -> None:
    for payment in account.by("invoice_payment", "invoice", doc["id"]):
        if payment["status"] != "open":
            continue
        payment_intents.cancel(account, {}, payment["payment"]["payment_intent"])
        at = {**payment["status_transitions"], "canceled_at": account.now()}
        account.save(payment, status="canceled", status_transitions=at)


def _subscription_of(account: Account, doc: dict) -> dict | None:
    details = (doc["parent"] or {}).get("subscription_details")
    return details and account.find("subscription", details["subscription"])


def _subscription_changed(account: Account, doc: dict) -> None:
    """Tell the subscription that its invoice was paid or not."""
    from . import subscriptions

    subscription = _subscription_of(account, doc)
    if subscription:
        subscriptions.invoice_settled(account, subscription, doc)


def void(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}/void`."""
    doc = account.need("invoice", id_)
    _must_be(doc, ("open", "uncollectible"), "You can only void open invoices.")
    _cancel_payment(account, doc)
    at = {**doc["status_transitions"], "voided_at": account.now()}
    return account.changed("invoice.voided", doc, status="void", status_transitions=at)


def mark_uncollectible(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}/mark_uncollectible`."""
    doc = account.need("invoice", id_)
    _must_be(doc, ("open",), "You can only mark open invoices as uncollectible.")
    at = {**doc["status_transitions"], "marked_uncollectible_at": account.now()}
    return account.changed("invoice.marked_uncollectible", doc, status="uncollectible",
                           status_transitions=at)


def send(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/invoices/{invoice}/send`: a mail to the buyer (not sent here)."""
    doc = account.need("invoice", id_)
    if doc["status"] == "draft":
        doc = finalize_draft(account, doc)
    account.emit("invoice.sent", doc)
    return doc


def retrieve(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/invoices/{invoice}`."""
    return account.need("invoice", id_)


def list_(account: Account, params: dict) -> dict:
    """`GET /v1/invoices`."""
    documents = None
    if "subscription" in params:
        wanted = params["subscription"]
        documents = [doc for doc in account.newest("invoice")
                     if (_subscription_of(account, doc) or {}).get("id") == wanted]
    return page(account, "invoice", params, "/v1/invoices",
                ("collection_method", "customer", "status"), ("created", "due_date"),
                documents)


def advance(account: Account, hour_passed: bool) -> list[dict]:
    """What happens by itself: drafts with `auto_advance` are finalised an hour after
    they were made, and open automatic invoices are collected.

    :param hour_passed: do not wait for the hour.
    :return: the invoices that changed.
    """
    touched = []
    for doc in account.newest("invoice")[::-1]:
        ripe = hour_passed or doc["created"] + 3600 <= account.now()
        if not doc["auto_advance"]:
            continue
        if doc["status"] == "draft" and ripe:
            doc = finalize_draft(account, doc)
            touched.append(doc)
        automatic = doc["collection_method"] == "charge_automatically"
        if doc["status"] == "open" and automatic and not doc["attempted"]:
            touched.append(_try_collect(account, doc))
    return [account.fresh(doc) for doc in touched]


def _try_collect(account: Account, doc: dict) -> dict:
    try:
        return collect(account, doc)
    except StripeError:
        return account.fresh(doc)


# -- invoice payments -------------------------------------------------------------


def retrieve_payment(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/invoice_payments/{invoice_payment}`."""
    return account.need("invoice_payment", id_)


def list_payments(account: Account, params: dict) -> dict:
    """`GET /v1/invoice_payments`, e.g. to find the invoice of a payment intent."""
    documents = None
    wanted = params.get("payment", {}).get("payment_intent")
    if wanted:
        documents = account.by("invoice_payment", "payment_intent", wanted)
    return page(account, "invoice_payment", params, "/v1/invoice_payments",
                ("invoice", "status"), documents=documents)


_ALL, _ONE = "/v1/invoices", "/v1/invoices/{invoice}"
_PAY = {
    "off_session": Bool(),
    "paid_out_of_band": Bool(),
    "payment_method": Str(),
}
OPERATIONS = [
    Operation("POST", _ALL, create, "invoice", {
        **_SHARED,
        "currency": currency(),
        "customer": Str(required=True),
        "pending_invoice_items_behavior": Str(choices=("exclude", "include")),
    }),
    Operation("GET", _ALL, list_, "list:invoice", {
        "collection_method": Str(),
        "created": CREATED,
        "customer": Str(),
        "due_date": CREATED,
        "status": Str(choices=("draft", "open", "paid", "uncollectible", "void")),
        "subscription": Str(),
    }),
    Operation("GET", _ONE, retrieve, "invoice"),
    Operation("POST", _ONE, update, "invoice",
              {k: v for k, v in _SHARED.items() if k != "default_tax_rates"}),
    Operation("DELETE", _ONE, delete, "invoice"),
    Operation("POST", _ONE + "/finalize", finalize, "invoice", {"auto_advance": Bool()}),
    Operation("POST", _ONE + "/pay", pay, "invoice", _PAY),
    Operation("POST", _ONE + "/void", void, "invoice"),
    Operation("POST", _ONE + "/mark_uncollectible", mark_uncollectible, "invoice"),
    Operation("POST", _ONE + "/send", send, "invoice"),
    Operation("GET", "/v1/invoice_payments", list_payments, "list:invoice_payment", {
        "created": CREATED,
        "invoice": Str(),
        "payment": Obj({
            "payment_intent": Str(),
            "type": Str(choices=("payment_intent",), required=True),
        }),
        "status": Str(choices=("canceled", "open", "paid")),
    }),
    Operation("GET", "/v1/invoice_payments/{invoice_payment}", retrieve_payment,
              "invoice_payment"),
]
