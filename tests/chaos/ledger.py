"""What must be true when all is quiet: pure comparison of what three systems say.

`check` takes one snapshot of the providers and one of Odoo and returns every difference
as a `Finding`. It reads nothing and decides nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that is not as it must be.

    :param check: short name of the rule that is broken
    :param subject: what it is about, as a person would look it up
    """

    check: str
    subject: str
    text: str

    def __str__(self) -> str:
        return f"[{self.check}] {self.subject}: {self.text}"


# ---------------------------------------------------------------------------
# What the providers say
# ---------------------------------------------------------------------------

@dataclass(frozen=True)
class Customer:
    """A company or contact of a CRM.

    :param values: Odoo field → what it must hold there
    """

    provider: str
    remote_object: str
    external_id: str
    values: Mapping[str, str]

    @property
    def key(self) -> Key:
        """How bindings name it."""
        return (self.provider, self.remote_object, self.external_id)


@dataclass(frozen=True)
class Deal:
    """A won deal of a CRM.

    :param total: what its quote says, tax included
    :param told: order, invoice and payment status that Odoo wrote back
    """

    provider: str
    remote_object: str
    external_id: str
    total: Decimal
    currency: str
    told: tuple[str, str, str] = ("", "", "")

    @property
    def key(self) -> Key:
        """How bindings name it."""
        return (self.provider, self.remote_object, self.external_id)


@dataclass(frozen=True)
class Charge:
    """A succeeded charge.

    :param amount: in the currency's minor units
    :param reference: the record that it was made for, ``<database>/account.move/<id>``
    """

    external_id: str
    amount: int
    currency: str
    reference: str


@dataclass(frozen=True)
class Payout:
    """A payout of the provider to the bank; `amount` in minor units."""

    external_id: str
    amount: int
    currency: str


@dataclass(frozen=True)
class Remote:
    """Everything that the providers hold and that Odoo must hold, too.

    :param debtors: reference to the Odoo record of each customer at the payment provider
    :param deliveries: provider and source id of every delivery that was answered with success
    """

    customers: tuple[Customer, ...] = ()
    deals: tuple[Deal, ...] = ()
    charges: tuple[Charge, ...] = ()
    payouts: tuple[Payout, ...] = ()
    debtors: tuple[str, ...] = ()
    deliveries: tuple[tuple[str, str], ...] = ()


# ---------------------------------------------------------------------------
# What Odoo says
# ---------------------------------------------------------------------------

#: provider, object, id
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Binding:
    """Which Odoo record a remote record is."""

    key: Key
    model: str
    res_id: int


@dataclass(frozen=True)
class Order:
    """A sales order that came from a deal."""

    name: str
    state: str
    total: Decimal
    currency: str
    source_total: str
    invoices: tuple[int, ...]


@dataclass(frozen=True)
class Invoice:
    """A customer invoice."""

    name: str
    state: str
    total: Decimal
    residual: Decimal
    payment_state: str


@dataclass(frozen=True)
class Payment:
    """A payment that came from a charge; `invoices` are those it is reconciled with."""

    amount: Decimal
    currency: str
    invoices: tuple[int, ...]


@dataclass(frozen=True)
class Job:
    """A job that is not finished, or failed.

    :param due: seconds since it might have run, negative before
    :param lane_alive: for a running job, whether its lane is at work
    """

    name: str
    state: str
    due: float = 0.0
    lane_alive: bool = True
    error: str = ""


@dataclass(frozen=True)
class Local:
    """Everything that Odoo holds.

    :param partners: id → field → value, of every partner that a binding may name
    :param unbound: ids of partners that the integration made and nothing is bound to
    :param payout_amounts: external id → amount in the currency's unit
    :param open_exceptions: names of what waits on the exception desk
    :param idle_crons: names of the lanes' scheduled actions that are switched off
    :param events: provider and source id of every event in the ledger
    """

    bindings: tuple[Binding, ...] = ()
    partners: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    unbound: tuple[int, ...] = ()
    orders: Mapping[int, Order] = field(default_factory=dict)
    invoices: Mapping[int, Invoice] = field(default_factory=dict)
    payments: Mapping[int, Payment] = field(default_factory=dict)
    payout_amounts: tuple[tuple[str, Decimal], ...] = ()
    jobs: tuple[Job, ...] = ()
    open_exceptions: tuple[str, ...] = ()
    idle_crons: tuple[str, ...] = ()
    events: frozenset[tuple[str, str]] = frozenset()


# ---------------------------------------------------------------------------
# The rules
# ---------------------------------------------------------------------------

#: Currencies of the scenarios and how many minor units one unit has.
MINOR_UNITS = {"USD": 100, "EUR": 100, "GBP": 100}

#: A job that is due must be claimed before this many seconds have passed.
DUE_SECONDS = 5.0


