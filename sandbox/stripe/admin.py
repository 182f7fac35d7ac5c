"""Actions that happen outside the API: the buyer, the bank, the dashboard, time."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from . import (
    balance,
    disputes,
    events,
    invoices,
    money,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    settings,
    subscriptions,
)
from .account import Account
from .api import Api
from .errors import StripeError, invalid_request


class Admin:
    """Handlers under `/_admin/stripe`; each takes and answers JSON.

    A refusal is answered in the API's own error shape.
    """

    def __init__(self, account: Account, api: Api):
        self.account = account
        self.ctx = account.ctx
        self.api = api

    def routes(self) -> list[web.RouteDef]:
        """:return: the routes, without their prefix."""
        post = {
            "/charges": self.charge,
            "/charges/{id}/dispute": self.dispute,
            "/charges/{id}/refund": self.refund,
            "/customers/{id}/card": self.card,
            "/disputes/{id}/close": self.close_dispute,
            "/fees": self.fee,
            "/fail_next": self.fail_next,
            "/invoices/advance": self.advance_invoices,
            "/payouts/run": self.run_payouts,
            "/payouts/{id}/advance": self.advance_payout,
            "/payouts/{id}/fail": self.fail_payout,
            "/refunds/{id}/fail": self.fail_refund,
            "/subscriptions/{id}/renew": self.renew,
            "/webhook_endpoints/{id}/roll": self.roll,
            "/config": self.set_config,
        }
        return [
            web.get("/config", self._wrapped(self.get_config)),
            *(web.post(path, self._wrapped(handler)) for path, handler in post.items()),
        ]

    def _wrapped(self, handler: Callable):
        async def call(request: web.Request) -> web.Response:
            try:
                body = await request.json() if request.can_read_body else {}
            except ValueError:
                raise web.HTTPBadRequest(text="the body is not JSON") from None
            try:
                with self.ctx.store.atomic():
                    answer = handler(request.match_info.get("id"), body)
            except StripeError as error:
                return web.json_response(error.body(), status=error.status)
            except settings.SettingError as error:
                raise web.HTTPBadRequest(text=str(error)) from None
            return web.json_response(answer)

        return call

    # -- settings -------------------------------------------------------------------

    def get_config(self, _id, body: dict) -> dict:
        """All settings, see `settings.py`."""
        return settings.current(self.ctx)

    def set_config(self, _id, body: dict) -> dict:
        """Change some settings: `{"autocard": "visa"}`."""
        return settings.change(self.ctx, body)

    def fail_next(self, _id, body: dict) -> dict:
        """The next matching request breaks inside the vendor.

        Body: `{path_regex, method?, status? = 500, after_effect? = false}`; the
        pattern is matched on the path template (`/v1/charges/{charge}`).
        """
        rule = {"path_regex": "", "method": None, "status": 500, "after_effect": False}
        rule.update({key: body[key] for key in rule if key in body})
        self.api.fail_next(rule)
        return rule

    # -- the buyer --------------------------------------------------------------------

    def card(self, id_: str, body: dict) -> dict:
        """A buyer enters a card: `{"card": "pm_card_visa"}`."""
        self.account.need("customer", id_)
        method = payment_methods.enter(
            self.account, id_, body.get("card", "pm_card_visa")
        )
        return self.account.render(method)

    def charge(self, _id, body: dict) -> dict:
        """Somebody pays outside Odoo: `{amount, currency, customer?, card?,
        description?, metadata?}` (minor units). Answers the charge."""
        for name, kind in (("amount", int), ("currency", str)):
            if not isinstance(body.get(name), kind):
                raise invalid_request(f"Missing required param: {name}.", param=name)
        if body["currency"] not in money.CURRENCIES:
            raise invalid_request(f"Invalid currency: {body['currency']}")
        params = {
            "payment_method": body.get("card", "pm_card_visa"),
            **{name: body[name] for name in ("amount", "currency", "customer",
                                             "description", "metadata") if name in body},
            "confirm": True,
        }
        intent = payment_intents.create(self.account, params)
        return self._shown("charge", intent["latest_charge"])

    def dispute(self, id_: str, body: dict) -> dict:
        """The buyer's bank disputes a charge: `{reason?, amount?, inquiry?}`."""
        charge = self.account.need("charge", id_)
        doc = disputes.open_for(
            self.account, charge, body.get("reason", "fraudulent"), body.get("amount"),
            bool(body.get("inquiry")),
        )
        return self.account.render(doc)

    def close_dispute(self, id_: str, body: dict) -> dict:
        """The bank decides: `{"outcome": "won" | "lost" | "warning_closed"}`."""
        doc = self.account.need("dispute", id_)
        closed = disputes.close(self.account, doc, body.get("outcome", "lost"))
        return self.account.render(closed)

    # -- the dashboard ------------------------------------------------------------------

    def refund(self, id_: str, body: dict) -> dict:
        """A refund made in the dashboard: `{amount?, reason?}`."""
        charge = self.account.need("charge", id_)
        left = charge["amount"] - charge["amount_refunded"]
        doc = refunds.refund(self.account, charge, body.get("amount", left), body)
        return self.account.render(doc)

    def fail_refund(self, id_: str, body: dict) -> dict:
        """The buyer's bank returns a refund: `{reason?}`."""
        doc = self.account.need("refund", id_)
        failed = refunds.fail(self.account, doc, body.get("reason", "unknown"))
        return self.account.render(failed)

    def fee(self, _id, body: dict) -> dict:
        """A fee that belongs to no charge: `{amount, currency, description?}`."""
        doc = balance.add(
            self.account, "stripe_fee", -body["amount"], body["currency"], None,
            description=body.get("description", "Billing - Usage Fee"),
        )
        return self.account.render(doc)

    def roll(self, id_: str, body: dict) -> dict:
        """Roll an endpoint's secret: `{expires_in? = 86400}` seconds."""
        doc = self.account.need("webhook_endpoint", id_)
        secret = events.roll_secret(self.account, doc, body.get("expires_in", 86400))
        return {"id": id_, "secret": secret}

    # -- time and the bank ----------------------------------------------------------------

    def run_payouts(self, _id, body: dict) -> dict:
        """Run the payout clock.

        Body: `{currency?, settle? = true, until? = "paid"}`; `settle` lets pending
        money become available first; `until` is created, in_transit, reconciled or
        paid. Answers the payouts made, one for each currency with money.
        """
        codes = [body["currency"]] if "currency" in body else self.account.setting(
            "settlement_currencies")
        until = body.get("until", "paid")
        if until not in payouts.STEPS:
            raise invalid_request(f"Invalid until: {until}")
        made = [
            payouts.run(self.account, code, body.get("settle", True), until)
            for code in codes
        ]
        return {"payouts": [self.account.render(doc) for doc in made if doc]}

    def advance_payout(self, id_: str, body: dict) -> dict:
        """Take a payout further: `{until? = "paid"}`."""
        doc = self.account.need("payout", id_)
        return self.account.render(
            payouts.advance(self.account, doc, body.get("until", "paid"))
        )

    def fail_payout(self, id_: str, body: dict) -> dict:
        """The bank refuses a payout, even one that was `paid`: `{code?}`."""
        doc = self.account.need("payout", id_)
        failed = payouts.fail(self.account, doc, body.get("code", "account_closed"))
        return self.account.render(failed)

    def advance_invoices(self, _id, body: dict) -> dict:
        """Finalise and collect what is due: `{hour_passed? = true}`."""
        touched = invoices.advance(self.account, body.get("hour_passed", True))
        return {"invoices": [self.account.render(doc) for doc in touched]}

    def renew(self, id_: str, body: dict) -> dict:
        """A subscription's period ends now."""
        doc = self.account.need("subscription", id_)
        return self.account.render(subscriptions.renew(self.account, doc))

    def _shown(self, object_type: str, id_: str) -> dict:
        return self.account.render(self.account.need(object_type, id_))
