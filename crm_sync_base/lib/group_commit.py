"""Work of threads that come at the same time, done in one transaction.

A transaction costs as much for one small thing as for twenty. Whoever comes first
commits what is there; what comes meanwhile waits for the next round, which one of
those who wait then leads. Nobody waits for company: alone, a round is one thing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any


class _Turn(Enum):
    """What a thread that waited is told."""

    DONE = "its item was committed"
    ALONE = "the round failed: do it yourself"
    LEAD = "lead the next round"


class _Entry:
    """One item, and the thread that brought it."""

    __slots__ = ("item", "result", "told", "turn")

    def __init__(self, item: Any):
        self.item = item
        self.result: Any = None
        self.turn: _Turn | None = None
        self.told = threading.Event()

    def tell(self, turn: _Turn) -> None:
        """Let the thread that waits go on, with this."""
        self.turn = turn
        self.told.set()


class GroupCommit:
    """Lets threads of one process share transactions.

    :param limit: items of one round at most.
    """

    def __init__(self, limit: int = 100):
        self._limit = limit
        self._forget()
        # Threads do not survive a fork: nobody would ever end the round that they led.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, list[_Entry]] = {}
        self._led: set[Hashable] = set()

    def submit(self, key: Hashable, item: Any, commit: Callable[[list[Any]], list[Any]]) -> Any:
        """Return what came of `item`, once it is committed, by this thread or by another.

        :param key: only items of the same key share a transaction.
        :param commit: does and commits items, all or none, and returns a result for each;
            it runs in this thread, with other threads' items too. When it fails for
            several, each is tried alone, by the thread that brought it.
        :raises Exception: what `commit` raises for this item alone.
        """
        entry = _Entry(item)
        with self._lock:
            self._waiting.setdefault(key, []).append(entry)
            leads = key not in self._led
            self._led.add(key)
        if not leads:
            entry.told.wait()
        if leads or entry.turn is _Turn.LEAD:
            self._lead(key, entry, commit)
        if entry.turn is _Turn.ALONE:
            (entry.result,) = commit([item])
        return entry.result

    def _lead(self, key: Hashable, own: _Entry, commit: Callable[[list[Any]], list[Any]]) -> None:
        with self._lock:
            others = [entry for entry in self._waiting[key] if entry is not own]
            batch = [own, *others[: self._limit - 1]]
            self._waiting[key] = others[self._limit - 1 :]
        turn = _Turn.ALONE
        try:
            results = commit([entry.item for entry in batch])
            for entry, result in zip(batch, results, strict=True):
                entry.result = result
            turn = _Turn.DONE
        except Exception:
            if len(batch) == 1:
                raise
        finally:
            # Whatever happened: nobody is left waiting.
            for entry in batch:
                entry.tell(turn)
            self._pass_on(key)

    def _pass_on(self, key: Hashable) -> None:
        """Let one of those who came meanwhile lead the next round."""
        with self._lock:
            if self._waiting[key]:
                self._waiting[key][0].tell(_Turn.LEAD)
            else:
                del self._waiting[key]
                self._led.discard(key)
