"""Invoices and subscriptions."""

import pytest
import stripe

from .stripe_support import Driver


@pytest.fixture
def account(sandbox):
    return Driver(sandbox)


@pytest.fixture
def vat(account):
    return account.api.tax_rates.create(
        {"display_name": "Sales Tax 15%", "percentage": 15, "inclusive": False})


def draft(account, customer, **params):
    return account.api.invoices.create(
        {"customer": customer.id, "currency": "usd", **params})


def item(account, invoice, amount, **params):
    return account.api.invoice_items.create({
        "customer": invoice.customer, "invoice": invoice.id, "amount": amount, **params})


def price(account, code="Q2C-PLAT", currency="usd"):
    return account.api.prices.list({"lookup_keys": [f"{code}-{currency}"]}).data[0]


def test_from_draft_to_paid(account, vat):
    customer = account.customer(name="Buyer")
    invoice = draft(account, customer, default_tax_rates=[vat.id])
    assert (invoice.status, invoice.number, invoice.total) == ("draft", None, 0)
    item(account, invoice, 10005, description="Licence")
    account.api.invoice_items.create({
        "customer": customer.id, "invoice": invoice.id, "quantity": 3,
        "unit_amount_decimal": "33.335", "description": "Seats"})
    opened = account.api.invoices.finalize_invoice(invoice.id)
    assert opened.status == "open" and opened.number.endswith("-0001")
    assert [line.amount for line in opened.lines.data] == [10005, 100]
    assert [line.taxes[0].amount for line in opened.lines.data] == [1501, 15]
    assert (opened.subtotal, opened.total_excluding_tax, opened.total) == (10105, 10105, 11621)
    assert [tax.amount for tax in opened.total_taxes] == [1516]
    paid = account.api.invoices.pay(opened.id, {
        "expand": ["payments.data.payment.payment_intent.latest_charge"]})
    payment = paid.payments.data[0]
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 11621, 0)
    assert (payment.status, payment.amount_paid) == ("paid", 11621)
    assert payment.payment.payment_intent.latest_charge.amount == 11621
    found = account.api.invoice_payments.list({"payment": {
        "type": "payment_intent", "payment_intent": payment.payment.payment_intent.id}})
    assert [one.invoice for one in found.data] == [invoice.id]
    assert account.event_types()[-4:] == [
        "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid",
        "invoice.payment_succeeded"]


def test_inclusive_tax_is_inside_the_amount(account):
    rate = account.api.tax_rates.create(
        {"display_name": "VAT", "percentage": 21, "inclusive": True})
    invoice = draft(account, account.customer())
    item(account, invoice, 12100, tax_rates=[rate.id])
    invoice = account.api.invoices.retrieve(invoice.id)
    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (
        12100, 12100, 10000)
    assert invoice.total_taxes[0].tax_behavior == "inclusive"


def test_lines_with_prices_and_more_than_ten(account):
    customer = account.customer()
    invoice = draft(account, customer)
    account.api.invoice_items.create({
        "customer": customer.id, "invoice": invoice.id, "quantity": 2,
        "pricing": {"price": price(account, "Q2C-ONB").id}})
    account.api.invoice_items.create({
        "customer": customer.id, "invoice": invoice.id,
        "price_data": {"currency": "usd", "product": price(account).product,
                       "unit_amount": 700}})
    for number in range(11):
        item(account, invoice, 100 + number)
    invoice = account.api.invoices.retrieve(invoice.id)
    assert invoice.lines.has_more and len(invoice.lines.data) == 10
    lines = list(account.api.invoices.line_items.list(
        invoice.id, {"limit": 5}).auto_paging_iter())
    assert [line.amount for line in lines] == [500000, 700, *range(100, 111)]
    assert lines[0].pricing.price_details.price == price(account, "Q2C-ONB").id
    assert invoice.total == sum(line.amount for line in lines)


def test_waiting_items_join_the_next_invoice(account):
    customer = account.customer()
    account.api.invoice_items.create(
        {"customer": customer.id, "amount": 700, "currency": "usd"})
    assert draft(account, customer).total == 0
    invoice = draft(account, customer, pending_invoice_items_behavior="include")
    assert invoice.total == 700
    account.api.invoices.delete(invoice.id)
    waiting = account.api.invoice_items.list({"pending": True}).data
    assert [one.amount for one in waiting] == [700]
    account.api.invoice_items.delete(waiting[0].id)
    assert account.api.invoice_items.list({"customer": customer.id}).data == []


