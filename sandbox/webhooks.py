"""Outgoing deliveries: a durable queue with each vendor's retry policy.

A delivery is a document in the store, so it is written in the same commit as the
change that it announces and survives a restart. Vendors register a ``Sender``.
"""

import asyncio
import dataclasses
import logging

import aiohttp

_logger = logging.getLogger(__name__)

KIND = "_framework/delivery"
_POSTPONING = ("webhook_delay", "webhook_reorder")

#: Deliveries sent at the same time, over all vendors.
PARALLEL = 8


@dataclasses.dataclass
class Outgoing:
    """One HTTP POST as the vendor would send it."""

    url: str
    headers: dict
    body: bytes


class Sender:
    """How one vendor delivers: subclass it and register with ``Webhooks.register``."""

    #: Seconds until the vendor gives up on an answer (not scaled).
    timeout = 10.0

    def build(self, delivery, attempt, bad_signature=False):
        """Return the ``Outgoing`` of this attempt (1, 2…); called anew for each attempt.

        :param delivery: the document: ``{id, vendor, url, items, meta, attempts…}``.
        :param bad_signature: spoil the signature (fault ``webhook_bad_signature``).
            May return None when nothing is left to send; the delivery is then done.
        """
        raise NotImplementedError

    def accepted(self, status, headers, body):
        """Tell whether the answer (bytes ``body``) ends the delivery; default: any 2xx."""
        return 200 <= status < 300

    def next_delay(self, attempt):
        """Return seconds (vendor time, scaled by ``--retry-scale``) after failed attempt
        number ``attempt``, or None to give up."""
        return None


