"""Invoice items and invoice lines: amounts and taxes, exact to the minor unit."""

from __future__ import annotations

from decimal import Decimal

from . import catalog, money
from .account import Account
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, PERIOD, TAX_RATES, currency, metadata
from .listing import page
from .operation import Operation
from .params import Bool, Int, Num, Obj, Str

_PRICE_DATA = Obj(
    {
        "currency": currency(required=True),
        "product": Str(required=True),
        "tax_behavior": Str(choices=catalog.BEHAVIOURS),
        "unit_amount": Int(),
        "unit_amount_decimal": Num(12),
    }
)


def create_item(account: Account, params: dict) -> dict:
    """`POST /v1/invoiceitems`: on a draft invoice, or waiting for the next one."""
    account.need("customer", params["customer"], "customer")
    invoice = None
    if "invoice" in params:
        invoice = account.need("invoice", params["invoice"], "invoice")
        _must_fit(invoice, params)
    code, quantity, amount, pricing = _priced(account, params, invoice)
    if invoice and code != invoice["currency"]:
        raise invalid_request(
            f"The currency of the invoice item ({code}) differs from the invoice's "
            f"({invoice['currency']}).",
            param="currency",
        )
    now = account.now()
    item = account.insert(
        "invoiceitem",
        {
            "amount": amount,
            "currency": code,
            "customer": params["customer"],
            "customer_account": None,
            "date": now,
            "description": params.get("description"),
            "discountable": params.get("discountable", amount >= 0),
            "discounts": [],
            "invoice": None,
            "livemode": False,
            "metadata": metadata({}, params),
            "net_amount": amount,
            "parent": None,
            "period": params.get("period", {"start": now, "end": now}),
            "pricing": pricing,
            "proration": False,
            "quantity": int(quantity),
            "quantity_decimal": catalog.plain(quantity),
            "tax_rates": _rates(account, params.get("tax_rates")),
            "test_clock": None,
        },
    )
    if invoice:
        item = attach_item(account, item, invoice)
    return item


def _must_fit(invoice: dict, params: dict) -> None:
    if invoice["status"] != "draft":
        raise unexpected_state(
            "The invoice is no longer editable: only drafts take invoice items.",
            "invoice_not_editable",
            param="invoice",
        )
    if invoice["customer"] != params["customer"]:
        raise invalid_request(
            f"The invoice {invoice['id']} belongs to another customer.", param="invoice"
        )


def _rates(account: Account, ids: list[str] | None) -> list[dict]:
    return [
        account.render(account.need("tax_rate", id_, "tax_rates")) for id_ in ids or []
    ]


def _priced(account: Account, params: dict, invoice: dict | None):
    """:return: (currency, quantity, amount, pricing of the line)."""
    quantity = Decimal(params.get("quantity", 1))
    if "pricing" in params:
        price = account.need("price", params["pricing"]["price"], "pricing[price]")
    elif "price_data" in params:
        price = catalog.create_price(account, {**params["price_data"], "active": False})
    else:
        code = params.get("currency") or (invoice or {}).get("currency")
        if not code:
            raise invalid_request(
                "Missing required param: currency.",
                code="parameter_missing",
                param="currency",
            )
        return _bare(params, code, quantity)
    unit = Decimal(price["unit_amount_decimal"])
    amount = money.line_amount(unit, quantity)
    return price["currency"], quantity, amount, pricing_of(price)


def _bare(params: dict, code: str, quantity: Decimal):
    """An item given by an amount alone, or by unit amount and quantity."""
    if ("amount" in params) == ("unit_amount_decimal" in params):
        raise invalid_request(
            "You must specify one of amount, unit_amount_decimal, price_data or "
            "pricing.",
            param="amount",
        )
    if "amount" in params:
        if quantity != 1:
            raise invalid_request(
                "You may only specify one of these parameters: amount, quantity.",
                param="quantity",
            )
        unit = Decimal(params["amount"])
    else:
        unit = params["unit_amount_decimal"]
    pricing = {
        "type": "price_details",
        "unit_amount_decimal": catalog.plain(unit),
    }
    return code, quantity, money.line_amount(unit, quantity), pricing