def test_a_refused_card_leaves_the_invoice_open(account):
    account.configure(autocard="declined")
    customer = account.customer()
    invoice = draft(account, customer)
    item(account, invoice, 5000)
    account.api.invoices.finalize_invoice(invoice.id)
    with pytest.raises(stripe.CardError):
        account.api.invoices.pay(invoice.id)
    failed = account.api.invoices.retrieve(invoice.id)
    assert (failed.status, failed.attempt_count, failed.amount_paid) == ("open", 1, 0)
    assert account.event_types()[-1] == "invoice.payment_failed"
    paid = account.api.invoices.pay(invoice.id, {
        "payment_method": account.act(f"customers/{customer.id}/card")["id"]})
    assert paid.status == "paid"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.invoices.pay(invoice.id)
    assert caught.value.code == "invoice_already_paid"


def test_an_invoice_without_a_card(account):
    account.configure(autocard="none")
    invoice = draft(account, account.customer())
    item(account, invoice, 5000)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.invoices.pay(invoice.id)
    assert "no attached payment source" in str(caught.value)


def test_paid_outside(account):
    invoice = draft(account, account.customer(), collection_method="send_invoice",
                    days_until_due=30)
    item(account, invoice, 5000)
    sent = account.api.invoices.send_invoice(invoice.id)
    assert sent.status == "open" and sent.due_date == invoice.created + 30 * 86400
    paid = account.api.invoices.pay(
        invoice.id, {"paid_out_of_band": True, "expand": ["payments"]})
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 5000)
    assert paid.payments.data[0].status == "canceled"
    assert account.api.charges.list().data == []


def test_credit_pays_first_and_nothing_is_charged(account):
    customer = account.customer(balance=-7000)
    invoice = draft(account, customer)
    item(account, invoice, 5000)
    paid = account.api.invoices.finalize_invoice(invoice.id)
    assert (paid.status, paid.amount_due, paid.amount_paid) == ("paid", 0, 0)
    assert (paid.starting_balance, paid.ending_balance) == (-7000, -2000)
    assert account.api.customers.retrieve(customer.id).balance == -2000
    second = draft(account, customer)
    item(account, second, 5000)
    opened = account.api.invoices.finalize_invoice(second.id)
    assert opened.amount_due == 3000 and opened.number.endswith("-0002")


def test_below_the_minimum_is_carried_over(account):
    customer = account.customer()
    invoice = draft(account, customer)
    item(account, invoice, 30)
    assert account.api.invoices.finalize_invoice(invoice.id).status == "paid"
    assert account.api.customers.retrieve(customer.id).balance == 30


def test_void_uncollectible_and_what_cannot_be_changed(account):
    customer = account.customer()
    invoice = draft(account, customer)
    item(account, invoice, 5000)
    account.api.invoices.finalize_invoice(invoice.id)
    for call in (
        lambda: item(account, invoice, 1),
        lambda: account.api.invoices.update(invoice.id, {"description": "x"}),
        lambda: account.api.invoices.delete(invoice.id),
        lambda: account.api.invoices.finalize_invoice(invoice.id),
        lambda: account.api.invoices.create({"customer": customer.id, "currency": "eur"}),
    ):
        with pytest.raises(stripe.InvalidRequestError):
            call()
    assert account.api.invoices.update(invoice.id, {"metadata": {"a": "b"}}).metadata["a"]
    assert account.api.invoices.mark_uncollectible(invoice.id).status == "uncollectible"
    void = account.api.invoices.void_invoice(invoice.id)
    assert void.status == "void" and void.status_transitions.voided_at
    with pytest.raises(stripe.InvalidRequestError):
        account.api.invoices.pay(invoice.id)
    intents = account.api.payment_intents.list({"customer": customer.id}).data
    assert [intent.status for intent in intents] == ["canceled"]


def test_automatic_invoices_wait_an_hour(account):
    invoice = draft(account, account.customer(), auto_advance=True)
    item(account, invoice, 5000)
    assert account.act("invoices/advance", hour_passed=False)["invoices"] == []
    account.admin("POST", "clock", json={"advance": 3601})
    account.act("invoices/advance", hour_passed=False)
    assert account.api.invoices.retrieve(invoice.id).status == "paid"


# -- subscriptions ------------------------------------------------------------------

def subscribe(account, customer, **params):
    return account.api.subscriptions.create({
        "customer": customer.id, "items": [{"price": price(account).id, "quantity": 2}],
        **params})


