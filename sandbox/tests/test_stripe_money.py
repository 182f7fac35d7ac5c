"""Money: charges, fees, refunds, disputes, conversion, the balance and payouts."""

from decimal import Decimal

import pytest
import stripe

from .stripe_support import Driver


@pytest.fixture
def account(sandbox):
    return Driver(sandbox)


def movements(account, **filters):
    """All balance transactions, oldest first."""
    listed = account.api.balance_transactions.list({"limit": 100, **filters})
    return list(listed.auto_paging_iter())[::-1]


def pay_out(account, **body):
    return account.act("payouts/run", **body)["payouts"]


def inside(account, payout):
    """(category, amount, fee, net) of what a payout contains, oldest first."""
    return [(t.reporting_category, t.amount, t.fee, t.net)
            for t in movements(account, payout=payout["id"])]


# -- charges ------------------------------------------------------------------------

def test_a_charge_and_its_balance_transaction(account):
    charge = account.charge(123456, description="SO042", metadata={"odoo_ref": "INV/1"})
    moved = charge.balance_transaction
    assert (charge.status, charge.paid, charge.amount_captured) == ("succeeded", True, 123456)
    assert charge.metadata["odoo_ref"] == "INV/1" and charge.description == "SO042"
    assert (moved.amount, moved.fee, moved.net) == (123456, 3610, 119846)
    assert [fee.type for fee in moved.fee_details] == ["stripe_fee"]
    assert (moved.status, moved.reporting_category, moved.source) == (
        "pending", "charge", charge.id)
    assert moved.available_on > moved.created and moved.available_on % 86400 == 0
    assert account.event_types()[-3:] == [
        "payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]


@pytest.mark.parametrize(("card", "code", "decline"), [
    ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
    ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
    ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
])
def test_a_refused_card(account, card, code, decline):
    with pytest.raises(stripe.CardError) as caught:
        account.api.payment_intents.create({
            "amount": 500, "currency": "usd", "payment_method": card, "confirm": True,
            "off_session": True})
    error = caught.value.error
    assert (caught.value.http_status, error.code, error.decline_code) == (402, code, decline)
    intent = account.api.payment_intents.retrieve(
        error.payment_intent.id, {"expand": ["latest_charge"]})
    assert intent.status == "requires_payment_method" and intent.payment_method is None
    assert intent.last_payment_error.decline_code == decline
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("failed", False)
    assert intent.latest_charge.id == error.charge
    assert movements(account) == []
    assert account.event_types()[-2:] == ["charge.failed", "payment_intent.payment_failed"]
    paid = account.api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})
    assert paid.status == "succeeded", "the same intent can be paid with another card"


def test_what_an_intent_cannot_do(account):
    api = account.api.payment_intents
    stray = api.create({"amount": 500, "currency": "usd"})
    assert stray.status == "requires_payment_method"
    paid = api.create({"amount": 500, "currency": "usd", "payment_method": "pm_card_visa",
                       "confirm": True})
    card = account.customer().invoice_settings.default_payment_method
    cases = [
        (lambda: api.confirm(stray.id), "payment_intent_unexpected_state"),
        (lambda: api.confirm(paid.id), "payment_intent_unexpected_state"),
        (lambda: api.cancel(paid.id), "payment_intent_unexpected_state"),
        (lambda: api.create({"amount": 49, "currency": "usd"}), "amount_too_small"),
        (lambda: api.create({"amount": 500, "currency": "isk", "confirm": False}), None),
        (lambda: api.create({"amount": 550, "currency": "isk"}),
         "invalid_charge_amount_no_decimal_compatible"),
        (lambda: api.create({"amount": 500, "currency": "usd", "payment_method": card}), None),
        (lambda: api.create({"amount": 500, "currency": "usd", "confirm": True}),
         "payment_intent_unexpected_state"),
        (lambda: api.create({"amount": 500, "currency": "usd", "off_session": True}), None),
    ]
    for number, (call, code) in enumerate(cases):
        if number == 4:
            call()
            continue
        with pytest.raises(stripe.InvalidRequestError) as caught:
            call()
        assert caught.value.code == code, number
    canceled = api.cancel(stray.id, {"cancellation_reason": "duplicate"})
    assert (canceled.status, canceled.cancellation_reason) == ("canceled", "duplicate")


