"""Log of the calls that vendors' endpoints received: a ring buffer, in memory only."""

import collections
import itertools
import re

#: How many calls are kept; older ones drop out (totals keep counting).
CAPACITY = 50_000


class CallLog:
    """What was called, how it was answered, and how often.

    An entry is ``{seq, at, vendor, method, path, status, ms, idempotency_key, auth_ok,
    fault, note}``. Query strings and bodies are not kept: they may carry secrets.
    """

    def __init__(self, capacity=CAPACITY):
        self._entries = collections.deque(maxlen=capacity)
        self._sequence = itertools.count(1)
        self.last_seq = 0

    def add(self, **entry):
        """Append one call; returns its sequence number."""
        self.last_seq = next(self._sequence)
        self._entries.append({"seq": self.last_seq, **entry})
        return self.last_seq

    def clear(self):
        """Forget the entries; sequence numbers go on."""
        self._entries.clear()

    def select(self, vendor=None, since=0, path_regex=None, method=None):
        """Return entries after sequence number ``since``, oldest first."""
        pattern = re.compile(path_regex) if path_regex else None
        return [
            entry for entry in self._entries
            if entry["seq"] > since
            and (vendor is None or entry["vendor"] == vendor)
            and (method is None or entry["method"] == method)
            and (pattern is None or pattern.search(entry["path"]))
        ]

    def summary(self, entries):
        """Return counts of entries: total, by method and status."""
        return {
            "total": len(entries),
            "by_method": dict(collections.Counter(entry["method"] for entry in entries)),
            "by_status": dict(collections.Counter(str(entry["status"]) for entry in entries)),
        }