def check(remote: Remote, local: Local, allowed: Callable[[Job], bool] = lambda job: False) -> list[Finding]:
    """Return every rule that is broken, sorted; empty when all is well.

    :param allowed: which failed jobs are part of the scenario
    """
    bound = _by_key(local.bindings)
    findings: list[Finding] = []
    for rule in (
        _deliveries_are_kept(remote, local),
        _bindings_are_unique(local),
        _customers_arrived(remote, local, bound),
        _nobody_is_there_twice(local),
        _deals_arrived(remote, local, bound),
        _charged_once(remote, local, bound),
        _booked_once(remote, local, bound),
        _debtors_are_unique(remote),
        _payouts_arrived(remote, local),
        _at_rest(local, allowed),
    ):
        findings.extend(rule)
    return sorted(findings)


def _by_key(bindings: Iterable[Binding]) -> dict[Key, list[Binding]]:
    found: dict[Key, list[Binding]] = {}
    for binding in bindings:
        found.setdefault(binding.key, []).append(binding)
    return found


def _only(found: Mapping[Key, list[Binding]], key: Key, model: str) -> int | None:
    """Return the record that a remote record is bound to, None unless it is exactly one."""
    ids = [binding.res_id for binding in found.get(key, ()) if binding.model == model]
    return ids[0] if len(ids) == 1 else None


def _twice(items: Iterable) -> list:
    return sorted(item for item, count in Counter(items).items() if count > 1)


def _text(key: Key) -> str:
    return " ".join(key)


def _deliveries_are_kept(remote: Remote, local: Local) -> Iterator[Finding]:
    """What was answered with success is in the event ledger."""
    for provider, source_id in sorted(set(remote.deliveries) - local.events):
        yield Finding("lost", f"{provider} {source_id}", "was accepted and is not in the event ledger")


def _bindings_are_unique(local: Local) -> Iterator[Finding]:
    """One remote record is one Odoo record, and the other way round."""
    for key, model in _twice((binding.key, binding.model) for binding in local.bindings):
        yield Finding("binding", _text(key), f"bound twice to {model}")
    records = ((b.key[0], b.key[1], b.model, b.res_id) for b in local.bindings)
    for provider, remote_object, model, res_id in _twice(records):
        yield Finding("binding", f"{model} {res_id}", f"bound to two {provider} {remote_object}")


def _customers_arrived(remote: Remote, local: Local, bound: Mapping[Key, list[Binding]]) -> Iterator[Finding]:
    """Every company and contact is one partner that says what the CRM says now."""
    for customer in remote.customers:
        partner_id = _only(bound, customer.key, "res.partner")
        partner = local.partners.get(partner_id) if partner_id else None
        if partner is None:
            yield Finding("lost", _text(customer.key), "has no partner")
            continue
        for name, value in customer.values.items():
            if partner.get(name, "") != value:
                yield Finding("stale", _text(customer.key),
                              f"{name} is {partner.get(name, '')!r} in Odoo, {value!r} in the CRM")


def _nobody_is_there_twice(local: Local) -> Iterator[Finding]:
    for partner_id in local.unbound:
        yield Finding("twice", f"res.partner {partner_id}", "was made by the integration and is bound to nothing")


def _deals_arrived(remote: Remote, local: Local, bound: Mapping[Key, list[Binding]]) -> Iterator[Finding]:
    """Every won deal is one confirmed order with one posted, paid invoice of the same total."""
    wanted = set()
    for deal in remote.deals:
        order_id = _only(bound, deal.key, "sale.order")
        order = local.orders.get(order_id) if order_id else None
        if order is None or order_id is None:
            yield Finding("lost", _text(deal.key), "has no order")
            continue
        wanted.add(order_id)
        yield from _order_is_right(deal, order, local)
    for order_id in sorted(set(local.orders) - wanted):
        yield Finding("twice", local.orders[order_id].name, "is an order of no won deal")


def _order_is_right(deal: Deal, order: Order, local: Local) -> Iterator[Finding]:
    subject = f"{_text(deal.key)} {order.name}"
    if order.state != "sale":
        yield Finding("order", subject, f"is {order.state}")
    if (order.total, order.currency) != (deal.total, deal.currency):
        yield Finding("money", subject, f"order says {order.total} {order.currency},"
                                        f" the quote {deal.total} {deal.currency}")
    invoices = [local.invoices[id_] for id_ in order.invoices if id_ in local.invoices]
    if len(invoices) != 1:
        yield Finding("order", subject, f"has {len(invoices)} invoices")
        return
    (invoice,) = invoices
    if invoice.total != deal.total:
        yield Finding("money", subject, f"invoice {invoice.name} says {invoice.total}, the quote {deal.total}")
    if (invoice.state, invoice.payment_state, invoice.residual) != ("posted", "paid", Decimal(0)):
        yield Finding("invoice", subject, f"{invoice.name} is {invoice.state}, {invoice.payment_state},"
                                          f" {invoice.residual} open")
    if deal.told != (order.name, invoice.name, "paid"):
        yield Finding("told", subject, f"the CRM knows {deal.told}")


