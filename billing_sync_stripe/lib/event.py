"""Reading a webhook's body: what it says happened, or why it is refused.

An event is a hint that something changed; the object itself is fetched again with
the pinned version, because a snapshot has the shape of the *endpoint's* version and
may be older than what we already know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from . import const

_TEXT_LIMIT = 255


@dataclass(frozen=True, slots=True)
class Event:
    """A snapshot event.

    :param created: when it happened, naive UTC.
    :param api_version: version of the snapshot's shape, "" when not given.
    :param account: the connected account that it is about; None for our own.
    :param object_type: `charge`, `payout`...; "" when the snapshot says nothing.
    :param object_id: "" for objects without one (the balance).
    :param request_key: idempotency key of the API call that caused it, "" when it had
        none: tells our own calls from the rest.
    :param correlation_id: the story that we gave with our own call, "" when it has none.
    """

    id: str
    type: str
    created: datetime
    livemode: bool
    api_version: str = ""
    account: str | None = None
    object_type: str = ""
    object_id: str = ""
    request_key: str = ""
    correlation_id: str = ""

    @property
    def is_connected_account(self) -> bool:
        """Whether it belongs to somebody else's account: stored, never acted on."""
        return self.account is not None


@dataclass(frozen=True, slots=True)
class EventReading:
    """An event, or the verdict and the reason of its refusal."""

    verdict: str
    reason: str = ""
    event: Event | None = None


def read_event(body: bytes, *, livemode: bool) -> EventReading:
    """Read a delivery whose signature was accepted.

    :param livemode: the mode of the connection's key; events of the other mode are
        refused, so that test payments can never reach real books.
    :return: verdict `accepted` with the event, `malformed`, or `wrong_account`.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return EventReading("malformed", "The body is not JSON.")
    if not isinstance(document, dict):
        return EventReading("malformed", "The body is not a JSON object.")
    if document.get("object") == "v2.core.event":
        return EventReading(
            "malformed",
            "This is a thin event. In Stripe, set the payload style of this event destination to Snapshot.",
        )
    event = event_of(document)
    if event is None:
        return EventReading("malformed", "The body is not an event of Stripe's: id, type, created or mode is missing.")
    if event.livemode != livemode:
        theirs, ours = _mode(event.livemode), _mode(livemode)
        return EventReading("wrong_account", f"A {theirs} event reached a {ours} connection.", event)
    return EventReading("accepted", event=event)


def _mode(livemode: bool) -> str:
    return "live mode" if livemode else "test mode"


def event_of(document: dict[str, Any]) -> Event | None:
    """Return an event from its JSON object, or None when a member that every event has is missing."""
    created = document.get("created")
    has_all = (
        document.get("object") == "event"
        and _is_text(document.get("id"))
        and _is_text(document.get("type"))
        and isinstance(document.get("livemode"), bool)
        and isinstance(created, int)
        and not isinstance(created, bool)
    )
    if not has_all:
        return None
    moment = _moment(created)
    if moment is None:
        return None
    snapshot = _dict(_dict(document.get("data")).get("object"))
    return Event(
        id=document["id"],
        type=document["type"],
        created=moment,
        livemode=document["livemode"],
        api_version=_text(document.get("api_version")),
        account=document.get("account") or None,
        object_type=_text(snapshot.get("object")),
        object_id=_text(snapshot.get("id")),
        request_key=_text(_dict(document.get("request")).get("idempotency_key")),
        correlation_id=_text(_dict(snapshot.get("metadata")).get(const.CORRELATION)),
    )


def _moment(seconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    except (ValueError, OverflowError, OSError):
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _TEXT_LIMIT


def _text(value: Any) -> str:
    return value if _is_text(value) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
