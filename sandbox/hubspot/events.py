"""Webhooks: which change becomes which event, and the signed delivery of batches.

HubSpot posts a JSON array of at most 100 events to the app's target URL, signs the
*configured* URL, waits 5 s for a 2xx, and otherwise retries up to 10 times within 24 h.
"""

import base64
import hashlib
import hmac
import json
import random
import re

from ..webhooks import Outgoing, Sender
from .properties import TABLES, parse_row

APP = "hubspot/_app"

MAX_EVENTS = 100
RETRIES = 10
_DAY = 24 * 3600.0

#: Changes of these are not announced.
_SILENT = {"hs_lastmodifieddate", "lastmodifieddate", "hs_object_id"}

_LIFECYCLE = ("creation", "deletion", "merge", "restore", "associationChange")


def sign(secret, method, uri, body, timestamp):
    """Return a v3 signature: base64 of HMAC-SHA256 over method + uri + body + timestamp.

    :param uri: the app's target URL as configured, with scheme and query.
    :param body: bytes; ``timestamp``: milliseconds as text.
    """
    message = f"{method}{_readable(uri)}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def _readable(uri):
    """Undo the escapes that HubSpot undoes before signing; others (%20) stay."""
    return re.sub("%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)",
                  lambda match: chr(int(match[0][1:], 16)), uri, flags=re.IGNORECASE)


def default_subscriptions():
    """Return what a new app of this sandbox listens to: every classic event.

    Quotes and invoices have no classic events: an app polls them.
    """
    found = []
    for name, event in (("contacts", "contact"), ("companies", "company"), ("deals", "deal"),
                        ("products", "product"), ("line_items", "line_item")):
        found += [{"eventType": f"{event}.{what}"} for what in _LIFECYCLE]
        found += [
            {"eventType": f"{event}.propertyChange", "propertyName": prop}
            for prop, row in TABLES[name].items()
            if not parse_row(prop, row, "")["modificationMetadata"]["readOnlyValue"]
        ]
    return found + [{"eventType": "contact.privacyDeletion"}]