def test_a_subscription_is_billed_and_renewed(account, vat):
    customer = account.customer()
    sub = subscribe(account, customer, default_tax_rates=[vat.id],
                    metadata={"odoo_ref": "SUB1"}, expand=["latest_invoice"])
    assert sub.status == "active" and sub.latest_invoice.total == 276000
    line = sub.latest_invoice.lines.data[0]
    first = sub["items"].data[0]
    assert (line.period.start, line.period.end) == (
        first.current_period_start, first.current_period_end)
    assert line.parent.subscription_item_details.subscription == sub.id
    assert sub.latest_invoice.parent.subscription_details.subscription == sub.id
    account.act(f"subscriptions/{sub.id}/renew")
    renewed = account.api.subscriptions.retrieve(sub.id)
    second = renewed["items"].data[0]
    assert second.current_period_start == first.current_period_end
    invoices = account.api.invoices.list({"subscription": sub.id}).data
    assert [one.billing_reason for one in invoices] == [
        "subscription_cycle", "subscription_create"]
    assert {one.status for one in invoices} == {"paid"}


def test_a_refused_first_payment(account):
    account.configure(autocard="declined")
    customer = account.customer()
    sub = subscribe(account, customer)
    assert sub.status == "incomplete"
    with pytest.raises(stripe.CardError):
        subscribe(account, customer, payment_behavior="error_if_incomplete")
    assert len(account.api.subscriptions.list({"status": "all"}).data) == 1
    card = account.act(f"customers/{customer.id}/card")["id"]
    account.api.invoices.pay(sub.latest_invoice, {"payment_method": card})
    assert account.api.subscriptions.retrieve(sub.id).status == "active"


def test_a_refused_renewal_is_past_due(account):
    customer = account.customer()
    sub = subscribe(account, customer)
    bad = account.act(f"customers/{customer.id}/card", card="pm_card_chargeCustomerFail")
    account.act(f"subscriptions/{sub.id}/renew")
    assert account.api.subscriptions.retrieve(sub.id).status == "past_due"
    assert bad["card"]["last4"] == "0341"


def test_cancelling(account):
    customer = account.customer()
    now, later = subscribe(account, customer), subscribe(account, customer)
    marked = account.api.subscriptions.update(later.id, {"cancel_at_period_end": True})
    assert marked.status == "active"
    assert marked.cancel_at == marked["items"].data[0].current_period_end
    gone = account.api.subscriptions.cancel(now.id)
    assert (gone.status, gone.cancellation_details.reason) == (
        "canceled", "cancellation_requested")
    assert account.event_types()[-1] == "customer.subscription.deleted"
    assert [s.id for s in account.api.subscriptions.list().data] == [later.id]
    assert len(account.api.subscriptions.list({"status": "all"}).data) == 2
    account.act(f"subscriptions/{later.id}/renew")
    assert account.api.subscriptions.retrieve(later.id).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        account.api.subscriptions.update(now.id, {"description": "x"})


def test_trial_and_send_invoice(account):
    account.configure(autocard="none")
    customer = account.customer()
    trial = subscribe(account, customer, trial_period_days=14)
    assert trial.status == "trialing"
    assert account.api.invoices.retrieve(trial.latest_invoice).total == 0
    sent = subscribe(account, customer, collection_method="send_invoice", days_until_due=10)
    assert sent.status == "active"
    assert account.api.invoices.retrieve(sent.latest_invoice).status == "open"


def test_changes_of_items_are_refused_with_proration(account):
    sub = subscribe(account, account.customer())
    first = sub["items"].data[0].id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.subscriptions.update(sub.id, {"items": [{"id": first, "quantity": 5}]})
    assert "does not implement" in str(caught.value)
    changed = account.api.subscriptions.update(sub.id, {
        "items": [{"id": first, "quantity": 5}], "proration_behavior": "none",
        "pause_collection": {"behavior": "void"}})
    assert changed["items"].data[0].quantity == 5 and changed.status == "active"


def test_one_time_prices_do_not_recur(account):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.subscriptions.create({
            "customer": account.customer().id,
            "items": [{"price": price(account, "Q2C-ONB").id}]})
    assert caught.value.param == "items[0][price]"


def test_deleting_a_customer_ends_its_subscriptions(account):
    customer = account.customer()
    sub = subscribe(account, customer)
    account.api.customers.delete(customer.id)
    assert account.api.subscriptions.retrieve(sub.id).status == "canceled"
    assert account.api.invoices.retrieve(sub.latest_invoice).status == "paid"
