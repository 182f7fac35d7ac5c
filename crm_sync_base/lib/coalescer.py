"""Many requests for the same thing, few runs of it, none of them forgotten."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

_logger = logging.getLogger(__name__)


class Coalescer:
    """Runs a function in the background for a key, soon after it was asked to.

    Requests that arrive while a run of their key is under way, or was a moment ago,
    share the next run: every request is followed by a run that *begins after it*.
    The thread ends when nothing is wanted; a process that is asked to end waits for
    it, so an orderly end loses nothing either.

    :param run: called with the key; what it raises is logged and forgotten.
    :param pause: seconds between the end of a run and the next one of the same key.
    """

    def __init__(self, run: Callable[[str], None], pause: float):
        self._run, self._pause = run, pause
        self._forget()
        # Threads do not survive a fork, what they were asked for must not stay "busy".
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._wanted: set[str] = set()
        self._busy: set[str] = set()

    def request(self, key: str) -> None:
        """Have the function run for `key`; returns at once."""
        with self._lock:
            self._wanted.add(key)
            if key in self._busy:
                return
            self._busy.add(key)
        try:
            threading.Thread(target=self._work, args=(key,), name=f"coalescer-{key}").start()
        except RuntimeError:
            # No thread can be started (too many, or the process is ending): do it here.
            self._work(key)

    def _work(self, key: str) -> None:
        while self._take(key):
            try:
                self._run(key)
            except Exception:
                _logger.warning("A background run for %s failed", key, exc_info=True)
            time.sleep(self._pause)

    def _take(self, key: str) -> bool:
        """Return whether a run is wanted; if not, this thread is no longer in charge."""
        with self._lock:
            if key in self._wanted:
                self._wanted.discard(key)
                return True
            self._busy.discard(key)
            return False
