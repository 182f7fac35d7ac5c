"""From a delivery to a verdict and notifications."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from odoo.addons.crm_sync_base.lib import signing
from odoo.addons.crm_sync_base.lib.declarations import Notification, WebhookRequest

from .client import moment

HEADER = "tiny-signature"
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


class Malformed(ValueError):
    """The body is not what Tiny CRM sends."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one request carried."""

    account: str
    notifications: tuple[Notification, ...]


def verdict(secrets: Iterable[str | None], request: WebhookRequest) -> str:
    """Judge the signature: `t=<seconds>,v1=<hex>` over `<seconds>.<raw body>`."""
    match = _SIGNATURE.fullmatch(request.headers.get(HEADER, ""))
    if not match:
        return "unsigned"
    message = match[1].encode() + b"." + request.body
    return signing.verify(secrets, message, [match[2]], float(match[1]))


def parse(body: bytes) -> Delivery:
    """Return what a body says.

    :raises Malformed: when it says nothing.
    """
    try:
        data = json.loads(body.decode())
        return Delivery(str(data["account"]), tuple(map(_notification, data["events"])))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Malformed("the body is no list of events") from None


def _notification(event: dict) -> Notification:
    return Notification(
        source_id=str(event["id"]),
        remote_object=str(event["kind"]),
        external_id=str(event["record"]),
        event_type=f"{event['kind']}.{event['type']}",
        occurred_at=moment(int(event["at"])),
    )