class Webhooks:
    """The queue and its worker."""

    def __init__(self, store, clock, faults, retry_scale=1.0):
        self._store, self._clock, self._faults = store, clock, faults
        self.retry_scale = retry_scale
        self._senders = {}
        self._wake = None
        self._session = None
        self._running = {}
        store.add_sorted(KIND, "due", lambda doc: doc["due"] if doc["state"] == "pending" else None)
        store.add_lookup(KIND, "open", _open_key)

    def register(self, vendor, sender):
        """Set a vendor's ``Sender``."""
        self._senders[vendor] = sender

    # -- queueing -----------------------------------------------------------

    def enqueue(self, vendor, url, items, meta=None, max_batch=1, wait=0.0):
        """Queue items (JSON dicts) for a URL; returns the ids of the deliveries used.

        :param meta: JSON dict kept on the delivery; only items with equal meta share one.
        :param max_batch: items per delivery. Items join a delivery that was queued less
            than ``wait`` seconds ago and has room.
        """
        meta = meta or {}
        used = []
        for item in items:
            delivery = self._joinable(vendor, url, meta, max_batch) if max_batch > 1 else None
            if delivery is None:
                delivery = self._create(vendor, url, meta, wait)
            self._store.update(KIND, delivery["id"], items=delivery["items"] + [item])
            if not used or used[-1] != delivery["id"]:
                used.append(delivery["id"])
        self.wake()
        return used

    def _joinable(self, vendor, url, meta, max_batch):
        for delivery in self._store.lookup(KIND, "open", (vendor, url)):
            if (delivery["id"] not in self._running and len(delivery["items"]) < max_batch
                    and delivery["meta"] == meta):
                return delivery
        return None

    def _create(self, vendor, url, meta, wait):
        number = self._store.next_number("_framework/delivery")
        now = self._clock.time()
        return self._store.put(KIND, str(number), {
            "id": str(number), "vendor": vendor, "url": url, "items": [], "meta": meta,
            "state": "pending", "created": now, "due": now + wait, "attempts": [], "faults": [],
        })

    def list(self, vendor=None, state=None):
        """Return delivery documents, oldest first."""
        return [
            doc for doc in self._store.scan(KIND)
            if vendor in (None, doc["vendor"]) and state in (None, doc["state"])
        ]

    def resend(self, delivery_id):
        """Send once more, at once, whatever became of it; returns the document or None."""
        if self._store.get(KIND, delivery_id) is None:
            return None
        doc = self._store.update(KIND, delivery_id, state="pending", due=self._clock.time())
        self.wake()
        return doc

    def flush(self):
        """Make every pending delivery due now (skips waiting for retries)."""
        now = self._clock.time()
        for doc in self.list(state="pending"):
            self._store.update(KIND, doc["id"], due=now)
        self.wake()

    def clear(self, vendor=None):
        """Forget deliveries of one vendor, or all."""
        for doc in self.list(vendor):
            self._store.delete(KIND, doc["id"])

    # -- worker -------------------------------------------------------------

    def wake(self):
        """Tell the worker to look at the queue now."""
        if self._wake is not None:
            self._wake.set()

    async def run(self):
        """Worker loop: start what is due, sleep until the next due time or ``wake()``."""
        self._wake = asyncio.Event()
        async with aiohttp.ClientSession(auto_decompress=True) as self._session:
            while True:
                self._wake.clear()
                pause = self._start_due()
                try:
                    await asyncio.wait_for(self._wake.wait(), pause)
                except asyncio.TimeoutError:
                    continue

    def _start_due(self):
        now = self._clock.time()
        for doc in self._store.range(KIND, "due", high=now):
            if len(self._running) >= PARALLEL:
                return 60.0
            if doc["id"] not in self._running:
                task = asyncio.ensure_future(self._deliver(doc["id"]))
                self._running[doc["id"]] = task
        later = [
            doc["due"] - now for doc in self._store.range(KIND, "due", low=now)
            if doc["id"] not in self._running
        ]
        return max(0.01, min(later)) if later else 60.0

    async def _deliver(self, delivery_id):
        try:
            await self._attempt(delivery_id)
        except Exception:
            _logger.exception("delivery %s failed inside the sandbox", delivery_id)
            if self._store.get(KIND, delivery_id):
                self._store.update(KIND, delivery_id, state="failed")
        finally:
            self._running.pop(delivery_id, None)
            self._store.commit()
            self.wake()

    async def _attempt(self, delivery_id):
        doc = self._store.get(KIND, delivery_id)
        rules = self._faults.match_webhook(doc["vendor"], exclude=doc["faults"])
        kinds = {rule.kind: rule for rule in rules}
        postponed = [rule for rule in rules if rule.kind in _POSTPONING]
        if rules:
            # What only delays leaves the other faults to the attempt that is made in the end.
            used = postponed or rules
            doc = self._store.update(
                KIND, delivery_id, faults=doc["faults"] + [rule.id for rule in used])
        if "webhook_drop" in kinds:
            self._store.update(KIND, delivery_id, state="dropped")
            return
        if postponed:
            self._postpone(doc, postponed[0])
            return
        copies = kinds["webhook_duplicate"].params.get("copies", 2) if "webhook_duplicate" in kinds else 1
        for _copy in range(copies):
            accepted = await self._send(delivery_id, "webhook_bad_signature" in kinds)
        self._settle(delivery_id, accepted)

    def _postpone(self, doc, rule):
        """Delay a delivery; reordering also turns its items round, so later ones overtake."""
        default = 500 if rule.kind == "webhook_reorder" else 1000
        items = doc["items"][::-1] if rule.kind == "webhook_reorder" else doc["items"]
        due = self._clock.time() + rule.params.get("ms", default) / 1000
        self._store.update(KIND, doc["id"], items=items, due=due)

    async def _send(self, delivery_id, bad_signature):
        """Make one POST, log it; returns True when accepted."""
        doc = self._store.get(KIND, delivery_id)
        sender = self._senders[doc["vendor"]]
        number = len(doc["attempts"]) + 1
        outgoing = sender.build(doc, number, bad_signature)
        if outgoing is None:
            return True
        started = self._clock.time()
        status, error, accepted = None, None, False
        try:
            timeout = aiohttp.ClientTimeout(total=sender.timeout)
            async with self._session.post(
                    outgoing.url, data=outgoing.body, headers=outgoing.headers,
                    timeout=timeout, allow_redirects=False) as response:
                status = response.status
                accepted = sender.accepted(status, response.headers, await response.read())
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as problem:
            error = type(problem).__name__
        doc = self._store.get(KIND, delivery_id)
        if doc is not None:
            self._store.update(KIND, delivery_id, attempts=doc["attempts"] + [{
                "at": started, "status": status, "error": error, "accepted": accepted,
                "bad_signature": bad_signature}])
        return accepted

    def _settle(self, delivery_id, accepted):
        doc = self._store.get(KIND, delivery_id)
        if doc is None:
            return
        if accepted:
            self._store.update(KIND, delivery_id, state="delivered")
            return
        delay = self._senders[doc["vendor"]].next_delay(len(doc["attempts"]))
        if delay is None:
            self._store.update(KIND, delivery_id, state="failed")
        else:
            due = self._clock.time() + delay * self.retry_scale
            self._store.update(KIND, delivery_id, due=due)


def _open_key(doc):
    """Deliveries that further items may join: pending, never attempted."""
    if doc["state"] == "pending" and not doc["attempts"] and not doc["faults"]:
        return (doc["vendor"], doc["url"])
    return None
