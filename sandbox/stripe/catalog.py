"""Products, prices and tax rates."""

from __future__ import annotations

from decimal import Decimal

from . import money
from .account import Account
from .errors import invalid_request, unexpected_state
from .fields import CREATED, METADATA, currency, metadata
from .listing import page
from .operation import Operation
from .params import Arr, Bool, Int, Num, Obj, Str

INTERVALS = ("day", "month", "week", "year")
BEHAVIOURS = ("exclusive", "inclusive", "unspecified")

# -- products ---------------------------------------------------------------------

_PRODUCT_TEXTS = {
    "description": Str(40000, blank=True),
    "statement_descriptor": Str(22),
    "tax_code": Str(blank=True),
    "unit_label": Str(12, blank=True),
    "url": Str(blank=True),
}


def create_product(account: Account, params: dict) -> dict:
    """`POST /v1/products`; the caller may choose the id."""
    if "id" in params and account.find("product", params["id"]):
        raise invalid_request(
            f"Product already exists: '{params['id']}'",
            code="resource_already_exists",
            param="id",
        )
    now = account.now()
    doc = account.insert(
        "product",
        {
            "id": params.get("id") or account.new_id("product"),
            "active": params.get("active", True),
            "created": now,
            "default_price": None,
            "images": [],
            "livemode": False,
            "marketing_features": [],
            "metadata": metadata({}, params),
            "name": params["name"],
            "package_dimensions": None,
            "shippable": params.get("shippable"),
            "type": "service",
            "updated": now,
            **{name: params.get(name) for name in _PRODUCT_TEXTS},
        },
    )
    account.emit("product.created", doc)
    if "default_price_data" in params:
        data = {**params["default_price_data"], "product": doc["id"]}
        price = create_price(account, data)
        doc = account.save(doc, default_price=price["id"])
    return doc