def _charged_once(remote: Remote, local: Local, bound: Mapping[Key, list[Binding]]) -> Iterator[Finding]:
    """Every invoice of a deal was charged once, and its charge is the invoice's amount."""
    by_invoice: dict[int, list[Charge]] = {}
    for charge in remote.charges:
        by_invoice.setdefault(_referred(charge.reference), []).append(charge)
    for order in local.orders.values():
        for invoice_id in order.invoices:
            invoice = local.invoices.get(invoice_id)
            charges = by_invoice.pop(invoice_id, [])
            if invoice is None or invoice.state != "posted":
                continue
            if len(charges) != 1:
                yield Finding("charge", invoice.name, f"was charged {len(charges)} times")
            minor = invoice.total * MINOR_UNITS[order.currency]
            for charge in charges:
                if (charge.amount, charge.currency) != (minor, order.currency):
                    yield Finding("money", invoice.name, f"{invoice.total} {order.currency} were charged"
                                                         f" as {charge.amount} {charge.currency}")
    for charges in by_invoice.values():
        for charge in charges:
            what = charge.reference or "nothing"
            yield Finding("charge", charge.external_id, f"is for {what} that Odoo does not have")


def _referred(reference: str) -> int:
    """Return the id in ``<database>/account.move/<id>``, 0 when there is none."""
    model, _slash, number = reference.partition("/")[2].partition("/")
    return int(number) if model == "account.move" and number.isdigit() else 0


def _booked_once(remote: Remote, local: Local, bound: Mapping[Key, list[Binding]]) -> Iterator[Finding]:
    """Every charge is one payment of the same amount on the invoice that it was made for."""
    wanted = set()
    for charge in remote.charges:
        payment_id = _only(bound, ("stripe", "charge", charge.external_id), "account.payment")
        payment = local.payments.get(payment_id) if payment_id else None
        if payment is None or payment_id is None:
            yield Finding("lost", charge.external_id, "has no payment")
            continue
        wanted.add(payment_id)
        if (payment.amount * MINOR_UNITS[charge.currency], payment.currency) != (charge.amount, charge.currency):
            yield Finding("money", charge.external_id, f"{charge.amount} {charge.currency} were booked as"
                                                       f" {payment.amount} {payment.currency}")
        if payment.invoices != (_referred(charge.reference),):
            yield Finding("payment", charge.external_id, f"pays {payment.invoices} instead of {charge.reference}")
    for payment_id in sorted(set(local.payments) - wanted):
        yield Finding("twice", f"account.payment {payment_id}", "is a payment of no charge")


def _debtors_are_unique(remote: Remote) -> Iterator[Finding]:
    for reference in _twice(remote.debtors):
        yield Finding("twice", reference, "is two customers at the payment provider")


def _payouts_arrived(remote: Remote, local: Local) -> Iterator[Finding]:
    known = dict(local.payout_amounts)
    for external_id in _twice(name for name, _amount in local.payout_amounts):
        yield Finding("twice", external_id, "is two payouts in Odoo")
    for payout in remote.payouts:
        amount = known.pop(payout.external_id, None)
        if amount is None:
            yield Finding("lost", payout.external_id, "is no payout in Odoo")
        elif amount * MINOR_UNITS[payout.currency] != payout.amount:
            yield Finding("money", payout.external_id, f"{payout.amount} {payout.currency} are {amount} in Odoo")
    for external_id in sorted(known):
        yield Finding("twice", external_id, "is a payout that the provider does not have")


def _at_rest(local: Local, allowed: Callable[[Job], bool]) -> Iterator[Finding]:
    """Nothing runs without a lane, nothing that is due waits, nothing failed, no lane is off."""
    expected = 0
    for job in local.jobs:
        if job.state == "running" and not job.lane_alive:
            yield Finding("stuck", job.name, "is running and no lane is at it")
        elif job.state == "running":
            yield Finding("busy", job.name, "is running")
        elif job.state == "pending" and job.due > DUE_SECONDS:
            yield Finding("stuck", job.name, f"has been due for {job.due:.0f} s; {job.error}")
        elif job.state == "pending" and job.due > 0:
            yield Finding("busy", job.name, "is about to run")
        elif job.state == "failed" and allowed(job):
            expected += 1
        elif job.state == "failed":
            yield Finding("failed", job.name, job.error)
    for name in local.open_exceptions if not expected else ():
        yield Finding("exception", name, "waits for a person")
    for name in local.idle_crons:
        yield Finding("lane", name, "is switched off")
