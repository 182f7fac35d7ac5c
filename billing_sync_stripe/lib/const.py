"""Stripe's words and tables. Nothing here is decided, everything is looked up."""

from __future__ import annotations

#: The API version whose shapes this module reads and writes. It is sent with every
#: request: without it the account's own default would apply, which changes when
#: somebody clicks "upgrade" in Stripe's dashboard.
API_VERSION = "2026-05-27.dahlia"

#: Where calls go unless the connection says otherwise.
BASE_URL = "https://api.stripe.com"
HOSTS = ("api.stripe.com",)

#: What every account and endpoint may be called, in test mode, too
#: (docs.stripe.com/rate-limits). Live accounts may ask for more: it can be raised on the
#: endpoint.
CALLS_PER_SECOND = 25

# -- currencies (docs.stripe.com/currencies) -----------------------------------------
#
# Odoo's decimal places differ from these for some currencies, so they are never used
# to read or write an amount of Stripe's.

#: One unit of the API is one unit of the currency.
ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())

#: A thousand units of the API are one of the currency; the last digit must be 0.
THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())

#: Two decimals in the API, but only 00: whole units are charged.
WHOLE_UNITS_ONLY = frozenset("ISK UGX".split())

#: Charged with two decimals, but paid out in whole units.
WHOLE_UNIT_PAYOUTS = frozenset("HUF TWD".split())

#: All others that Stripe supports: a hundred units of the API are one of the currency.
TWO_DECIMAL = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BWP BYN
    BZD CAD CDF CHF CNY COP CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD
    GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES KGS KHR KYD KZT LAK LBP LKR LRD LSL
    MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK
    PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SEK SGD SHP SLE SOS SRD STD SZL THB TJS TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS WST XCD XCG YER ZAR ZMW
    """.split()
)

#: Decimals of the API's amounts by currency.
EXPONENTS: dict[str, int] = {
    **dict.fromkeys(TWO_DECIMAL, 2),
    **dict.fromkeys(ZERO_DECIMAL, 0),
    **dict.fromkeys(THREE_DECIMAL, 3),
}

# -- accounting buckets of a payout ----------------------------------------------------

CHARGE = "charge"  #: money from buyers, gross
REFUND = "refund"  #: money back to buyers, and refunds that failed
DISPUTE = "dispute"  #: money taken by a buyer's bank, and given back
FEE = "fee"  #: what Stripe keeps: of each transaction, and fees of their own
PAYOUT_REVERSAL = "payout_reversal"  #: an earlier payout that came back
OTHER_PAYOUT = "other_payout"  #: a manual payout within the period of this one
BANK = "bank"  #: the payout itself
SUSPENSE = "suspense"  #: unknown to us: a person decides

#: Stripe's `reporting_category` -> bucket. Stripe promises that the categories are
#: stable for accounting (docs.stripe.com/reports/reporting-categories), unlike the
#: nearly fifty transaction types. What is not in here goes to suspense.
BUCKETS: dict[str, str] = {
    "charge": CHARGE,
    "charge_failure": CHARGE,
    "partial_capture_reversal": CHARGE,
    "refund": REFUND,
    "refund_failure": REFUND,
    "dispute": DISPUTE,
    "dispute_reversal": DISPUTE,
    "fee": FEE,
    "network_cost": FEE,
    "payout_reversal": PAYOUT_REVERSAL,
    "payout": OTHER_PAYOUT,
}

# -- events ------------------------------------------------------------------------------

#: Types that our webhook endpoint asks for.
EVENT_TYPES = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "customer.created",
    "customer.deleted",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.updated",
    "customer.updated",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.voided",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.succeeded",
    "payout.canceled",
    "payout.created",
    "payout.failed",
    "payout.paid",
    "payout.reconciliation_completed",
    "payout.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
)

#: Events that lead to a job: type -> the object that has to be read again. All others
#: are stored in the event ledger and do nothing.
ROUTES: dict[str, str] = {
    "charge.refunded": "charge",
    "charge.succeeded": "charge",
    "charge.updated": "charge",
    "customer.created": "customer",
    "customer.deleted": "customer",
    "customer.updated": "customer",
    "payment_intent.canceled": "payment_intent",
    "payment_intent.payment_failed": "payment_intent",
    "payment_intent.succeeded": "payment_intent",
    "payout.canceled": "payout",
    "payout.created": "payout",
    "payout.failed": "payout",
    "payout.paid": "payout",
    "payout.reconciliation_completed": "payout",
    "payout.updated": "payout",
    "refund.created": "refund",
    "refund.failed": "refund",
    "refund.updated": "refund",
}

#: Names of our own metadata at Stripe: the story, and the record in Odoo.
CORRELATION = "q2c_correlation"
REFERENCE = "odoo_ref"

#: Days that Stripe keeps events, and days after which we list the objects as well.
EVENT_DAYS = 30
SAFE_EVENT_DAYS = 29

#: Seconds that two polls overlap: events may become visible late.
POLL_OVERLAP = 900

#: Seconds after which an idempotency key may be forgotten by Stripe (it says 24 hours).
KEY_SECONDS = 23 * 3600

#: Seconds that a webhook's time stamp may lie in the past (Stripe's own default).
SIGNATURE_TOLERANCE = 300

#: Longest idempotency key that Stripe takes.
IDEMPOTENCY_KEY_LENGTH = 255
