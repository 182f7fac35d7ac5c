"""When again? Nothing else: the engine acts on the decision."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .errors import Recovery, SyncError

MAX_CRASHES = 3  # a job that killed its worker so often is parked


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a flow tries again.

    :param max_attempts: attempts in all, the first included.
    :param base_seconds: the longest first wait.
    :param max_seconds: no wait is longer, unless the vendor asked for it.
    :param crash_seconds: the longest wait after a worker's first death; 0 waits never.
    """

    max_attempts: int = 8
    base_seconds: float = 5.0
    max_seconds: float = 3600.0
    crash_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """Try again after `delay` seconds, or (`None`) hand the job to a person."""

    delay: float | None

    @property
    def again(self) -> bool:
        """Whether the job runs again by itself."""
        return self.delay is not None


def decide(
    error: SyncError, attempts: int, policy: RetryPolicy, rand: random.Random | None = None
) -> RetryDecision:
    """Decide what follows a failed attempt.

    Exponential backoff with full jitter: the wait is drawn evenly from zero to
    the ceiling, so that jobs which failed together do not come back together.

    :param attempts: attempts made so far, this one included.
    :param rand: source of randomness, for tests.
    """
    if error.recovery is Recovery.PERSON:
        return RetryDecision(None)
    if error.recovery is Recovery.HOLD:
        # Nothing was tried. Spread over half as long again, so that what was held
        # together does not come back together.
        wait = error.retry_after or policy.base_seconds
        return RetryDecision((rand or random).uniform(wait, wait * 1.5))
    if error.recovery is Recovery.PAUSE:
        # The pause of the connection holds the job back, not the clock.
        return RetryDecision(0.0)
    limit = min(error.max_attempts or policy.max_attempts, policy.max_attempts)
    if attempts >= limit:
        return RetryDecision(None)
    ceiling = min(policy.max_seconds, policy.base_seconds * 2 ** min(attempts - 1, 30))
    delay = (rand or random).uniform(0.0, ceiling)
    return RetryDecision(max(delay, error.retry_after or 0.0))


def after_crash(crashes: int, policy: RetryPolicy, rand: random.Random | None = None) -> float:
    """Return how many seconds a job waits whose worker died.

    Servers that die in a row (a deployment that fails, another program that takes all
    the memory) would otherwise find the same jobs at work each time: those that were
    interrupted are the oldest, so they begin as soon as the server is back. A job that
    kills its worker does so whenever it runs. Full jitter.

    :param crashes: deaths so far, this one included.
    :param rand: source of randomness, for tests.
    """
    return (rand or random).uniform(0.0, crash_ceiling(crashes, policy))


def crash_ceiling(crashes: int, policy: RetryPolicy) -> float:
    """Return the longest wait after so many deaths: as shipped ten seconds, then forty."""
    return policy.crash_seconds * 4 ** (crashes - 1)
