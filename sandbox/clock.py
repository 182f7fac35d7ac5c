"""The sandbox's own clock, which tests can shift or freeze (clock-skew tests)."""

import time
from datetime import datetime, timezone

_KIND, _ID = "_framework/clock", "clock"


class Clock:
    """Wall clock plus an offset, or a frozen instant; survives a restart."""

    def __init__(self, store):
        self._store = store

    def _state(self):
        return self._store.get(_KIND, _ID) or {"offset": 0.0, "frozen": None}

    def time(self):
        """Return seconds since the epoch (float, UTC)."""
        state = self._state()
        if state["frozen"] is not None:
            return state["frozen"]
        return time.time() + state["offset"]

    def now(self):
        """Return the current instant as an aware UTC ``datetime``."""
        return datetime.fromtimestamp(self.time(), timezone.utc)

    def shift(self, seconds):
        """Set the offset to real time, in seconds; thaws a frozen clock."""
        self._store.put(_KIND, _ID, {"offset": float(seconds), "frozen": None})

    def freeze(self, at=None):
        """Stop at ``at`` (epoch seconds), by default at the present instant."""
        frozen = self.time() if at is None else float(at)
        self._store.put(_KIND, _ID, {"offset": 0.0, "frozen": frozen})

    def advance(self, seconds):
        """Move forward: a frozen clock stays frozen, a running one gets a larger offset."""
        state = self._state()
        key = "frozen" if state["frozen"] is not None else "offset"
        self._store.put(_KIND, _ID, {**state, key: state[key] + float(seconds)})

    def reset(self):
        """Go back to real time."""
        self._store.put(_KIND, _ID, {"offset": 0.0, "frozen": None})

    def describe(self):
        """Return ``{now, offset, frozen}`` for the admin API."""
        return {"now": self.now().isoformat(), **self._state()}


def iso(moment, timespec="milliseconds"):
    """Return an aware datetime as ``2026-05-06T11:56:44.000Z``."""
    return moment.astimezone(timezone.utc).isoformat(timespec=timespec).replace("+00:00", "Z")


def parse_iso(text):
    """Parse an ISO 8601 instant (with ``Z`` or any offset) into an aware UTC datetime."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


