"""Where an order stands: delivered, invoiced and paid, in a few plain words.

The keys of the tables below travel to the CRM as they are, so they are words
and they are stable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

ORDER_STATUS = {
    "quotation": "Quotation",
    "sent": "Quotation Sent",
    "confirmed": "Confirmed",
    "partly_delivered": "Partly Delivered",
    "delivered": "Delivered",
    "cancelled": "Cancelled",
}

INVOICE_STATUS = {
    "none": "No Invoice",
    "draft": "Draft",
    "posted": "Posted",
    "partly_paid": "Partly Paid",
    "paid": "Paid",
    "reversed": "Reversed",
}

PAYMENT_STATUS = {
    "nothing_due": "Nothing Due",
    "not_paid": "Not Paid",
    "partly_paid": "Partly Paid",
    "paid": "Paid",
    "reversed": "Reversed",
}

_SETTLED = ("paid", "in_payment")
_BY_STATE = {"draft": "quotation", "sent": "sent", "cancel": "cancelled"}


@dataclass(frozen=True, slots=True)
class Invoice:
    """One customer invoice or credit note, as far as it concerns one order.

    :param posted: not a draft any more; cancelled ones are left out altogether.
    :param total: what it asks for, negative on a credit note.
    :param open: what of `total` is not settled yet, with the sign of `total`.
    :param payment_state: Odoo's own word.
    """

    posted: bool
    is_refund: bool
    total: Decimal
    open: Decimal
    payment_state: str = "not_paid"


def order_status(state: str, lines: Iterable[tuple[Decimal, Decimal]]) -> str:
    """Return a key of `ORDER_STATUS`.

    :param state: Odoo's state of the sales order.
    :param lines: (ordered, delivered) of every line; lines without a quantity
        do not count.
    """
    if state in _BY_STATE:
        return _BY_STATE[state]
    counting = [(ordered, delivered) for ordered, delivered in lines if ordered > 0]
    if not any(delivered > 0 for _ordered, delivered in counting):
        return "confirmed"
    if all(delivered >= ordered for ordered, delivered in counting):
        return "delivered"
    return "partly_delivered"


def invoiced(invoices: Iterable[Invoice]) -> Decimal:
    """Return what was asked for: posted invoices less posted credit notes."""
    return sum((invoice.total for invoice in invoices if invoice.posted), Decimal(0))


def paid(invoices: Iterable[Invoice]) -> Decimal:
    """Return what is settled of the posted invoices, less what was paid back."""
    return sum((invoice.total - invoice.open for invoice in invoices if invoice.posted), Decimal(0))


def invoice_status(invoices: Iterable[Invoice]) -> str:
    """Return a key of `INVOICE_STATUS` for all invoices of an order together."""
    invoices = tuple(invoices)
    posted = [invoice for invoice in invoices if invoice.posted]
    if not posted:
        return "draft" if invoices else "none"
    if _is_reversed(posted):
        return "reversed"
    asking = [invoice for invoice in posted if not invoice.is_refund]
    states = {invoice.payment_state for invoice in asking} - {"reversed"}
    if states and states <= set(_SETTLED):
        return "paid"
    if states & {*_SETTLED, "partial"}:
        return "partly_paid"
    return "posted"


def payment_status(order_total: Decimal, fully_invoiced: bool, invoices: Iterable[Invoice]) -> str:
    """Return a key of `PAYMENT_STATUS`, measured against the whole order.

    An order of which the first of two instalments is paid is *partly paid*, even
    though its only invoice is paid.

    :param fully_invoiced: nothing more will be invoiced: what counts is what was.
    """
    posted = [invoice for invoice in invoices if invoice.posted]
    if not posted:
        return "nothing_due"
    if _is_reversed(posted):
        return "reversed"
    asked, received = invoiced(posted), paid(posted)
    due = asked if fully_invoiced else max(order_total, asked)
    if received >= due:
        return "paid"
    return "partly_paid" if received > 0 else "not_paid"


def _is_reversed(posted: list[Invoice]) -> bool:
    """Whether credit notes took back everything that was invoiced."""
    states = {invoice.payment_state for invoice in posted if not invoice.is_refund}
    refunded = any(invoice.is_refund for invoice in posted) and invoiced(posted) == 0
    return states == {"reversed"} or refunded


def share(amount: Decimal, part: Decimal, whole: Decimal, unit: Decimal) -> Decimal:
    """Return the share of `amount` that belongs to `part` of `whole`.

    For an invoice that covers several orders; rounded half up to `unit`.
    """
    if part == whole or not whole:
        return amount
    return (amount * part / whole).quantize(unit, ROUND_HALF_UP)
