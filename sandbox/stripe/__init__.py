"""Stand-in for the payment platform, API version 2026-05-27.dahlia.

Implemented: account, balance, balance transactions, charges, customers, disputes,
events, invoices with items, lines and payments, payment intents, payment methods,
payouts, prices, products, refunds, subscriptions, tax rates, webhook endpoints.
What the real API accepts and this one does not is refused, never ignored.
"""

from __future__ import annotations

from aiohttp import web

from . import (balance, catalog, charges, const, customers, disputes, events,
               invoice_lines, invoices, own_account, payment_intents,
               payment_methods, payouts, refunds, seed as seeding, subscriptions)
from .account import Account
from .admin import Admin
from .api import Api, api_keys, expire_key, fault_shape
from .sender import StripeSender

_MODULES = (
    balance, catalog, charges, customers, disputes, events, invoice_lines, invoices,
    own_account, payment_intents, payment_methods, payouts, refunds, subscriptions,
)
OPERATIONS = [operation for module in _MODULES for operation in module.OPERATIONS]

#: Parts built by `setup`, by the identity of their context.
_parts: dict[int, tuple[Account, Api]] = {}


def setup(ctx) -> None:
    """Build the account once per process: indexes, webhooks, shapes of faults."""
    account = Account(ctx)
    _parts[id(ctx)] = account, Api(account, OPERATIONS)
    ctx.webhooks.register(const.VENDOR, StripeSender(account))
    ctx.faults.shapes[const.VENDOR] = fault_shape
    ctx.faults.expirers[const.VENDOR] = expire_key


def seed(ctx, profile: str) -> None:
    """Fill an empty account, see `seed.py`."""
    account, api = _parts[id(ctx)]
    api.failures.clear()
    seeding.fill(account, profile)


def routes(ctx) -> list[web.RouteDef]:
    """:return: one handler for every path; unknown ones get the vendor's own 404."""
    _account, api = _parts[id(ctx)]
    return [web.route("*", "/{tail:.*}", api.handle)]


def admin_routes(ctx) -> list[web.RouteDef]:
    """:return: the actions of `admin.py`."""
    account, api = _parts[id(ctx)]
    return Admin(account, api).routes()


def credentials(ctx) -> dict:
    """:return: keys of the account, and the secret of each webhook endpoint."""
    account, _api = _parts[id(ctx)]
    endpoints = [
        {
            "id": doc["id"],
            "url": doc["url"],
            "secrets": events.live_secrets(account, doc),
        }
        for doc in account.newest("webhook_endpoint")
    ]
    keys = api_keys(ctx)
    return {
        "account": account.id,
        "secret_key": keys["secret"],
        "restricted_key": keys["restricted"],
        "publishable_key": keys["publishable"],
        "api_version": const.API_VERSION,
        "webhook_endpoints": endpoints,
    }
