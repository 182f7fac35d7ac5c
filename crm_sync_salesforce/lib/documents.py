"""From Salesforce records to the documents that mappings read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from odoo.addons.crm_sync_base.lib.declarations import Notification, RemoteField

from .const import CHANGED_BY, OBJECTS, QUOTE_LINE_FIELDS
from .flows import ADDRESS
from .outbound_message import MessageNotification
from .wire import parse_moment

_PARTS = ("Street", "City", "PostalCode", "State", "Country")
_SHIPPING = tuple(f"Shipping{part}" for part in _PARTS)
_BILLING = tuple(f"Billing{part}" for part in _PARTS)

#: after so long, a stamp's second is over, whatever the clocks
SETTLED = timedelta(seconds=5)

#: field types of describe() whose JSON is a number
NUMERIC_TYPES = frozenset({"currency", "double", "percent", "int", "long"})

#: type of describe() → kind; those that are missing are other things
KINDS = {
    "id": "text", "string": "text", "textarea": "text", "email": "text", "phone": "text", "url": "text",
    "encryptedstring": "text", "picklist": "choice", "combobox": "choice", "multipicklist": "choices",
    "boolean": "boolean", "int": "integer", "long": "integer", "double": "number", "currency": "number",
    "percent": "number", "date": "date", "datetime": "datetime", "reference": "reference",
    "base64": "binary",
}

#: keys that a completed deal has besides Salesforce's own
ADDED = frozenset({"Quote", "DeliveryAddressId"})


def source_object(name: str) -> str:
    """Return the Salesforce object behind an object of ours."""
    return "Account" if name == ADDRESS else name


def fields(name: str) -> tuple[str, ...]:
    """Return what is read of an object, besides the mapped fields."""
    if name == "QuoteLineItem":
        return QUOTE_LINE_FIELDS
    known = OBJECTS.get(source_object(name))
    return known.fields if known else ("Id", "Name", CHANGED_BY, "SystemModstamp", "IsDeleted")


def version(record: dict[str, Any], read_at: datetime | None = None) -> str:
    """Return a record's last change as text that sorts in time order.

    Stamps count whole seconds. A record that is read in the very second of its
    stamp may change again under the same stamp: such a reading counts as a little
    older, so that the next poll looks at it once more.

    :param read_at: when the record itself (not a list) was read, aware.
    """
    stamp = record.get("SystemModstamp")
    if not stamp:
        return ""
    moment = parse_moment(stamp)
    if read_at is not None and read_at - moment < SETTLED:
        moment -= timedelta(milliseconds=1)
    return moment.isoformat(timespec="milliseconds")


def changed_by(record: dict[str, Any]) -> str:
    """Return the e-mail of the user who changed a record last, empty where it is not told."""
    user, name = CHANGED_BY.split(".")
    return (record.get(user) or {}).get(name) or ""


def complete_deal(
    record: dict[str, Any],
    quote: dict[str, Any] | None,
    lines: dict[str, list[dict[str, Any]]],
    account: dict[str, Any] | None,
) -> None:
    """Add to an opportunity what a sales order needs of other records.

    `Quote` is its synced quote with `Lines` in their order, or None;
    `DeliveryAddressId` is the account's id where it ships to another address than
    it is billed at.
    """
    if quote is not None:
        quote = {**quote, "Lines": sorted(lines.get(quote["Id"], []), key=_position)}
        if quote.get("CurrencyIsoCode") is None:
            # Without multi-currency the field does not exist; the org has one currency.
            quote["CurrencyIsoCode"] = record.get("CurrencyIsoCode")
    record["Quote"] = quote
    record["DeliveryAddressId"] = record["AccountId"] if account and ships_elsewhere(account) else None


def _position(line: dict[str, Any]) -> tuple[str, str]:
    return (str(line.get("LineNumber") or ""), line["Id"])


def ships_elsewhere(account: dict[str, Any]) -> bool:
    """Return whether an account has a shipping address of its own."""
    shipping = [account.get(name) for name in _SHIPPING]
    return any(shipping) and shipping != [account.get(name) for name in _BILLING]


def deal_facts(deal: dict[str, Any]) -> dict[str, Any]:
    """Return what a completed opportunity says of the deal itself.

    :return: keyword arguments of `DealFacts`. Without a synced quote there are no
        amounts: the opportunity's own is a forecast, not a price.
    """
    facts = {
        "in_force": deal.get("IsWon"),
        "customer": (deal.get("Account") or {}).get("Name"),
        "currency": deal.get("CurrencyIsoCode"),
    }
    quote = deal.get("Quote")
    if quote is None:
        return facts
    return {
        **facts,
        "currency": quote.get("CurrencyIsoCode") or facts["currency"],
        "line_count": len(quote["Lines"]),
        "untaxed": quote.get("TotalPrice"),
        "tax": quote.get("Tax"),
        "total": quote.get("GrandTotal"),
    }


def deal_amount(deal: dict[str, Any]) -> tuple[Decimal, str] | None:
    """Return what an opportunity is worth: its quote's total, else its own forecast.

    :return: amount and currency code (empty where the organisation has one currency
        and does not say which), or None.
    """
    quote = deal.get("Quote") or {}
    amount = quote.get("GrandTotal")
    amount = deal.get("Amount") if amount is None else amount
    if amount is None:
        return None
    currency = quote.get("CurrencyIsoCode") or deal.get("CurrencyIsoCode") or ""
    return Decimal(str(amount)), currency


def notification(item: MessageNotification) -> Notification:
    """Return an outbound message's notification for the engine."""
    stamp = item.fields.get("SystemModstamp")
    return Notification(
        source_id=item.notification_id,
        remote_object=item.object_name,
        external_id=item.record_id,
        event_type=f"{item.object_name}.changed",
        occurred_at=parse_moment(stamp).astimezone(timezone.utc).replace(tzinfo=None) if stamp else None,
    )


