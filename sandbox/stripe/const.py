"""Words of the payment platform: version, id prefixes, event types, error-free tables."""

#: The one API version whose shapes this stand-in speaks.
API_VERSION = "2026-05-27.dahlia"

VENDOR = "stripe"

#: Prefix and random length of ids, by object type.
ID_SHAPES = {
    "account": ("acct_1", 15),
    "balance_transaction": ("txn_3", 23),
    "bank_account": ("ba_1", 23),
    "charge": ("ch_3", 23),
    "customer": ("cus_", 14),
    "dispute": ("du_1", 23),
    "event": ("evt_1", 23),
    "invoice": ("in_1", 23),
    "invoice_payment": ("inpay_1", 23),
    "invoiceitem": ("ii_1", 23),
    "line_item": ("il_1", 23),
    "payment_intent": ("pi_3", 23),
    "payment_method": ("pm_1", 23),
    "payout": ("po_1", 23),
    "price": ("price_1", 23),
    "product": ("prod_", 14),
    "refund": ("re_3", 23),
    "subscription": ("sub_1", 23),
    "subscription_item": ("si_", 14),
    "tax_rate": ("txr_1", 23),
    "webhook_endpoint": ("we_1", 23),
}

#: Object type by id prefix, for fields that may hold several types.
TYPE_BY_PREFIX = {
    "ch": "charge",
    "du": "dispute",
    "po": "payout",
    "re": "refund",
}

#: Event types that an endpoint may subscribe to here (a subset of the vendor's).
EVENT_TYPES = frozenset(
    """
    balance.available charge.dispute.closed charge.dispute.created
    charge.dispute.funds_reinstated charge.dispute.funds_withdrawn
    charge.dispute.updated charge.failed charge.refund.updated charge.refunded
    charge.succeeded charge.updated credit_note.created credit_note.updated
    credit_note.voided customer.created customer.deleted
    customer.subscription.created customer.subscription.deleted
    customer.subscription.paused customer.subscription.resumed
    customer.subscription.trial_will_end customer.subscription.updated
    customer.updated invoice.created invoice.deleted invoice.finalization_failed
    invoice.finalized invoice.marked_uncollectible invoice.overdue invoice.overpaid
    invoice.paid invoice.payment_action_required invoice.payment_attempt_required
    invoice.payment_failed invoice.payment_succeeded invoice.sent invoice.upcoming
    invoice.updated invoice.voided invoice.will_be_due invoice_payment.paid
    payment_intent.canceled payment_intent.created payment_intent.payment_failed
    payment_intent.processing payment_intent.requires_action
    payment_intent.succeeded payment_method.attached payment_method.detached
    payment_method.updated payout.canceled payout.created payout.failed payout.paid
    payout.reconciliation_completed payout.updated price.created price.deleted
    price.updated product.created product.deleted product.updated refund.created
    refund.failed refund.updated tax_rate.created tax_rate.updated
    """.split()
)

#: How far back `GET /v1/events` reaches, and how long idempotency keys live.
EVENT_DAYS = 30
IDEMPOTENCY_SECONDS = 24 * 3600
DAY = 24 * 3600

#: Fields that are kept in documents for the stand-in alone start with this.
PRIVATE = "_"