def test_a_charge_made_in_the_dashboard(account):
    charge = account.act("charges", amount=777, currency="usd", description="by phone")
    assert account.api.charges.retrieve(charge["id"]).amount == 777
    assert account.api.charges.list({"limit": 1}).data[0].id == charge["id"]


# -- currencies ---------------------------------------------------------------------

def test_money_without_a_bank_account_is_converted(account):
    account.configure(settlement_currencies=["usd"], exchange_rates={
        "eur": "1.234", "usd": "1", "jpy": "0.0067"})
    moved = account.charge(1000, "eur").balance_transaction
    assert (moved.currency, moved.amount, moved.fee) == ("usd", 1234, 66)
    assert Decimal(str(moved.exchange_rate)) == Decimal("1.234")
    yen = account.charge(10000, "jpy").balance_transaction
    assert (yen.currency, yen.amount) == ("usd", 6700)
    assert Decimal(str(yen.exchange_rate)) == Decimal("0.67"), "per unit of the API"


def test_money_with_a_bank_account_is_not_converted(account):
    moved = account.charge(1000, "eur").balance_transaction
    assert (moved.currency, moved.amount, moved.exchange_rate) == ("eur", 1000, None)


def test_a_currency_without_rate_is_refused_and_leaves_nothing(account):
    account.configure(settlement_currencies=["usd"], exchange_rates={"usd": "1"})
    with pytest.raises(stripe.InvalidRequestError):
        account.charge(1000, "chf")
    assert account.api.charges.list().data == [] and movements(account) == []


# -- refunds ------------------------------------------------------------------------

def test_partial_refunds_up_to_the_amount(account):
    charge = account.charge(1000)
    first = account.api.refunds.create(
        {"charge": charge.id, "amount": 300, "reason": "duplicate"})
    moved = account.api.balance_transactions.retrieve(first.balance_transaction)
    assert (moved.amount, moved.fee, moved.net) == (-300, 0, -300)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.refunds.create({"charge": charge.id, "amount": 701})
    assert "$7.01" in str(caught.value) and "$7.00" in str(caught.value)
    account.api.refunds.create({"payment_intent": charge.payment_intent})
    done = account.api.charges.retrieve(charge.id)
    assert (done.amount_refunded, done.refunded, done.status) == (1000, True, "succeeded")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_already_refunded"
    assert account.event_types()[-4:] == ["refund.created", "charge.refunded"] * 2
    assert len(account.api.refunds.list({"charge": charge.id}).data) == 2


def test_a_refund_that_fails_later(account):
    charge = account.charge(1000)
    refund = account.act(f"charges/{charge.id}/refund", amount=400)
    failed = account.act(f"refunds/{refund['id']}/fail", reason="expired_or_canceled_card")
    assert failed["status"] == "failed"
    back = account.api.balance_transactions.retrieve(failed["failure_balance_transaction"])
    assert (back.amount, back.reporting_category) == (400, "refund_failure")
    assert account.api.charges.retrieve(charge.id).amount_refunded == 0
    assert account.event_types()[-1] == "refund.failed"
    assert account.raw("GET", "/v1/refunds").json()["data"][0]["failure_reason"]


def test_the_card_whose_refunds_fail(account):
    charge = account.act("charges", amount=1000, currency="usd", card="pm_card_refundFail")
    refund = account.api.refunds.create({"charge": charge["id"]})
    assert refund.status == "succeeded", "it fails only afterwards"
    assert account.api.refunds.retrieve(refund.id).status == "failed"


