"""The circuit breaker: does a provider's endpoint take calls? Values in, values out.

Closed, calls pass. A row of failures, or too many among many calls, opens it, and no
call is made until its time is over; that time doubles with each vain try. Then a few
probes pass (half open): if the provider answers most of them it closes, otherwise it
opens again. Right after it has closed, batches start one after the other with growing
frequency (the drain), so that the backlog does not hit a provider that has just come
back.

The pattern is Michael Nygard's ("Release It!", Stability Patterns); the state lives in
the database, so that all workers share it. Moments are naive UTC.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from .meter import Tally


class State(str, Enum):
    """State of a breaker."""

    CLOSED = "closed"  #: calls pass
    OPEN = "open"  #: no call passes before `until`
    HALF_OPEN = "half_open"  #: some probes are under way


class Verdict(str, Enum):
    """What happens to a batch that wants to call."""

    GO = "go"
    PROBE = "probe"  #: it may go, and its result decides for all others
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a breaker opens, and for how long; times in seconds.

    The longest open time, with all jitter on top, stays below a minute: what waits goes
    on within a minute after the provider has come back.

    :param failures: failures in a row that open it.
    :param ratio: share of failures that opens it, once there were `ratio_calls` calls
        within `window` after a first failure.
    :param open_first: the first open time; doubles up to `open_most`.
    :param calm: how long it must have been closed for the doubling to start anew.
    :param probes: how many batches pass while it is half open.
    :param needed: how many of them must succeed.
    :param probe_seconds: a probe that has not reported by then was lost with its worker.
    :param drain: how long batches are spread after it has closed.
    :param drain_gap: the first gap between two of them.
    """

    failures: int = 5
    ratio: float = 0.5
    ratio_calls: int = 20
    window: float = 60.0
    open_first: float = 5.0
    open_most: float = 30.0
    calm: float = 300.0
    probes: int = 3
    needed: int = 2
    probe_seconds: float = 120.0
    drain: float = 20.0
    drain_gap: float = 2.0


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one endpoint's breaker.

    :param failures: failed calls in a row.
    :param suspect: what the last failed batch asked for: if the same fails again, it may
        be its own fault.
    :param window_start: moment of the first failure that is still counted.
    :param trips: how often it has opened without a calm time in between.
    :param until: open: when it is tried again. Half open: when probes count as lost.
    :param passed: probes that were let through.
    :param successes: probes that were answered; `misses` those that were not.
    :param closed_at: when it last closed.
    :param next_at: while it drains: when the next batch may start.
    """

    state: State = State.CLOSED
    failures: int = 0
    suspect: str = ""
    window_start: datetime | None = None
    window_calls: int = 0
    window_failures: int = 0
    trips: int = 0
    opened_at: datetime | None = None
    until: datetime | None = None
    passed: int = 0
    successes: int = 0
    misses: int = 0
    closed_at: datetime | None = None
    next_at: datetime | None = None

    def draining(self, now: datetime, policy: BreakerPolicy) -> bool:
        """Return whether it has just closed."""
        return (
            self.state is State.CLOSED
            and self.closed_at is not None
            and now < self.closed_at + timedelta(seconds=policy.drain)
        )

    def blocked_until(self, policy: BreakerPolicy) -> datetime | None:
        """Return until when no batch need be started; None, or the past, when it may."""
        if self.state is State.OPEN:
            return self.until
        if self.state is State.HALF_OPEN:
            return self.until if self.passed >= policy.probes else None
        return self.next_at


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer to a batch that wants to call, and the state that follows from it.

    :param wait: seconds after which to ask again.
    """

    verdict: Verdict
    breaker: Breaker
    wait: float = 0.0


def admit(
    breaker: Breaker,
    now: datetime,
    policy: BreakerPolicy,
    *,
    manual: bool = False,
    rand: random.Random | None = None,
) -> Admission:
    """Answer a batch that wants to call.

    :param manual: a person asks: never refused, and its result counts.
    :param rand: source of randomness, for tests.
    """
    if breaker.state is State.CLOSED:
        return Admission(Verdict.GO, _pace(breaker, now, policy, rand or random))
    assert breaker.until is not None
    over = now >= breaker.until
    if breaker.state is State.OPEN and not over and not manual:
        return Admission(Verdict.WAIT, breaker, _seconds(breaker.until - now))
    if breaker.state is State.OPEN or over:
        # The first probe, or the first after those of a round were lost.
        return Admission(Verdict.PROBE, _round(breaker, now, policy))
    if breaker.passed < policy.probes or manual:
        return Admission(Verdict.PROBE, replace(breaker, passed=breaker.passed + 1))
    return Admission(
        Verdict.WAIT, breaker, min(_seconds(breaker.until - now), policy.open_first)
    )


