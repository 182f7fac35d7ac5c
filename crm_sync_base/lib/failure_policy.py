"""What happens to a job that fails, told from the very values that the engine acts on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .errors import ERROR_CLASSES, Recovery, WorkerKilled
from .retry import MAX_CRASHES, RetryPolicy, crash_ceiling


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the engine does with one class of errors in one flow.

    :param code: of the error class.
    :param recovery: see `Recovery`.
    :param attempts: how often it is tried in all; 0 where attempts do not count.
    :param waits: the longest wait, in seconds, before the second attempt, the third…
    """

    code: str
    recovery: Recovery
    attempts: int
    waits: tuple[float, ...] = ()


def waits(policy: RetryPolicy, attempts: int) -> tuple[float, ...]:
    """Return the ceilings of the waits between attempts, in seconds."""
    return tuple(
        min(policy.max_seconds, policy.base_seconds * 2 ** min(number, 30))
        for number in range(max(attempts - 1, 0))
    )


def treatments(policy: RetryPolicy) -> Iterator[Treatment]:
    """Yield what a flow with this policy does with each class of errors."""
    for code, cls in ERROR_CLASSES.items():
        if cls is WorkerKilled:
            # A person gets it when it is parked; until then the engine runs the job again.
            ceilings = tuple(crash_ceiling(crashes, policy) for crashes in range(1, MAX_CRASHES))
            yield Treatment(code, Recovery.RETRY, MAX_CRASHES, ceilings)
        elif cls.recovery in (Recovery.RETRY, Recovery.WAIT):
            attempts = min(cls.max_attempts or policy.max_attempts, policy.max_attempts)
            yield Treatment(code, cls.recovery, attempts, waits(policy, attempts))
        else:
            yield Treatment(code, cls.recovery, 1 if cls.recovery is Recovery.PERSON else 0)
