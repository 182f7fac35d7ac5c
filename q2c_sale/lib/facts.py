"""What one system says of one deal: the value that systems are compared by.

Each system fills in what it knows and leaves the rest None. A fact that a system
should know but has no value for is *empty* ("", zero, no numbers), which is not the
same: a CRM that was never told the invoice number differs from Odoo, a billing system
that has no place for it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from . import totals

# Kinds of facts: how their values are compared and spelled.
FLAG = "flag"  #: yes or no
NAME = "name"  #: of a person or company: spelling of case and blanks does not matter
CODE = "code"  #: a number or code that people quote; blanks around it do not matter
WORD = "word"  #: a key of one of the tables in `settlement`, or the provider's own word
COUNT = "count"  #: a whole number
MONEY = "money"  #: an amount in the currency of the deal
FEE = "fee"  #: an amount in the currency in which the provider settles
CODES = "codes"  #: several codes; their order does not matter

# Who tells a fact.
CRM, ERP, BILLING = "crm", "erp", "billing"
ROLES = (CRM, ERP, BILLING)


@dataclass(frozen=True, slots=True)
class DealFacts:
    """A deal as one system states it; None means that the system does not know.

    Amounts are `Decimal` in `currency`, with taxes unless they say otherwise.

    :param system: what people call the system, e.g. the connection's name.
    :param reference: by which the system knows the deal.
    :param url: where a person can look at it there, "" when that is not known.
    :param deleted: the system knew the deal and has deleted it.
    :param in_force: the deal is won, the order not cancelled.
    :param currency: ISO code, upper case; several, separated by commas, make every
        amount unknown.
    :param line_count: positions that are sold, without sections and notes.
    :param order_number: of the order in Odoo.
    :param amount_invoiced: posted invoices less credit notes.
    :param amount_paid: what is settled of them, by whatever means.
    :param charged_invoices: numbers of the invoices for which money was collected
        through the billing system.
    :param amount_charged: collected through the billing system, before refunds.
    :param amount_refunded: given back through the billing system.
    :param fee: kept by the billing system, in `fee_currency`.
    :param payouts: the billing system's references of the transfers to the bank that
        contain the charges.
    :param payout_status: of them, in the billing system's words.
    """

    system: str
    reference: str = ""
    url: str = ""
    deleted: bool = False

    in_force: bool | None = None
    customer: str | None = None
    currency: str | None = None
    line_count: int | None = None
    untaxed: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal | None = None
    order_number: str | None = None
    order_status: str | None = None
    invoice_numbers: frozenset[str] | None = None
    invoice_status: str | None = None
    amount_invoiced: Decimal | None = None
    amount_paid: Decimal | None = None
    payment_status: str | None = None
    charged_invoices: frozenset[str] | None = None
    amount_charged: Decimal | None = None
    amount_refunded: Decimal | None = None
    fee: Decimal | None = None
    payouts: frozenset[str] | None = None
    payout_status: frozenset[str] | None = None

    fee_currency: str | None = None


#: fact → kind, in the order in which people read them
KINDS: dict[str, str] = {
    "in_force": FLAG,
    "customer": NAME,
    "currency": CODE,
    "line_count": COUNT,
    "untaxed": MONEY,
    "tax": MONEY,
    "total": MONEY,
    "order_number": CODE,
    "order_status": WORD,
    "invoice_numbers": CODES,
    "invoice_status": WORD,
    "amount_invoiced": MONEY,
    "amount_paid": MONEY,
    "payment_status": WORD,
    "charged_invoices": CODES,
    "amount_charged": MONEY,
    "amount_refunded": MONEY,
    "fee": FEE,
    "payouts": CODES,
    "payout_status": CODES,
}

#: field of the sales order → fact: what a CRM repeats when it was told a field
TOLD: dict[str, str] = {
    "name": "order_number",
    "q2c_order_status": "order_status",
    "q2c_invoice_names": "invoice_numbers",
    "q2c_invoice_status": "invoice_status",
    "q2c_amount_invoiced": "amount_invoiced",
    "q2c_amount_paid": "amount_paid",
    "q2c_payment_status": "payment_status",
}


def codes(text: str | None) -> frozenset[str]:
    """Return the codes of a text that lists them with commas.

    >>> sorted(codes("INV/2, INV/1"))
    ['INV/1', 'INV/2']
    """
    return frozenset(part.strip() for part in (text or "").split(",") if part.strip())


def told(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in what a system was told of a sales order.

    :param values: `{field of the sales order: value that the system holds}`. Null
        and "" mean that its field is empty. Fields that tell no fact are left out.
    :return: keyword arguments of `DealFacts`.
    :raises ValueError: when an amount is no number.
    """
    return {TOLD[name]: _read(KINDS[TOLD[name]], value) for name, value in values.items() if name in TOLD}


def _read(kind: str, value: Any) -> Any:
    if kind == MONEY:
        return totals.read(value) or Decimal(0)
    if kind == CODES:
        return codes(value)
    return str(value or "").strip()
