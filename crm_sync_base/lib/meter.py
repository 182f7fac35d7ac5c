"""What the calls of one batch met: counted by the client, read by the gate.

A vendor's client reports each call to a `Meter` and asks it before the next one, so
that a batch does not go on calling a provider that has just stopped answering. A meter
is made of plain values; a client may keep it between transactions.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from .declarations import RateState
from .errors import (
    AuthFailed,
    BudgetSpent,
    CircuitOpen,
    Conflict,
    DataInvalid,
    PaymentDeclined,
    RateLimited,
    RemoteGone,
    SyncError,
    Transient,
)

#: failed calls in a row after which a batch stops calling
GIVE_UP = 3
#: seconds for which what is left of such a batch waits at least
GIVE_UP_WAIT = 5.0

#: errors that only a provider which answers can cause
_ANSWERS = (AuthFailed, Conflict, DataInvalid, PaymentDeclined, RemoteGone)

#: statuses with which a gateway, not the application, answers, or nobody: the whole
#: endpoint is concerned, not one record (RFC 9110, 15.6; 52x: content networks)
_DOWN = frozenset({0, 408, 477, 502, 503, 504, *range(520, 528)})


class Ended(Enum):
    """How a call ended, as far as the health of its endpoint goes."""

    FINE = "fine"  #: it answered; that the answer was a refusal is not its fault
    BROKEN = "broken"  #: it failed, perhaps because of the very record that was asked for
    DOWN = "down"  #: nobody answered, or only the gateway
    THROTTLED = "throttled"  #: it wants fewer calls


def judge(error: BaseException | None, status: int | None = None) -> Ended | None:
    """Return how a call ended; None when nobody can tell whether it was made.

    :param error: what it raised, or None.
    :param status: HTTP status, 0 without an answer, None when it is not known.
    """
    if error is None:
        return Ended.FINE
    if isinstance(error, RateLimited):
        return Ended.THROTTLED
    if isinstance(error, Transient):
        if status is None or status in _DOWN:
            return Ended.DOWN
        # Below 500: two calls wait for the same record, which says nothing of others.
        return Ended.BROKEN if status >= 500 else Ended.FINE
    if isinstance(error, _ANSWERS) or status:
        return Ended.FINE
    return None


@dataclass(frozen=True, slots=True)
class Tally:
    """The sum of some calls.

    :param failed: calls that were not fine.
    :param streak: how many failed in a row at the end.
    :param down: whether one of that streak met nobody at all.
    :param wait: seconds that the provider asked us to wait, from the end on.
    :param rate: what it last said of its short window.
    :param daily: (used, allowed) calls of its day, as it last said.
    :param message: the last failure in words, without values.
    :param clock: seconds by which the provider's clock is ahead of ours, None when nobody looked.
    """

    calls: int = 0
    failed: int = 0
    streak: int = 0
    down: bool = False
    throttled: bool = False
    wait: float = 0.0
    rate: RateState | None = None
    daily: tuple[int, int] | None = None
    message: str = ""
    clock: float | None = None

    @property
    def fine(self) -> bool:
        """Whether the last call was answered."""
        return self.calls > 0 and self.streak == 0


class Meter:
    """Counts calls between `start` and `stop`; outside of them it only listens.

    :param clock: monotonic seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._reported = False  # whether its client reports calls at all
        self.active = False
        self._reset()

    def _reset(self) -> None:
        self._calls = self._failed = self._streak = 0
        self._down = self._throttled = False
        self._resume = 0.0
        self._rate: RateState | None = None
        self._daily: tuple[int, int] | None = None
        self._message = ""
        self._clock_off: float | None = None

    def start(self) -> None:
        """Begin to count."""
        self._reset()
        self.active = True

    def stop(self, error: BaseException | None = None) -> Tally:
        """Stop, and return what was counted.

        :param error: what the caller got; it counts if no client reported it.
        """
        if error is not None and not self._streak:
            self._note(error, None, reported=self._calls > 0)
        elif error is None and not self._reported:
            # A connector whose client does not report: what ended well was a call.
            self._note(None, None, reported=False)
        tally = Tally(
            self._calls, self._failed, self._streak, self._down, self._throttled,
            max(self._resume - self._clock(), 0.0), self._rate, self._daily, self._message,
            self._clock_off)
        self.active = False
        self._reset()
        return tally

    # === What a client calls ===#

    def before(self) -> None:
        """Refuse the next call of a batch whose last ones failed.

        :raises CircuitOpen: the provider does not answer.
        :raises BudgetSpent: it asked us to wait.
        """
        if not self.active:
            return
        wait = self._resume - self._clock()
        if wait > 0:
            raise BudgetSpent(
                "The provider asked to wait before the next call.", retry_after=wait,
                fingerprint="asked to wait")
        if self._streak >= GIVE_UP:
            raise CircuitOpen(
                f"The provider failed {self._streak} calls in a row.",
                retry_after=GIVE_UP_WAIT, fingerprint="calls in a row failed")

    def after(self, status: int, error: SyncError | None = None) -> None:
        """Take note of a call.

        :param status: HTTP status, 0 when there was no answer.
        :param error: what it means, None when it was fine.
        """
        self._reported = True
        if self.active:
            self._note(error, status, reported=False)

    def on_rate(self, state: RateState) -> None:
        """Take note of what headers said of the short window, and of the day."""
        self._rate = state
        if state.daily_limit is not None and state.daily_remaining is not None:
            self._daily = (state.daily_limit - state.daily_remaining, state.daily_limit)

    def on_usage(self, used: int, allowed: int) -> None:
        """Take note of what headers said of the day."""
        self._daily = (used, allowed)

    def on_clock(self, seconds: float) -> None:
        """Take note of how far the provider's clock is ahead of ours; once a login will do."""
        self._clock_off = seconds

    # === Counting ===#

    def _note(self, error: BaseException | None, status: int | None, *, reported: bool) -> None:
        """Count one call; with `reported`, only turn the last one into a failure."""
        ended = judge(error, status)
        if ended is None or (reported and ended is Ended.FINE):
            return
        self._calls += 0 if reported else 1
        if ended is Ended.FINE:
            self._streak, self._down = 0, False
            return
        self._failed += 1
        self._streak += 1
        self._down = self._down or ended is Ended.DOWN
        self._throttled = self._throttled or ended is Ended.THROTTLED
        self._message = getattr(error, "message", "") or type(error).__name__
        asked = getattr(error, "retry_after", None)
        if asked and ended in (Ended.THROTTLED, Ended.DOWN):
            self._resume = max(self._resume, self._clock() + asked)