def numeric_fields(description: dict[str, Any]) -> frozenset[str]:
    """Return the names of an object's number fields, from its description."""
    return frozenset(field["name"] for field in description["fields"] if field["type"] in NUMERIC_TYPES)


def typed(values: dict[str, Any], numeric: frozenset[str]) -> dict[str, Any]:
    """Return values to write, with decimal text as `Decimal` where the field is a number."""
    return {
        name: Decimal(value) if name in numeric and isinstance(value, str) and value else value
        for name, value in values.items()
    }


def external_id_fields(description: dict[str, Any]) -> list[str]:
    """Return the fields by which records can be upserted: unique External ID fields."""
    return [
        field["name"] for field in description["fields"]
        if field["externalId"] and field["unique"] and field["createable"]
    ]


def remote_fields(description: dict[str, Any]) -> list[RemoteField]:
    """Return the fields of an object, from its description."""
    return [_remote_field(field) for field in description["fields"]]


def _remote_field(field: dict[str, Any]) -> RemoteField:
    is_id = field["type"] == "id"
    choices = tuple(
        (value["value"], value["label"] or value["value"])
        for value in field["picklistValues"] if value["active"]
    )
    return RemoteField(
        name=field["name"],
        label=field["label"],
        type=field["type"],
        required=not field["nillable"] and not field["defaultedOnCreate"] and field["createable"],
        writable=field["updateable"] or field["createable"],
        custom=field["custom"],
        references=(field["referenceTo"] or [""])[0],
        kind=KINDS.get(field["type"], "other"),
        relationship=field["relationshipName"] or "",
        # The id is Salesforce's own: nobody can choose it.
        unique=field["unique"] and not is_id,
        length=field["length"],
        choices=choices,
    )


def added_fields(object_name: str) -> list[RemoteField]:
    """Return what documents of an object have besides Salesforce's own fields."""
    added = {
        "Opportunity": [
            RemoteField("Quote", "Synced Quote", "record", writable=False, references="Quote",
                        kind="reference", relationship="Quote"),
            RemoteField("DeliveryAddressId", "Delivery Address", "reference", writable=False,
                        references=ADDRESS, kind="reference"),
        ],
        "Quote": [
            RemoteField("Lines", "Quote Lines", "list", writable=False, references="QuoteLineItem",
                        kind="lines", relationship="Lines"),
        ],
    }
    return added.get(object_name, [])
