"""From the body of a webhook to notifications.

HubSpot posts a JSON array of up to 100 events. It documents that event ids are not unique
and that events come twice and out of order: an event is a hint that a record changed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from odoo.addons.crm_sync_base.lib.declarations import Notification

from .const import EVENT_OBJECTS, OBJECT_NAMES

#: Fields that tell one event from another; not the attempt number, which grows with retries.
_IDENTITY = (
    "portalId", "subscriptionType", "objectTypeId", "objectId", "eventId", "occurredAt", "propertyName",
    "fromObjectId", "toObjectId", "associationType", "associationRemoved",
)


class MalformedBody(ValueError):
    """The body is no array of events; answer 4xx, keep it for people to see."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What one request carried."""

    notifications: tuple[Notification, ...]
    portal_ids: frozenset[str]  #: accounts that the events belong to
    app_ids: frozenset[str]  #: apps that they were sent to


def parse(body: bytes) -> Delivery:
    """Return the notifications of a request's body.

    An event about several records (a merge) leads to one notification for each. Events of
    types or objects that are unknown here keep an empty `remote_object`.

    :raises MalformedBody: when the body is not a JSON array of event objects.
    """
    try:
        events = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise MalformedBody("the body is not JSON in UTF-8") from None
    if not isinstance(events, list) or not events:
        raise MalformedBody("the body is not an array of events")
    notifications: list[Notification] = []
    for event in events:
        _check(event)
        notifications.extend(_notifications(event))
    return Delivery(
        tuple(notifications),
        frozenset(str(event["portalId"]) for event in events),
        frozenset(str(event["appId"]) for event in events if "appId" in event),
    )


def _check(event: Any) -> None:
    if not isinstance(event, dict):
        raise MalformedBody("an event is not an object")
    if not isinstance(event.get("subscriptionType"), str) or "portalId" not in event:
        raise MalformedBody("an event lacks subscriptionType or portalId")


def _notifications(event: dict[str, Any]) -> list[Notification]:
    source_id = dedupe_key(event)
    record_ids = _record_ids(event)
    name = remote_object(event) if record_ids else ""
    return [
        Notification(
            source_id=source_id if len(record_ids) < 2 else f"{source_id}#{record_id}",
            remote_object=name,
            external_id=record_id,
            event_type=event["subscriptionType"],
            occurred_at=_moment(event.get("occurredAt")),
        )
        for record_id in record_ids or [""]
    ]


def dedupe_key(event: dict[str, Any]) -> str:
    """Return a text that is equal for every delivery of the same event, and only then."""
    return ":".join(str(event[name]) for name in _IDENTITY if name in event)


def remote_object(event: dict[str, Any]) -> str:
    """Return the object name that an event is about; empty when we do not know it."""
    prefix = event["subscriptionType"].partition(".")[0]
    if prefix != "object":
        return EVENT_OBJECTS.get(prefix, "")
    type_id = str(event.get("objectTypeId", ""))
    # Custom objects have no name of their own in the API: their type id is used.
    return OBJECT_NAMES.get(type_id, type_id if type_id.startswith("2-") else "")


def _record_ids(event: dict[str, Any]) -> list[str]:
    """Return the ids of all records that an event concerns, each once.

    After a merge the survivor may have a new id, and bindings hold the old ones. An
    association change names the record of the subscription's side as `fromObjectId`.
    """
    ids = [event.get(name) for name in ("objectId", "newObjectId", "primaryObjectId")]
    merged = event.get("mergedObjectIds")
    ids += merged if isinstance(merged, list) else []
    if event["subscriptionType"].endswith(".associationChange"):
        ids.append(event.get("fromObjectId"))
    return list(dict.fromkeys(str(record_id) for record_id in ids if record_id not in (None, "")))


def _moment(milliseconds: Any) -> datetime | None:
    """Return epoch milliseconds as naive UTC, None when they make no sense."""
    try:
        return datetime(1970, 1, 1) + timedelta(milliseconds=int(milliseconds))
    except (TypeError, ValueError, OverflowError):
        return None
