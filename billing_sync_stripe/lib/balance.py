"""One balance transaction, read and checked: the atom of both plans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import AmountMismatch, DataInvalid

from .money import from_minor


class BrokenTransaction(DataInvalid):
    """A balance transaction lacks a member that every one has, or has a wrong type."""


class TransactionNetMismatch(AmountMismatch):
    """Gross, fee and net of one balance transaction do not belong together."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction in the units of its currency.

    :param gross: money into (+) or out of (−) the Stripe balance, before the fee.
    :param fee: what Stripe keeps, positive when it costs.
    :param net: `gross - fee`.
    :param currency: settlement currency, upper case.
    :param source_id: `ch_…`, `re_…`, `po_…`, `du_…`; "" for fees of their own.
    :param source_type: `charge`, `refund`…; "" when the source was not expanded.
    :param exchange_rate: units of the settlement currency for one of the buyer's, as
        Stripe shows it (between API units); None when nothing was converted.
    """

    id: str
    category: str
    type: str
    currency: str
    gross: Decimal
    fee: Decimal
    net: Decimal
    source_id: str = ""
    source_type: str = ""
    exchange_rate: Decimal | None = None
    available_on: date | None = None
    description: str = ""


def read_movement(document: Mapping[str, Any]) -> Movement:
    """Read and check a balance transaction of Stripe's.

    :param document: the JSON object; `source` as an id or expanded.
    :raises BrokenTransaction: a member is missing or has a wrong type.
    :raises TransactionNetMismatch: `net` is not `amount - fee`, or the fee's details
        do not add up to the fee.
    """
    id_ = _text(document, "id")
    currency = _text(document, "currency").upper()
    gross, fee, net = (from_minor(document.get(name), currency) for name in ("amount", "fee", "net"))
    _check_sum(id_, document, gross, fee, net, currency)
    source_id, source_type = source_of(document)
    return Movement(
        id=id_,
        category=_text(document, "reporting_category"),
        type=_text(document, "type"),
        currency=currency,
        gross=gross,
        fee=fee,
        net=net,
        source_id=source_id,
        source_type=source_type,
        exchange_rate=rate_of(document),
        available_on=day_of(document.get("available_on")),
        description=document.get("description") or "",
    )


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise BrokenTransaction(f"A balance transaction of Stripe's has no {name}.")
    return value


def _check_sum(
    id_: str, document: Mapping[str, Any], gross: Decimal, fee: Decimal, net: Decimal, currency: str
) -> None:
    if net != gross - fee:
        raise TransactionNetMismatch(
            f"Balance transaction {id_}: {gross} less a fee of {fee} is {gross - fee} {currency}, "
            f"but Stripe says {net} {currency}."
        )
    details = document.get("fee_details")
    if isinstance(details, list) and details:
        total = sum((from_minor(part.get("amount"), currency) for part in details), Decimal(0))
        if total != fee:
            raise TransactionNetMismatch(
                f"Balance transaction {id_}: the parts of its fee add up to {total}, not to {fee} {currency}."
            )


def source_of(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return (id, object type) of what moved the money; type "" when not expanded."""
    source = document.get("source")
    if isinstance(source, Mapping):
        return source.get("id") or "", source.get("object") or ""
    return source or "", ""


def rate_of(document: Mapping[str, Any]) -> Decimal | None:
    """Return the exchange rate; a float is read by its shortest text, which is what Stripe sent."""
    rate = document.get("exchange_rate")
    return None if rate is None else Decimal(str(rate))


def moment_of(seconds: Any) -> datetime | None:
    """Return epoch seconds as naive UTC, None for anything else."""
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)


def day_of(seconds: Any) -> date | None:
    """Return the UTC day of epoch seconds; Stripe dates availability and arrival in UTC days."""
    moment = moment_of(seconds)
    return moment.date() if moment else None
