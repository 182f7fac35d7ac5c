"""Waiting for something to become true, with a failure that says what did not."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, seconds: float = 60.0,
             every: float = 0.1, context: Callable[[], str] = lambda: "") -> T:
    """Call ``condition`` until it returns something true; return that.

    :param what: completes "waited N s for …"
    :param context: text to add to the failure, such as the end of a log
    :raise AssertionError: when it is still not true after ``seconds``
    """
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s for {what}; last answer {result!r}\n{context()}")
        time.sleep(every)