def _round(breaker: Breaker, now: datetime, policy: BreakerPolicy) -> Breaker:
    return replace(
        breaker,
        state=State.HALF_OPEN,
        until=now + timedelta(seconds=policy.probe_seconds),
        passed=1,
        successes=0,
        misses=0,
    )


def _pace(breaker: Breaker, now: datetime, policy: BreakerPolicy, rand) -> Breaker:
    """Set when the next batch may start, as long as it drains; gaps shrink to nothing."""
    if breaker.closed_at is None or (breaker.next_at and now < breaker.next_at):
        return breaker
    if not breaker.draining(now, policy):
        return replace(breaker, next_at=None) if breaker.next_at else breaker
    left = 1.0 - _seconds(now - breaker.closed_at) / policy.drain
    gap = policy.drain_gap * left * rand.uniform(0.5, 1.5)
    return replace(breaker, next_at=now + timedelta(seconds=gap))


def record(
    breaker: Breaker,
    tally: Tally,
    now: datetime,
    policy: BreakerPolicy,
    *,
    subject: str = "",
    probe: bool = False,
    rand: random.Random | None = None,
) -> Breaker:
    """Return the state after a batch has called.

    :param subject: what it asked for, to tell a sick provider from one record that it
        cannot serve.
    :param probe: whether it was let through as a probe.
    """
    rand = rand or random
    if breaker.state is State.CLOSED:
        return _after_calls(breaker, tally, now, policy, subject, rand)
    if breaker.state is State.HALF_OPEN and probe:
        return _after_probe(breaker, tally, now, policy, rand)
    # It was let through before the breaker opened: known by now.
    return breaker


def _after_calls(breaker, tally, now, policy, subject, rand):
    if not tally.calls or (tally.fine and not tally.failed and not _troubled(breaker)):
        return breaker
    failures, suspect = _in_a_row(breaker, tally, subject)
    start, calls, failed = _window(breaker, tally, now, policy)
    after = replace(
        breaker,
        failures=failures,
        suspect=suspect,
        window_start=start,
        window_calls=calls,
        window_failures=failed,
    )
    too_many = calls >= policy.ratio_calls and failed >= calls * policy.ratio
    return _trip(after, now, policy, rand) if failures >= policy.failures or too_many else after


def _troubled(breaker: Breaker) -> bool:
    return bool(breaker.failures or breaker.window_start)


def _in_a_row(breaker: Breaker, tally: Tally, subject: str) -> tuple[int, str]:
    """Return the failures in a row, and what failed last.

    What the application itself answers with an error may be one record's fault: it
    counts once for each batch, and not again if the same batch fails again.
    """
    if not tally.streak:
        return 0, ""
    before = breaker.failures if tally.streak == tally.calls else 0
    if tally.down:
        return before + tally.streak, subject
    if before and subject and subject == breaker.suspect:
        return before, subject
    return before + 1, subject


def _window(breaker, tally, now, policy):
    """Return (start, calls, failures) of the window; there is none without a failure."""
    start = breaker.window_start
    if start is not None and _seconds(now - start) <= policy.window:
        return start, breaker.window_calls + tally.calls, breaker.window_failures + tally.failed
    if tally.failed:
        return now, tally.calls, tally.failed
    return None, 0, 0


def _after_probe(breaker, tally, now, policy, rand):
    if not tally.calls:
        return replace(breaker, passed=max(breaker.passed - 1, 0))  # it had nothing to ask
    if tally.fine:
        after = replace(breaker, successes=breaker.successes + 1)
        return _close(after, now) if after.successes >= policy.needed else after
    after = replace(breaker, misses=breaker.misses + 1)
    lost = tally.down or after.misses > policy.probes - policy.needed
    return _trip(after, now, policy, rand) if lost else after


def _trip(breaker: Breaker, now: datetime, policy: BreakerPolicy, rand) -> Breaker:
    closed = breaker.state is State.CLOSED
    calm = closed and (
        breaker.closed_at is None or _seconds(now - breaker.closed_at) > policy.calm
    )
    trips = 1 if calm else breaker.trips + 1
    seconds = min(policy.open_first * 2 ** min(trips - 1, 20), policy.open_most)
    return Breaker(
        state=State.OPEN,
        failures=breaker.failures,
        suspect=breaker.suspect,
        trips=trips,
        opened_at=now if closed else breaker.opened_at,
        until=now + timedelta(seconds=seconds * rand.uniform(1.0, 1.25)),
    )


def _close(breaker: Breaker, now: datetime) -> Breaker:
    return Breaker(trips=breaker.trips, opened_at=breaker.opened_at, closed_at=now)


def _seconds(delta: timedelta) -> float:
    return delta.total_seconds()
