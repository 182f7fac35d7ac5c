"""Stripe's documents as the tests need them: whole in shape, small in content."""

CREATED = 1_790_000_000


def transaction(id_, amount, fee=0, category="charge", **members):
    """A balance transaction; amounts in minor units."""
    document = {
        "id": id_,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": CREATED + 2 * 86400,
        "created": CREATED,
        "currency": "usd",
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [{"amount": fee, "currency": "usd", "type": "stripe_fee"}] if fee else [],
        "net": amount - fee,
        "reporting_category": category,
        "source": f"src_{id_}",
        "status": "available",
        "type": category,
    }
    return {**document, **members}


def payout(amount, **members):
    """An automatic payout that Stripe has finished reconciling."""
    document = {
        "id": "po_1",
        "object": "payout",
        "amount": amount,
        "arrival_date": CREATED + 2 * 86400,
        "automatic": True,
        "currency": "usd",
        "reconciliation_status": "completed",
        "status": "paid",
        "trace_id": {"status": "supported", "value": "TRACE1"},
    }
    return {**document, **members}


def own(amount, **members):
    """The payout's own transaction, by which it leaves the balance."""
    return transaction("txn_own", -amount, category="payout", source="po_1", **members)


def charge(amount, **members):
    """A captured charge with its balance transaction expanded."""
    document = {
        "id": "ch_1",
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": 0,
        "balance_transaction": transaction("txn_1", amount, 30, source="ch_1"),
        "captured": True,
        "created": CREATED,
        "currency": "usd",
        "customer": "cus_1",
        "disputed": False,
        "paid": True,
        "payment_intent": "pi_1",
        "status": "succeeded",
    }
    return {**document, **members}