def test_a_failed_charge_cannot_be_refunded(account):
    with pytest.raises(stripe.CardError) as caught:
        account.api.payment_intents.create({
            "amount": 500, "currency": "usd", "confirm": True,
            "payment_method": "pm_card_chargeDeclined"})
    with pytest.raises(stripe.InvalidRequestError):
        account.api.refunds.create({"charge": caught.value.error.charge})


# -- disputes -----------------------------------------------------------------------

@pytest.mark.parametrize(("outcome", "categories", "left"), [
    ("lost", ["dispute"], -1500 - 59), ("won", ["dispute", "dispute_reversal"], 1000 - 1500 - 59),
])
def test_disputes_move_money(account, outcome, categories, left):
    charge = account.charge(1000)
    dispute = account.act(f"charges/{charge.id}/dispute", reason="product_not_received")
    assert dispute["status"] == "needs_response"
    assert account.api.charges.retrieve(charge.id).disputed
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.refunds.create({"charge": charge.id})
    assert caught.value.code == "charge_disputed"
    answered = account.api.disputes.update(
        dispute["id"], {"evidence": {"product_description": "A seat"}, "submit": True})
    assert answered.status == "under_review" and answered.evidence_details.has_evidence
    closed = account.act(f"disputes/{dispute['id']}/close", outcome=outcome)
    assert closed["status"] == outcome
    moved = closed["balance_transactions"]
    assert [one["reporting_category"] for one in moved] == categories
    assert (moved[0]["amount"], moved[0]["fee"], moved[0]["net"]) == (-1000, 1500, -2500)
    assert sum(t.net for t in movements(account)) == left
    expected = ["charge.dispute.created", "charge.dispute.funds_withdrawn",
                "charge.dispute.updated"]
    expected += ["charge.dispute.funds_reinstated"] if outcome == "won" else []
    assert account.event_types()[-len(expected) - 1:] == [*expected, "charge.dispute.closed"]


def test_an_inquiry_moves_no_money(account):
    charge = account.charge(1000)
    dispute = account.act(f"charges/{charge.id}/dispute", inquiry=True)
    assert dispute["status"] == "warning_needs_response"
    assert dispute["balance_transactions"] == []
    account.api.disputes.close(dispute["id"])
    assert account.api.disputes.retrieve(dispute["id"]).status == "warning_closed"
    assert len(movements(account)) == 1
    assert account.api.refunds.create({"charge": charge.id}).status == "succeeded"


def test_the_card_that_is_always_disputed(account):
    charge = account.act("charges", amount=5000, currency="usd",
                         card="pm_card_createDispute")
    disputes = account.api.disputes.list({"charge": charge["id"]}).data
    assert [dispute.reason for dispute in disputes] == ["fraudulent"]


# -- payouts ------------------------------------------------------------------------

def test_a_payout_contains_exactly_what_was_available(account):
    one, two = account.charge(10000), account.charge(20050)
    account.api.refunds.create({"charge": one.id, "amount": 2500})
    account.act("fees", amount=123, currency="usd")
    dispute = account.act(f"charges/{two.id}/dispute")
    euro = account.charge(5000, "eur")
    paid = pay_out(account)
    assert {payout["currency"] for payout in paid} == {"usd", "eur"}
    usd = next(payout for payout in paid if payout["currency"] == "usd")
    lines = inside(account, usd)
    assert lines == [
        ("charge", 10000, 320, 9680), ("charge", 20050, 611, 19439),
        ("refund", -2500, 0, -2500), ("fee", -123, 0, -123),
        ("dispute", -20050, 1500, -21550), ("payout", -usd["amount"], 0, -usd["amount"])]
    assert sum(line[3] for line in lines) == 0 and usd["amount"] == 4946
    assert (usd["status"], usd["reconciliation_status"]) == ("paid", "completed")
    assert usd["trace_id"]["value"]
    eur = next(payout for payout in paid if payout["currency"] == "eur")
    assert movements(account, payout=eur["id"])[0].source == euro.id
    assert pay_out(account) == [], "nothing is paid out twice"
    assert account.api.balance.retrieve().available[0].amount == 0
    assert dispute["status"] == "needs_response"