def update_product(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/products/{id}`."""
    doc = account.need("product", id_)
    names = ("active", "name", "default_price", "shippable", *_PRODUCT_TEXTS)
    changes = {name: params[name] for name in names if name in params}
    if "default_price" in changes:
        _check_price_of(account, changes["default_price"], id_)
    changes["metadata"] = metadata(doc["metadata"], params)
    if any(doc.get(name) != value for name, value in changes.items()):
        changes["updated"] = account.now()
    return account.changed("product.updated", doc, **changes)


def _check_price_of(account: Account, price: str, product: str) -> None:
    if account.need("price", price, "default_price")["product"] != product:
        raise invalid_request(
            f"The price {price} does not belong to the product {product}.",
            param="default_price",
        )


def delete_product(account: Account, params: dict, id_: str) -> dict:
    """`DELETE /v1/products/{id}`: impossible once it has a price."""
    doc = account.need("product", id_)
    if account.by("price", "product", id_):
        raise unexpected_state(
            "This product cannot be deleted because it has one or more user-created "
            "prices."
        )
    account.store.delete("stripe/product", id_)
    account.emit("product.deleted", doc)
    return {"id": id_, "object": "product", "deleted": True}


def list_products(account: Account, params: dict) -> dict:
    """`GET /v1/products`."""
    documents = account.newest("product")
    if "ids" in params:
        documents = [doc for doc in documents if doc["id"] in params["ids"]]
    return page(account, "product", params, "/v1/products", ("active",),
                documents=documents)


# -- prices -----------------------------------------------------------------------

_INTERVAL = {
    "interval": Str(choices=INTERVALS, required=True),
    "interval_count": Int(1),
}
_RECURRING = Obj({**_INTERVAL, "usage_type": Str(choices=("licensed",))})
_PRICE = {
    "active": Bool(),
    "billing_scheme": Str(choices=("per_unit",)),
    "currency": currency(required=True),
    "lookup_key": Str(200),
    "metadata": METADATA,
    "nickname": Str(blank=True),
    "recurring": _RECURRING,
    "tax_behavior": Str(choices=BEHAVIOURS),
    "transfer_lookup_key": Bool(),
    "unit_amount": Int(0),
    "unit_amount_decimal": Num(12),
}


def create_price(account: Account, params: dict) -> dict:
    """`POST /v1/prices`."""
    unit = _unit_amount(params)
    product = _product_of(account, params)
    _take_lookup_key(account, params)
    recurring = params.get("recurring")
    doc = account.insert(
        "price",
        {
            "active": params.get("active", True),
            "billing_scheme": "per_unit",
            "created": account.now(),
            "currency": params["currency"],
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": params.get("lookup_key"),
            "metadata": metadata({}, params),
            "nickname": params.get("nickname"),
            "product": product,
            "recurring": recurring and {
                "interval": recurring["interval"],
                "interval_count": recurring.get("interval_count", 1),
                "meter": None,
                "trial_period_days": None,
                "usage_type": "licensed",
            },
            "tax_behavior": params.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "recurring" if recurring else "one_time",
            "unit_amount": int(unit) if unit == int(unit) else None,
            "unit_amount_decimal": plain(unit),
        },
    )
    account.emit("price.created", doc)
    return doc


def plain(value: Decimal) -> str:
    """:return: a decimal as the API writes it: no exponent, no trailing zeros."""
    return f"{value.normalize():f}"


def _unit_amount(params: dict) -> Decimal:
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise invalid_request(
            "You must specify exactly one of `unit_amount` and `unit_amount_decimal`.",
            param="unit_amount",
        )
    unit = Decimal(params.get("unit_amount", params.get("unit_amount_decimal")))
    if unit == int(unit):
        money.check_digits(int(unit), params["currency"], "unit_amount")
    return unit


def _product_of(account: Account, params: dict) -> str:
    if "product" in params:
        return account.need("product", params["product"], "product")["id"]
    if "product_data" in params:
        return create_product(account, params["product_data"])["id"]
    raise invalid_request(
        "Missing required param: product.", code="parameter_missing", param="product"
    )


def _take_lookup_key(account: Account, params: dict) -> None:
    """A lookup key names one price; it is handed over only when asked for."""
    key = params.get("lookup_key")
    holders = [p for p in account.newest("price") if key and p["lookup_key"] == key]
    if holders and not params.get("transfer_lookup_key"):
        raise invalid_request(
            f"A price (`{holders[0]['id']}`) already uses that lookup key.",
            code="resource_already_exists",
            param="lookup_key",
        )
    for doc in holders:
        account.changed("price.updated", doc, lookup_key=None)


def update_price(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/prices/{price}`: an amount can never be changed."""
    doc = account.need("price", id_)
    if "tax_behavior" in params and doc["tax_behavior"] != "unspecified":
        raise unexpected_state(
            "You cannot change `tax_behavior` once it is specified.", param="tax_behavior"
        )
    if params.get("lookup_key") != doc["lookup_key"]:
        _take_lookup_key(account, params)
    names = ("active", "lookup_key", "nickname", "tax_behavior")
    changes = {name: params[name] for name in names if name in params}
    changes["metadata"] = metadata(doc["metadata"], params)
    return account.changed("price.updated", doc, **changes)


def list_prices(account: Account, params: dict) -> dict:
    """`GET /v1/prices`."""
    documents = None
    if "lookup_keys" in params:
        wanted = params["lookup_keys"]
        documents = [p for p in account.newest("price") if p["lookup_key"] in wanted]
    return page(account, "price", params, "/v1/prices",
                ("active", "currency", "product", "type"), documents=documents)


# -- tax rates --------------------------------------------------------------------


def create_tax_rate(account: Account, params: dict) -> dict:
    """`POST /v1/tax_rates`."""
    percentage = params["percentage"]
    if not 0 <= percentage <= 100:
        raise invalid_request(
            "The percentage must be between 0 and 100.", param="percentage"
        )
    doc = account.insert(
        "tax_rate",
        {
            "active": params.get("active", True),
            "country": params.get("country"),
            "created": account.now(),
            "description": params.get("description"),
            "display_name": params["display_name"],
            "effective_percentage": float(percentage),
            "flat_amount": None,
            "inclusive": params["inclusive"],
            "jurisdiction": params.get("jurisdiction"),
            "jurisdiction_level": None,
            "livemode": False,
            "metadata": metadata({}, params),
            # The API shows a JSON number; the exact value is kept beside it.
            "percentage": float(percentage),
            "rate_type": "percentage",
            "state": params.get("state"),
            "tax_type": params.get("tax_type"),
            "_percentage": percentage,
        },
    )
    account.emit("tax_rate.created", doc)
    return doc


_TAX_RATE = {
    "active": Bool(),
    "country": Str(2),
    "description": Str(),
    "display_name": Str(50),
    "jurisdiction": Str(50),
    "metadata": METADATA,
    "state": Str(),
    "tax_type": Str(choices=("gst", "hst", "jct", "pst", "qst", "sales_tax", "vat")),
}


def update_tax_rate(account: Account, params: dict, id_: str) -> dict:
    """`POST /v1/tax_rates/{tax_rate}`: the percentage can never be changed."""
    doc = account.need("tax_rate", id_)
    changes = {k: v for k, v in params.items() if k in _TAX_RATE and k != "metadata"}
    changes["metadata"] = metadata(doc["metadata"], params)
    return account.changed("tax_rate.updated", doc, **changes)


def list_tax_rates(account: Account, params: dict) -> dict:
    """`GET /v1/tax_rates`."""
    return page(account, "tax_rate", params, "/v1/tax_rates", ("active", "inclusive"))


def _reader(object_type: str):
    def retrieve(account: Account, params: dict, id_: str) -> dict:
        return account.need(object_type, id_)

    return retrieve


OPERATIONS = [
    Operation("POST", "/v1/products", create_product, "product", {
        **_PRODUCT_TEXTS,
        "active": Bool(),
        "default_price_data": Obj({
            **{k: _PRICE[k] for k in ("currency", "metadata", "tax_behavior",
                                      "unit_amount", "unit_amount_decimal")},
            "recurring": Obj(_INTERVAL),
        }),
        "id": Str(),
        "metadata": METADATA,
        "name": Str(required=True),
        "shippable": Bool(),
    }),
    Operation("GET", "/v1/products", list_products, "list:product",
              {"active": Bool(), "created": CREATED, "ids": Arr(Str(), 100)}),
    Operation("GET", "/v1/products/{id}", _reader("product"), "product"),
    Operation("POST", "/v1/products/{id}", update_product, "product", {
        **_PRODUCT_TEXTS,
        "active": Bool(),
        "default_price": Str(),
        "metadata": METADATA,
        "name": Str(),
        "shippable": Bool(),
    }),
    Operation("DELETE", "/v1/products/{id}", delete_product, "product"),
    Operation("POST", "/v1/prices", create_price, "price", {
        **_PRICE,
        "product": Str(),
        "product_data": Obj({
            "active": Bool(),
            "id": Str(),
            "metadata": METADATA,
            "name": Str(required=True),
            "statement_descriptor": Str(22),
            "tax_code": Str(),
            "unit_label": Str(12),
        }),
    }),
    Operation("GET", "/v1/prices", list_prices, "list:price", {
        "active": Bool(),
        "created": CREATED,
        "currency": Str(3),
        "lookup_keys": Arr(Str(), 10),
        "product": Str(),
        "type": Str(choices=("one_time", "recurring")),
    }),
    Operation("GET", "/v1/prices/{price}", _reader("price"), "price"),
    Operation("POST", "/v1/prices/{price}", update_price, "price", {
        k: _PRICE[k] for k in ("active", "lookup_key", "metadata", "nickname",
                               "tax_behavior", "transfer_lookup_key")}),
    Operation("POST", "/v1/tax_rates", create_tax_rate, "tax_rate", {
        **_TAX_RATE,
        "display_name": Str(50, required=True),
        "inclusive": Bool(required=True),
        "percentage": Num(4, required=True),
    }),
    Operation("GET", "/v1/tax_rates", list_tax_rates, "list:tax_rate",
              {"active": Bool(), "created": CREATED, "inclusive": Bool()}),
    Operation("GET", "/v1/tax_rates/{tax_rate}", _reader("tax_rate"), "tax_rate"),
    Operation("POST", "/v1/tax_rates/{tax_rate}", update_tax_rate, "tax_rate", _TAX_RATE),
]