class Events:
    """Turns changes into webhook events for every app that listens."""

    def __init__(self, portal, webhooks):
        self._portal, self._store, self._webhooks = portal, portal.store, webhooks

    # -- apps ---------------------------------------------------------------

    def apps(self):
        """Return the documents of the portal's apps."""
        return self._store.scan(APP)

    def app(self, app_id):
        """Return an app's document or None."""
        return self._store.get(APP, str(app_id))

    def configure(self, app_id, target_url, subscriptions=None):
        """Set an app's target URL (None: no webhooks) and what it listens to."""
        wanted = default_subscriptions() if subscriptions is None else subscriptions
        base = int(app_id) % 100_000 * 1000
        return self._store.update(
            APP, str(app_id), target_url=target_url, subscriptions=[
                {"eventType": entry["eventType"], "propertyName": entry.get("propertyName"),
                 "id": base + number, "active": entry.get("active", True)}
                for number, entry in enumerate(wanted, 1)])

    def listening(self, source):
        """Tell whether anybody would hear of a change."""
        return source.notify and any(app["target_url"] for app in self.apps())

    # -- changes ------------------------------------------------------------

    def created(self, object_type, doc, source):
        """A record was created: one creation event and one per property that is set."""
        self.lifecycle(object_type, "creation", doc["id"], source)
        self.changed(object_type, doc, doc["properties"], source)

    def changed(self, object_type, doc, changes, source):
        """Properties changed: one event each."""
        if not self.listening(source):
            return
        for name, text in changes.items():
            if name not in _SILENT:
                self._emit(object_type, "propertyChange", source, {
                    "objectId": int(doc["id"]), "propertyName": name, "propertyValue": text})

    def lifecycle(self, object_type, what, record_id, source):
        """A record was created, deleted, restored or purged."""
        if self.listening(source):
            flags = {"creation": "CREATED", "deletion": "DELETED", "restore": "RESTORED"}
            extra = {"changeFlag": flags[what]} if what in flags else {}
            self._emit(object_type, what, source, {"objectId": int(record_id), **extra})

    def merged(self, object_type, primary_id, loser_ids, survivor_id, moved, source):
        """Records were merged."""
        if self.listening(source):
            self._emit(object_type, "merge", source, {
                "objectId": int(survivor_id), "primaryObjectId": int(primary_id),
                "mergedObjectIds": [int(loser) for loser in loser_ids],
                "newObjectId": int(survivor_id), "numberOfPropertiesMoved": moved})

    def associated(self, object_type, record_id, other_type, other_id, removed, primary, source):
        """An association came or went, seen from one side."""
        if self.listening(source):
            self._emit(object_type, "associationChange", source, {
                "associationType": f"{object_type.label}_TO_{other_type.label}",
                "fromObjectId": int(record_id), "toObjectId": int(other_id),
                "associationRemoved": removed, "isPrimaryAssociation": primary})

    def _emit(self, object_type, what, source, fields):
        for app in self.apps():
            if not app["target_url"]:
                continue
            items = [
                self._event(app, entry, object_type, source, fields)
                for entry in app["subscriptions"]
                if entry["active"] and _wants(entry, object_type, what, fields)
            ]
            if items:
                self._webhooks.enqueue(
                    "hubspot", app["target_url"], items, {"app": str(app["app_id"])},
                    max_batch=MAX_EVENTS, wait=0.05)

    def _event(self, app, entry, object_type, source, fields):
        # Event ids are documented as not unique; 31 bits are what real ones look like.
        generic = {"objectTypeId": object_type.id} if entry["eventType"].startswith("object.") else {}
        return {
            "eventId": random.getrandbits(31), "subscriptionId": entry["id"],
            "portalId": self._portal.settings["portal_id"], "appId": app["app_id"],
            "occurredAt": self._portal.now_ms(), "subscriptionType": entry["eventType"],
            "attemptNumber": 0, "changeSource": source.change_source, "sourceId": source.source_id,
            **generic, **fields}


def _wants(entry, object_type, what, fields):
    """Tell whether a subscription covers an event."""
    prefix, _dot, event = entry["eventType"].partition(".")
    if event != what or prefix not in (object_type.event, "object"):
        return False
    return entry["propertyName"] in (None, fields.get("propertyName"))


class HubSpotSender(Sender):
    """Delivers batches of events, signed anew for each attempt."""

    timeout = 5.0

    def __init__(self, store, clock):
        self._store, self._clock = store, clock

    def build(self, delivery, attempt, bad_signature=False):
        """Return the POST of an attempt; ``attemptNumber`` counts from 0."""
        app = self._store.get(APP, delivery["meta"]["app"])
        if app is None:
            return None
        events = [{**item, "attemptNumber": attempt - 1} for item in delivery["items"]]
        body = json.dumps(events, ensure_ascii=False, separators=(",", ":")).encode()
        timestamp = str(int(self._clock.time() * 1000))
        secret = "not-the-secret" if bad_signature else app["client_secret"]
        return Outgoing(delivery["url"], {
            "Content-Type": "application/json;charset=utf-8",
            "User-Agent": "HubSpot Webhooks",
            "X-HubSpot-Signature-Version": "v1",
            "X-HubSpot-Signature": hashlib.sha256(secret.encode() + body).hexdigest(),
            "X-HubSpot-Signature-v3": sign(secret, "POST", delivery["url"], body, timestamp),
            "X-HubSpot-Request-Timestamp": timestamp,
        }, body)

    def next_delay(self, attempt):
        """Return a random delay; ten retries are spread over 24 hours."""
        if attempt > RETRIES:
            return None
        return random.uniform(0.2, 1.8) * _DAY / RETRIES