def test_the_steps_of_a_payout(account):
    account.charge(1000)
    assert pay_out(account, settle=False) == [], "pending money stays"
    payout = pay_out(account, until="created")[0]
    assert (payout["status"], payout["reconciliation_status"]) == ("pending", "in_progress")
    account.act(f"payouts/{payout['id']}/advance", until="reconciled")
    account.act(f"payouts/{payout['id']}/advance")
    assert account.event_types()[-5:] == [
        "balance.available", "payout.created", "payout.updated",
        "payout.reconciliation_completed", "payout.paid"]


def test_money_becomes_available_by_itself(account):
    account.charge(1000)
    balance = account.api.balance.retrieve()
    assert [part.amount for part in balance.pending if part.currency == "usd"] == [941]
    account.admin("POST", "clock", json={"advance": 3 * 86400})
    balance = account.api.balance.retrieve()
    assert [part.amount for part in balance.available if part.currency == "usd"] == [941]
    assert pay_out(account, settle=False)[0]["amount"] == 941


def test_a_paid_payout_can_still_fail(account):
    account.charge(1000)
    payout = pay_out(account)[0]
    failed = account.act(f"payouts/{payout['id']}/fail")
    assert (failed["status"], failed["failure_code"]) == ("failed", "account_closed")
    again = pay_out(account)[0]
    assert inside(account, again) == [
        ("payout_reversal", 941, 0, 941), ("payout", -941, 0, -941)]
    assert "payout.failed" in account.event_types()


def test_a_negative_balance_is_debited(account):
    charge = account.charge(1000)
    pay_out(account)
    account.api.refunds.create({"charge": charge.id})
    payout = pay_out(account)[0]
    assert payout["amount"] == -1000
    assert inside(account, payout) == [("refund", -1000, 0, -1000), ("payout", 1000, 0, 1000)]


def test_a_manual_payout_says_nothing_about_its_contents(account):
    account.charge(5000)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        account.api.payouts.create({"amount": 100, "currency": "usd"})
    assert caught.value.code == "balance_insufficient", "the charge is still pending"
    account.admin("POST", "clock", json={"advance": 3 * 86400})
    payout = account.api.payouts.create({"amount": 2000, "currency": "usd"})
    assert (payout.automatic, payout.reconciliation_status) == (False, "not_applicable")
    assert movements(account, payout=payout.id) == []
    canceled = account.api.payouts.cancel(payout.id)
    assert canceled.status == "canceled" and canceled.failure_balance_transaction
    assert "payout.canceled" in account.event_types()


def test_lists_of_movements(account):
    charge = account.charge(1000)
    account.api.refunds.create({"charge": charge.id, "amount": 100})
    assert [t.type for t in movements(account, type="refund")] == ["refund"]
    assert [t.type for t in movements(account, source=charge.id)] == ["charge"]
    assert movements(account, currency="eur") == []
    with pytest.raises(stripe.InvalidRequestError):
        movements(account, payout="po_missing")


def test_many_transactions_in_one_payout(account):
    for _n in range(130):
        account.act("charges", amount=1000, currency="usd")
    payout = pay_out(account)[0]
    assert payout["amount"] == 130 * 941
    assert len(inside(account, payout)) == 131


def test_state_survives_a_kill(own_sandbox, tmp_path):
    sandbox = own_sandbox("--seed", "demo", state=tmp_path / "state.sqlite")
    account = Driver(sandbox)
    charge = account.charge(1000)
    payout = pay_out(account)[0]
    sandbox.stop(kill=True)
    sandbox.start()
    assert account.api.charges.retrieve(charge.id).amount == 1000
    assert inside(account, payout)[0] == ("charge", 1000, 59, 941)
    assert pay_out(account) == []
