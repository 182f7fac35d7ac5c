"""Delivery of events: signed anew at each attempt, retried for days."""

from __future__ import annotations

import json

from ..webhooks import Outgoing, Sender
from . import const, events, signature
from .account import Account

_MINUTE, _HOUR = 60.0, 3600.0

#: Seconds to wait after each failed attempt. The vendor publishes "up to three
#: days with exponential back off" and, outside live mode, "three times over a few
#: hours", not the intervals; these add up to that.
RETRIES = {
    "live": [_MINUTE, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR,
             12 * _HOUR, 12 * _HOUR, 12 * _HOUR, 12 * _HOUR],
    "test": [_HOUR, 3 * _HOUR],
}


class StripeSender(Sender):
    """Sends one event to one endpoint."""

    #: The vendor states no limit; third parties measured 10 to 30 seconds.
    timeout = 10.0

    def __init__(self, account: Account):
        self.account = account

    def build(self, delivery: dict, attempt: int, bad_signature: bool = False):
        """:return: the request, or None when the endpoint or event is gone."""
        endpoint = self.account.find("webhook_endpoint", delivery["meta"]["endpoint"])
        event = self.account.find("event", delivery["items"][0]["event"])
        if endpoint is None or event is None or endpoint["status"] != "enabled":
            return None
        body = self.body(event, endpoint)
        secrets = events.live_secrets(self.account, endpoint)
        if bad_signature:
            secrets = [secret + "x" for secret in secrets]
        return Outgoing(
            url=endpoint["url"],
            headers={
                "Content-Type": "application/json; charset=utf-8",
                "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
                "Stripe-Signature": signature.header(
                    body, secrets, self.account.now()
                ),
            },
            body=body,
        )

    def body(self, event: dict, endpoint: dict) -> bytes:
        """:return: the event as it is sent: indented, in the endpoint's version."""
        shown = self.account.render(event)
        shown["api_version"] = endpoint["api_version"] or const.API_VERSION
        return json.dumps(shown, indent=2, ensure_ascii=False).encode()

    def next_delay(self, attempt: int) -> float | None:
        """:return: seconds until the next attempt, None to give up."""
        retries = RETRIES[self.account.setting("retry_policy")]
        return retries[attempt - 1] if attempt <= len(retries) else None
