"""What the user sees: one sentence per step, and failures that name their fix."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

#: Seconds between two signs of life of a long step.
HEARTBEAT = 15.0


class Failure(Exception):
    """A foreseen failure: shown as a sentence and a fix, without a traceback.

    :param str message: what is wrong, in one sentence
    :param str fix: what the user can do about it, may be empty
    """

    def __init__(self, message: str, fix: str = ""):
        super().__init__(message)
        self.message = message
        self.fix = fix


def say(text: str = "") -> None:
    """Print a line at once, also when the output is a pipe."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Print a line on standard error."""
    print(f"! {text}", file=sys.stderr, flush=True)


def show_failure(failure: Failure) -> None:
    """Print a failure and its fix on standard error."""
    print(f"\nq2c: {failure.message}", file=sys.stderr)
    if failure.fix:
        print(f"     {failure.fix}", file=sys.stderr, flush=True)


def _heartbeat(stop: threading.Event, started: float) -> None:
    """Say every :data:`HEARTBEAT` seconds that the step is still going on."""
    while not stop.wait(HEARTBEAT):
        say(f"    … still working, {time.monotonic() - started:.0f} s")


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, keep giving signs of life, and print how long it took."""
    say(f"→ {text}")
    started = time.monotonic()
    stop = threading.Event()
    thread = threading.Thread(target=_heartbeat, args=(stop, started), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    say(f"  done in {time.monotonic() - started:.1f} s")
