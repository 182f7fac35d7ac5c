"""From HubSpot records to the documents that mappings read.

Property values stay as HubSpot has them (text or null). A deal is completed with
what a sales order needs of its other records; the added keys are listed at
`deal_document`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Any

from odoo.addons.crm_sync_base.lib.declarations import RemoteField
from odoo.addons.crm_sync_base.lib.errors import DataInvalid

from .const import IDENTIFYING, KINDS

#: properties that are read of each object, besides the mapped ones
PROPERTIES: dict[str, tuple[str, ...]] = {
    "companies": ("name", "domain", "website", "phone", "address", "address2", "city", "zip", "state", "country"),
    "contacts": ("firstname", "lastname", "email", "phone", "jobtitle"),
    "deals": ("dealname", "dealstage", "pipeline", "deal_currency_code", "amount", "closedate"),
    "quotes": ("hs_title", "hs_quote_number", "hs_quote_amount", "hs_currency", "hs_status"),
    "line_items": (
        "name", "hs_sku", "hs_product_id", "quantity", "price", "amount", "discount",
        "hs_discount_percentage", "hs_tax_amount", "hs_tax_rate_group_id", "hs_position_on_quote",
        "hs_line_item_currency_code",
    ),
}

#: who changed a record last, as user id
CHANGED_BY = "hs_updated_by_user_id"

#: Keys that documents have besides their properties: (name, label, kind, object it leads to).
ADDED: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "contacts": (
        ("full_name", "Full Name", "text", ""),
        ("company_id", "Primary Company", "reference", "companies"),
    ),
    "deals": (
        ("is_won", "Is Won", "boolean", ""),
        ("company_id", "Primary Company", "reference", "companies"),
        ("contact_id", "Contact", "reference", "contacts"),
        ("quote", "Published Quote", "reference", "quotes"),
        ("lines", "Line Items", "lines", "line_items"),
        ("net", "Net Total of the Lines", "number", ""),
        ("tax", "Tax Total of the Lines", "number", ""),
        ("total", "Total", "number", ""),
    ),
    "line_items": (
        ("unit_price", "Unit Price After Discount", "number", ""),
        ("discount_percent", "Discount %", "number", ""),
        ("tax_name", "Tax", "text", ""),
    ),
}

#: Beginning of a path that leads to associated records: `associations.companies` is the
#: id of the first company (the primary one, where there is such a thing).
ASSOCIATIONS = "associations."

#: quotes that a customer was shown; drafts and rejected ones do not count
PUBLISHED = frozenset({"APPROVAL_NOT_NEEDED", "APPROVED"})


def person_name(properties: dict[str, Any]) -> str:
    """Return a contact's full name; the e-mail address when there is none."""
    parts = (properties.get("firstname"), properties.get("lastname"))
    return " ".join(part for part in parts if part) or properties.get("email") or ""