def pricing_of(price: dict) -> dict:
    """:return: the `pricing` member of a line for a price."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def attach_item(account: Account, item: dict, invoice: dict) -> dict:
    """Put an invoice item on a draft as a line."""
    from . import invoices

    parent = {
        "invoice_item_details": {
            "invoice_item": item["id"],
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": None,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    rates = item["tax_rates"] or invoice["default_tax_rates"]
    add_line(account, invoice["id"], item, parent, rates)
    item = account.save(item, invoice=invoice["id"])
    invoices.recompute(account, account.fresh(invoice))
    return item


def add_line(account: Account, invoice: str, item: dict, parent: dict, rates: list):
    """Store a line.

    :param item: amount, currency, description, metadata, period, pricing, quantity.
    :param rates: tax rate objects that apply.
    """
    return account.insert(
        "line_item",
        {
            "amount": item["amount"],
            "currency": item["currency"],
            "description": item["description"],
            "discount_amounts": [],
            "discountable": item.get("discountable", True),
            "discounts": [],
            "invoice": invoice,
            "livemode": False,
            "metadata": item["metadata"],
            "parent": parent,
            "period": item["period"],
            "pretax_credit_amounts": [],
            "pricing": item["pricing"],
            "quantity": item["quantity"],
            "quantity_decimal": str(item["quantity"]),
            "subscription": None,
            "subtotal": item["amount"],
            "taxes": [_tax(account, item["amount"], rate) for rate in rates],
        },
    )


def _tax(account: Account, amount: int, rate: dict) -> dict:
    """:return: one entry of a line's `taxes`."""
    percentage = account.need("tax_rate", rate["id"])["_percentage"]
    value, base = money.tax(amount, percentage, rate["inclusive"])
    return {
        "amount": value,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": "not_available",
        "taxable_amount": base,
        "type": "tax_rate_details",
    }


def of_invoice(account: Account, invoice: str) -> list[dict]:
    """:return: the lines in the order in which they were added."""
    return account.by("line_item", "invoice", invoice)[::-1]


def list_lines(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/invoices/{invoice}/lines`."""
    account.need("invoice", id_)
    lines = of_invoice(account, id_)
    return page(account, "line_item", params, f"/v1/invoices/{id_}/lines",
                ranges=(), documents=lines)


def retrieve_item(account: Account, params: dict, id_: str) -> dict:
    """`GET /v1/invoiceitems/{invoiceitem}`."""
    return account.need("invoiceitem", id_)


def delete_item(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/invoiceitems/{invoiceitem}`: while it waits, or on a draft."""
    from . import invoices

    item = account.need("invoiceitem", id_)
    invoice = item["invoice"] and account.find("invoice", item["invoice"])
    if invoice:
        _must_fit(invoice, item)
        for line in of_invoice(account, invoice["id"]):
            details = line["parent"]["invoice_item_details"]
            if details and details["invoice_item"] == id_:
                account.store.delete("stripe/line_item", line["id"])
        invoices.recompute(account, invoice)
    account.store.delete("stripe/invoiceitem", id_)
    return {"id": id_, "object": "invoiceitem", "deleted": True}


def list_items(account: Account, params: dict) -> dict:
    """`GET /v1/invoiceitems`."""
    documents = None
    if "pending" in params:
        pending = params["pending"]
        documents = [d for d in account.newest("invoiceitem")
                     if (d["invoice"] is None) == pending]
    # The object shows its time of creation as `date`.
    return page(account, "invoiceitem", {**params, "date": params.get("created")},
                "/v1/invoiceitems", ("customer", "invoice"), ("date",), documents)


OPERATIONS = [
    Operation("POST", "/v1/invoiceitems", create_item, "invoiceitem", {
        "amount": Int(),
        "currency": currency(),
        "customer": Str(required=True),
        "description": Str(),
        "discountable": Bool(),
        "invoice": Str(),
        "metadata": METADATA,
        "period": PERIOD,
        "price_data": _PRICE_DATA,
        "pricing": Obj({"price": Str(required=True)}),
        "quantity": Int(0),
        "tax_rates": TAX_RATES,
        "unit_amount_decimal": Num(12),
    }),
    Operation("GET", "/v1/invoiceitems", list_items, "list:invoiceitem", {
        "created": CREATED, "customer": Str(), "invoice": Str(), "pending": Bool()}),
    Operation("GET", "/v1/invoiceitems/{invoiceitem}", retrieve_item, "invoiceitem"),
    Operation("DELETE", "/v1/invoiceitems/{invoiceitem}", delete_item, "invoiceitem"),
    Operation("GET", "/v1/invoices/{invoice}/lines", list_lines, "list:line_item"),
]
