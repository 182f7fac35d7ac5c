"""One alarm clock for each key: the earliest moment that was asked for counts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable


class Alarm:
    """Calls a function with a key after some seconds, in a background thread.

    It is a convenience of this process: whoever must not miss the moment writes it
    down where it survives the process, too.

    :param ring: called with the key; must not raise.
    """

    def __init__(self, ring: Callable[[str], None]):
        self._ring = ring
        self._forget()
        # Threads do not survive a fork.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._timers: dict[str, tuple[float, threading.Timer]] = {}

    def after(self, key: str, seconds: float) -> None:
        """Ring for `key` in so many seconds, unless an earlier alarm is set for it."""
        moment = time.monotonic() + max(seconds, 0.0)
        with self._lock:
            held = self._timers.get(key)
            if held and held[0] <= moment:
                return
            if held:
                held[1].cancel()
            timer = threading.Timer(max(seconds, 0.0), self._rings, (key, moment))
            timer.daemon = True
            self._timers[key] = (moment, timer)
        timer.start()

    def _rings(self, key: str, moment: float) -> None:
        with self._lock:
            held = self._timers.get(key)
            if held and held[0] == moment:
                del self._timers[key]
        self._ring(key)