def choose_quote(quotes: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the published quote that was changed last, or None."""
    published = [quote for quote in quotes if quote["properties"].get("hs_status") in PUBLISHED]
    return max(published, key=lambda quote: (quote["updatedAt"], quote["id"]), default=None)


def line_document(line: dict[str, Any], tax_names: dict[str, str]) -> dict[str, Any]:
    """Return a line item's properties, completed.

    Added: `id`; `tax_name` of its tax-rate group; `unit_price` and
    `discount_percent`, where a discount *amount* per unit is taken off the price
    (Odoo's discount is a percentage; the percentage wins where both are set).
    """
    properties = line["properties"]
    percent = number(properties.get("hs_discount_percentage"), "discount")
    price = number(properties.get("price"), "price")
    if not percent:
        price -= number(properties.get("discount"), "discount")
    group = properties.get("hs_tax_rate_group_id")
    return {
        **properties,
        "id": line["id"],
        "unit_price": price,
        "discount_percent": percent,
        "tax_name": tax_names.get(group, group) if group else None,
    }


def deal_document(
    deal: dict[str, Any],
    *,
    is_won: bool,
    company_id: str,
    contact_id: str,
    quote: dict[str, Any] | None,
    lines: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return a deal's properties, completed.

    Added: `id`, `is_won`, `company_id`, `contact_id`, `quote` (properties and `id`)
    or None, `lines` in their order, and the totals `net`, `tax` and `total`. Net and
    tax are the sums of HubSpot's own line amounts; the total is the quote's, and
    without a quote the sum of both.
    """
    lines = sorted(lines, key=lambda line: (int(line.get("hs_position_on_quote") or 0), int(line["id"])))
    net = sum((number(line.get("amount"), "amount") for line in lines), Decimal(0))
    tax = sum((number(line.get("hs_tax_amount"), "tax") for line in lines), Decimal(0))
    total = net + tax
    if quote:
        total = number(quote["properties"].get("hs_quote_amount"), "quote amount")
    return {
        **deal["properties"],
        "id": deal["id"],
        "is_won": is_won,
        "company_id": company_id or None,
        "contact_id": contact_id or None,
        "quote": {**quote["properties"], "id": quote["id"]} if quote else None,
        "lines": lines,
        "net": net,
        "tax": tax,
        "total": total,
    }


def deal_facts(deal: dict[str, Any]) -> dict[str, Any]:
    """Return what a completed deal says of itself, as keyword arguments of `DealFacts`."""
    return {
        "in_force": deal["is_won"],
        "currency": deal.get("deal_currency_code"),
        "line_count": len(deal["lines"]),
        "untaxed": deal["net"],
        "tax": deal["tax"],
        "total": deal["total"],
    }


def number(text: str | None, what: str) -> Decimal:
    """Return a property's exact number; unset counts as zero.

    :raises DataInvalid: when HubSpot holds something that is no number.
    """
    try:
        return Decimal(text or 0)
    except ArithmeticError:
        raise DataInvalid(f"HubSpot's {what} is {text!r}, which is not a number.") from None


def unique_properties(object_name: str, entries: Iterable[dict[str, Any]]) -> list[str]:
    """Return the properties by which a record can be created and found again, the best first."""
    unique = [entry["name"] for entry in entries if entry.get("hasUniqueValue") and _is_writable(entry)]
    return [*unique, *(name for name in IDENTIFYING.get(object_name, ()) if name not in unique)]


def _is_writable(entry: dict[str, Any]) -> bool:
    read_only = (entry.get("modificationMetadata") or {}).get("readOnlyValue", False)
    return not read_only and not entry.get("calculated", False) and entry["name"] != "hs_object_id"


def remote_field(
    entry: dict[str, Any], required: Collection[str] = (), unique: Collection[str] = ()
) -> RemoteField:
    """Return a property as the engine describes fields.

    :param required: names of the properties that a new record must have.
    :param unique: names of those by which a record is found.
    """
    kind = KINDS.get(entry["type"], "text")
    if kind == "choice" and entry.get("fieldType") == "checkbox":
        kind = "choices"
    return RemoteField(
        name=entry["name"],
        label=entry.get("label") or entry["name"],
        type=f"{entry['type']}/{entry['fieldType']}" if entry.get("fieldType") else entry["type"],
        required=entry["name"] in required,
        writable=_is_writable(entry),
        custom=not entry.get("hubspotDefined", False),
        kind=kind,
        unique=entry["name"] in unique,
        choices=tuple(
            (option["value"], option.get("label") or option["value"])
            for option in entry.get("options") or () if not option.get("hidden")
        ),
    )


def added_fields(object_name: str, others: dict[str, str]) -> list[RemoteField]:
    """Return what documents of an object have besides properties.

    :param others: `{object: label}` of what its records can be associated with.
    """
    found = [RemoteField("id", "Record ID", "id", writable=False, kind="text")]
    for name, label, kind, target in ADDED.get(object_name, ()):
        link = name if kind == "lines" or name == "quote" else ""
        found.append(RemoteField(name, label, kind, writable=False, kind=kind, references=target, relationship=link))
    for name, label in others.items():
        found.append(RemoteField(
            f"{ASSOCIATIONS}{name}", f"{label} (Associated)", "association", writable=False,
            kind="reference", references=name))
    return found


def first_associated(entries: list[Any], primary: int | None) -> str | None:
    """Return the id of the associated record that counts, None when there is none.

    :param entries: `client.Association` values.
    :param primary: the association type that marks *the* record, if there is one.
    """
    marked = [entry for entry in entries if primary and entry.has_type(primary)]
    return next((entry.id for entry in (*marked, *entries)), None)
