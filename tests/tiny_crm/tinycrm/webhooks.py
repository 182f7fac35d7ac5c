"""Deliveries: events are posted to the account's webhook until it takes them.

`Tiny-Signature: t=<seconds>,v1=<hex>`: HMAC-SHA256 of `<seconds>.<body>` under the secret
that was given with the address.
"""

import asyncio
import hashlib
import hmac
import json

import aiohttp

#: seconds after which a delivery that failed is tried again; then it is given up
WAITS = (0.5, 2, 10, 60, 600)
MOST = 50  # events in one delivery


def signature(secret, body, moment):
    """Return the header's value for a body (bytes) and a moment (whole seconds)."""
    message = str(moment).encode() + b"." + body
    digest = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


class Deliveries:
    """The worker that posts events, oldest first, one delivery at a time."""

    def __init__(self, store, clock):
        self._store, self._clock = store, clock
        self._wake = asyncio.Event()

    def wake(self):
        """There may be something to deliver."""
        self._wake.set()

    async def run(self):
        """Deliver for ever."""
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                self._wake.clear()
                if not await self._deliver(session):
                    try:
                        await asyncio.wait_for(self._wake.wait(), 0.25)
                    except asyncio.TimeoutError:
                        continue

    async def _deliver(self, session):
        """Post what is due; tell whether there was anything."""
        hook = self._store.setting("webhook")
        rows = self._store.all(
            "SELECT number, kind, record, type, at FROM event WHERE delivery = 'waiting' AND due <= ?"
            " ORDER BY number LIMIT ?", self._clock(), MOST)
        if not hook or not rows:
            return False
        names = ("number", "kind", "record", "type", "at")
        events = [{**dict(zip(names, row)), "id": f"evt_{row[0]}"} for row in rows]
        body = json.dumps({"account": self._store.setting("account")["id"], "events": events}).encode()
        headers = {
            "Content-Type": "application/json",
            "Tiny-Signature": signature(hook["secret"], body, int(self._clock())),
        }
        try:
            async with session.post(hook["url"], data=body, headers=headers) as answer:
                taken = answer.status // 100 == 2
        except (aiohttp.ClientError, asyncio.TimeoutError):
            taken = False
        for row in rows:
            self._settle(row[0], taken)
        return True

    def _settle(self, number, taken):
        (attempts,) = self._store.one("SELECT attempts FROM event WHERE number = ?", number)
        state = "delivered" if taken else "waiting" if attempts < len(WAITS) else "lost"
        due = self._clock() + (WAITS[attempts] if state == "waiting" else 0)
        self._store.db.execute(
            "UPDATE event SET delivery = ?, attempts = attempts + 1, due = ? WHERE number = ?", (state, due, number))
