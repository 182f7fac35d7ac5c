"""The rules find what they are for, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.chaos.ledger import (
    Binding,
    Charge,
    Customer,
    Deal,
    Invoice,
    Job,
    Local,
    Order,
    Payment,
    Payout,
    Remote,
    check,
)

ACCOUNT = ("salesforce", "Account", "001A")
DEAL = ("salesforce", "Opportunity", "006A")

REMOTE = Remote(
    customers=(Customer(*ACCOUNT, {"name": "Acme", "phone": "+1 555 1"}),),
    deals=(Deal(*DEAL, Decimal("115.00"), "USD", ("S00001", "INV/1", "paid")),),
    charges=(Charge("ch_1", 11500, "USD", "1234abcd/account.move/7"),),
    payouts=(Payout("po_1", 11100, "USD"),),
    debtors=("res.partner,3",),
    deliveries=(("stripe", "evt_1"),),
)
LOCAL = Local(
    bindings=(
        Binding(ACCOUNT, "res.partner", 3), Binding(DEAL, "sale.order", 5),
        Binding(("stripe", "charge", "ch_1"), "account.payment", 9),
    ),
    partners={3: {"name": "Acme", "phone": "+1 555 1"}},
    orders={5: Order("S00001", "sale", Decimal("115.00"), "USD", "115.00", (7,))},
    invoices={7: Invoice("INV/1", "posted", Decimal("115.00"), Decimal("0.00"), "paid")},
    payments={9: Payment(Decimal("115.00"), "USD", (7,))},
    payout_amounts=(("po_1", Decimal("111.00")),),
    jobs=(Job("Look for changes", "pending", due=-40.0),),
    events=frozenset({("stripe", "evt_1"), ("hubspot", "x")}),
)


def checks(remote: Remote = REMOTE, local: Local = LOCAL, **options) -> set[str]:
    """Return the names of the rules that are broken."""
    return {finding.check for finding in check(remote, local, **options)}


def local(**changes) -> Local:
    """Return the good state of Odoo with something else in it."""
    return replace(LOCAL, **changes)


def remote(**changes) -> Remote:
    """Return the good state of the providers with something else in it."""
    return replace(REMOTE, **changes)


def test_what_is_equal_has_no_findings():
    assert check(REMOTE, LOCAL) == []


def without(key) -> tuple[Binding, ...]:
    return tuple(binding for binding in LOCAL.bindings if binding.key != key)


@pytest.mark.parametrize(("state", "expected"), [
    # lost
    (local(bindings=without(ACCOUNT)), {"lost"}),
    (local(partners={}), {"lost"}),
    (local(bindings=without(DEAL)), {"lost", "twice"}),
    (local(bindings=without(("stripe", "charge", "ch_1"))), {"lost", "twice"}),
    (local(payout_amounts=()), {"lost"}),
    (local(events=frozenset()), {"lost"}),
    # twice
    (local(bindings=(*LOCAL.bindings, Binding(ACCOUNT, "res.partner", 4)),
           partners={**LOCAL.partners, 4: LOCAL.partners[3]}), {"binding", "lost"}),
    (local(bindings=(*LOCAL.bindings, Binding(("salesforce", "Account", "001B"), "res.partner", 3))), {"binding"}),
    (local(unbound=(4,)), {"twice"}),
    (local(orders={**LOCAL.orders, 6: LOCAL.orders[5]}), {"twice", "charge"}),
    (local(payments={**LOCAL.payments, 10: LOCAL.payments[9]}), {"twice"}),
    (local(payout_amounts=LOCAL.payout_amounts * 2), {"twice"}),
    (local(payout_amounts=(*LOCAL.payout_amounts, ("po_2", Decimal("1.00")))), {"twice"}),
    # not the newest
    (local(partners={3: {"name": "Acme", "phone": "+1 555 0"}}), {"stale"}),
    # stuck
    (local(jobs=(Job("x", "running", lane_alive=False),)), {"stuck"}),
    (local(jobs=(Job("x", "running", lane_alive=True),)), {"busy"}),
    (local(jobs=(Job("x", "pending", due=30.0),)), {"stuck"}),
    (local(jobs=(Job("x", "pending", due=1.0),)), {"busy"}),
    (local(jobs=(Job("x", "failed"),)), {"failed"}),
    (local(open_exceptions=("x",)), {"exception"}),
    (local(idle_crons=("Lane 1",)), {"lane"}),
])
def test_what_is_wrong_in_odoo_is_found(state, expected):
    assert checks(local=state) == expected


@pytest.mark.parametrize(("order", "expected"), [
    ({"state": "draft"}, {"order"}),
    ({"total": Decimal("115.01")}, {"money"}),
    ({"currency": "EUR"}, {"money"}),
    ({"invoices": ()}, {"order", "charge"}),
])
def test_what_is_wrong_with_an_order_is_found(order, expected):
    assert checks(local=local(orders={5: replace(LOCAL.orders[5], **order)})) == expected


@pytest.mark.parametrize(("invoice", "expected"), [
    ({"total": Decimal("115.01")}, {"money"}),
    ({"state": "draft"}, {"invoice"}),
    ({"payment_state": "in_payment"}, {"invoice"}),
    ({"residual": Decimal("0.01")}, {"invoice"}),
    ({"name": "INV/2"}, {"told"}),
])
def test_what_is_wrong_with_an_invoice_is_found(invoice, expected):
    assert checks(local=local(invoices={7: replace(LOCAL.invoices[7], **invoice)})) == expected


@pytest.mark.parametrize(("payment", "expected"), [
    ({"amount": Decimal("115.01")}, {"money"}),
    ({"currency": "EUR"}, {"money"}),
    ({"invoices": ()}, {"payment"}),
    ({"invoices": (7, 8)}, {"payment"}),
])
def test_what_is_wrong_with_a_payment_is_found(payment, expected):
    assert checks(local=local(payments={9: replace(LOCAL.payments[9], **payment)})) == expected


def test_a_second_charge_of_an_invoice_is_found():
    again = replace(REMOTE.charges[0], external_id="ch_2")
    bindings = (*LOCAL.bindings, Binding(("stripe", "charge", "ch_2"), "account.payment", 10))
    both = local(bindings=bindings, payments={**LOCAL.payments, 10: LOCAL.payments[9]})
    assert checks(remote(charges=(*REMOTE.charges, again)), both) == {"charge"}


@pytest.mark.parametrize("charge", [
    {"amount": 11501}, {"currency": "EUR"},
])
def test_a_charge_of_another_amount_is_found(charge):
    assert checks(remote(charges=(replace(REMOTE.charges[0], **charge),))) == {"money"}


def test_a_charge_for_nothing_is_found():
    assert "charge" in checks(remote(charges=(replace(REMOTE.charges[0], reference=""),)))
    assert "charge" in checks(remote(charges=(replace(REMOTE.charges[0], reference="x/sale.order/7"),)))


def test_an_invoice_that_nobody_charged_is_found():
    assert checks(remote(charges=())) == {"charge", "twice"}


def test_what_the_crm_was_not_told_is_found():
    assert checks(remote(deals=(replace(REMOTE.deals[0], told=("", "", "")),))) == {"told"}


def test_two_customers_of_one_partner_at_the_payment_provider_are_found():
    assert checks(remote(debtors=("res.partner,3", "res.partner,3"))) == {"twice"}


def test_a_payout_of_another_amount_is_found():
    assert checks(remote(payouts=(Payout("po_1", 11101, "USD"),))) == {"money"}


def test_failures_of_the_scenario_and_their_exceptions_are_allowed():
    state = local(jobs=(Job("poison", "failed"),), open_exceptions=("poison",))
    assert checks(local=state, allowed=lambda job: job.name == "poison") == set()
    other = local(jobs=(Job("poison", "failed"), Job("other", "failed")), open_exceptions=("poison", "other"))
    assert checks(local=other, allowed=lambda job: job.name == "poison") == {"failed"}
