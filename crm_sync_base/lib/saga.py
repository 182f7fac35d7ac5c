"""Which step comes next, forwards and backwards? Nothing else: the engine acts on it.

A saga is the way of one record through the steps of its flow. Each step is a
transaction of its own, so what is done when a later step fails stays done: either a
person goes on from there, or every step is compensated, the last one first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

# -- states of a step -------------------------------------------------------------------

PENDING = "pending"  #: not reached yet, or waits for its job
DONE = "done"
FAILED = "failed"  #: its job gave up, nothing of this attempt was kept
HANDLED = "handled"  #: a person did it, or decided that it needs no doing
SKIPPED = "skipped"  #: will not run: ended by hand, taken back before its turn
UNDOING = "undoing"  #: its compensation is a job that waits or runs
UNDONE = "undone"
KEPT = "kept"  #: its effect stays: there is nothing to take back, or no way to
PERSON = "person"  #: its compensation was refused, a person must do it

# -- states of a saga -------------------------------------------------------------------

RUNNING = "running"
COMPLETE = "complete"
NEEDS_PERSON = "person"
GOING_BACK = "undoing"
TAKEN_BACK = "undone"
CLOSED = "closed"  #: a person ended it before its last step

_PASSED = (DONE, HANDLED, SKIPPED, KEPT)  # a saga that goes forward leaves these behind
_OPEN_UNDO = (UNDOING, PERSON)


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it stands.

    :param position: steps run in this order.
    :param effective: it left something behind that undoing would have to take back.
        A step that failed may have: an earlier run did part of it, or nobody knows.
    :param starts: the saga starts it; steps that other flows do by themselves only
        join the saga when they have run.
    """

    key: int
    position: int
    state: str
    effective: bool = False
    starts: bool = True


@dataclass(frozen=True, slots=True)
class Done:
    """What a step did.

    :param summary: in words.
    :param effects: `(model, id)` of the records that it made or changed: what its
        compensation has to take back, and nothing else.
    :param effective: False when there was nothing left to do.
    """

    summary: str
    effects: tuple[tuple[str, int], ...] = ()
    effective: bool = True


@dataclass(frozen=True, slots=True)
class Undo:
    """What became of a compensation.

    :param state: `UNDONE`, `KEPT` or `PERSON`.
    :param summary: what was done, or why not, in words.
    :param hint: what the person must do.
    """

    state: str
    summary: str
    hint: str = ""

    @classmethod
    def undone(cls, summary: str) -> Undo:
        """Return the verdict of a compensation that worked, or was not needed."""
        return cls(UNDONE, summary)

    @classmethod
    def kept(cls, summary: str) -> Undo:
        """Return the verdict of an effect that stays, and does no harm."""
        return cls(KEPT, summary)

    @classmethod
    def person(cls, summary: str, hint: str) -> Undo:
        """Return the verdict of an effect that only a person may take back."""
        return cls(PERSON, summary, hint)


def next_forward(steps: Iterable[Step]) -> int | None:
    """Return the step to run next, None at the end.

    A failed step is the next one, too: whoever tries again goes on there, and does
    nothing twice that is done.
    """
    for step in sorted(steps, key=lambda step: step.position):
        if step.starts and step.state not in _PASSED:
            return step.key
    return None


def to_undo(steps: Iterable[Step]) -> list[int]:
    """Return the steps that are still to be taken back, the last one first."""
    ordered = sorted(steps, key=lambda step: step.position, reverse=True)
    return [step.key for step in ordered if _must_be_undone(step)]


def next_backward(steps: Iterable[Step]) -> int | None:
    """Return the step to take back next; None when all are, or one is under way.

    An earlier step is never touched before every later one is settled: what was
    built on it is gone first.
    """
    steps = list(steps)
    if any(step.state in _OPEN_UNDO for step in steps):
        return None
    return next(iter(to_undo(steps)), None)


def without_effect(steps: Iterable[Step]) -> dict[int, str]:
    """Return `{step: new state}` of the steps that need no compensation.

    What has not run never will; what ran and left nothing behind stays as it is. What
    failed goes on saying so.
    """
    new = {PENDING: SKIPPED, DONE: KEPT}
    return {
        step.key: new[step.state] for step in steps if step.state in new and not step.effective
    }


def state_of(steps: Iterable[Step], *, backward: bool) -> str:
    """Return the state of a saga from those of its steps.

    :param backward: it is being taken back, or was.
    """
    steps = list(steps)
    states = {step.state for step in steps}
    if backward:
        if PERSON in states:
            return NEEDS_PERSON
        return GOING_BACK if to_undo(steps) else TAKEN_BACK
    if FAILED in states:
        return NEEDS_PERSON
    if PENDING in states:
        return RUNNING
    return CLOSED if SKIPPED in states else COMPLETE


def _must_be_undone(step: Step) -> bool:
    if step.state in _OPEN_UNDO:
        return True
    return step.effective and step.state in (PENDING, DONE, FAILED, HANDLED)
