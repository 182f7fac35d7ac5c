"""The gate before an endpoint: breaker, budget and a person's word. Values in, values out."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from . import breaker as breakers
from . import budget as budgets
from .breaker import Breaker, BreakerPolicy, Verdict
from .budget import Budget
from .meter import Tally

#: seconds that a batch waits on the spot instead of going back to the queue
PATIENCE = 1.0
#: seconds after which what a person holds back asks again
HELD = 300.0
#: as good as for ever
FAR = datetime(9999, 1, 1)


class Override(str, Enum):
    """What a person decided about the breaker."""

    AUTOMATIC = "automatic"
    OPEN = "open"  #: held open: no calls
    CLOSED = "closed"  #: held closed: calls pass, whatever happens; budgets still count


class Reason(str, Enum):
    """Why a batch must wait."""

    NONE = ""
    HELD = "held"  #: a person holds the breaker open
    FAILING = "failing"  #: the provider fails
    SPENT = "spent"  #: no calls left, or only the reserve


@dataclass(frozen=True, slots=True)
class Gate:
    """The state before one endpoint of one connection, shared by all workers."""

    breaker: Breaker = field(default_factory=Breaker)
    budget: Budget = field(default_factory=Budget)
    override: Override = Override.AUTOMATIC


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to a batch that wants to call, and the state that follows from it.

    :param wait: seconds after which to ask again.
    """

    verdict: Verdict
    gate: Gate
    wait: float = 0.0
    reason: Reason = Reason.NONE


def decide(
    gate: Gate,
    now: datetime,
    policy: BreakerPolicy,
    *,
    urgent: bool,
    calls: int = 1,
    manual: bool = False,
    rand: random.Random | None = None,
) -> Decision:
    """Answer a batch that wants to make about so many calls.

    :param urgent: it may use the reserve.
    :param manual: a person asks: never refused, and its result counts.
    """
    if gate.override is Override.OPEN and not manual:
        return Decision(Verdict.WAIT, gate, HELD, Reason.HELD)
    wait = 0.0 if manual else gate.budget.wait(now, urgent=urgent, calls=calls)
    if wait > 0:
        return Decision(Verdict.WAIT, gate, wait, Reason.SPENT)
    if gate.override is Override.CLOSED:
        return Decision(Verdict.GO, gate)
    answer = breakers.admit(gate.breaker, now, policy, manual=manual, rand=rand)
    reason = Reason.FAILING if answer.verdict is Verdict.WAIT else Reason.NONE
    return Decision(answer.verdict, replace(gate, breaker=answer.breaker), answer.wait, reason)


def settle(
    gate: Gate,
    tally: Tally,
    now: datetime,
    policy: BreakerPolicy,
    *,
    subject: str = "",
    probe: bool = False,
    rand: random.Random | None = None,
) -> Gate:
    """Return the state after a batch has called; the very same one if nothing changed.

    :param subject: what it asked for, see `breaker.record`.
    :param probe: whether it was let through as a probe.
    """
    budget = budgets.spend(gate.budget, tally, now)
    silent = gate.budget.resume_at is not None and gate.budget.resume_at > now
    breaker = gate.breaker
    # Calls that were under way when the provider asked for silence are no new trouble.
    if not (tally.throttled and not tally.down and silent and not probe):
        breaker = breakers.record(
            breaker, tally, now, policy, subject=subject, probe=probe, rand=rand
        )
    if not budgets.worth_keeping(gate.budget, budget, now):
        budget = gate.budget
    if breaker == gate.breaker and budget is gate.budget:
        return gate
    return replace(gate, breaker=breaker, budget=budget)


def blocked(gate: Gate, now: datetime, policy: BreakerPolicy) -> tuple[datetime | None, datetime | None]:
    """Return until when no job, and until when no bulk job, of the endpoint need be started.

    None where there is nothing to wait for, or so little that a batch waits on the spot.
    """
    every = []
    if gate.override is Override.OPEN:
        every.append(FAR)
    if gate.override is Override.AUTOMATIC:
        every.append(gate.breaker.blocked_until(policy))
    waits = [gate.budget.wait(now, urgent=urgent) for urgent in (True, False)]
    urgent, bulk = (now + timedelta(seconds=wait) if wait > PATIENCE else None for wait in waits)
    return _latest(now, *every, urgent), _latest(now, *every, bulk)


def _latest(now: datetime, *moments: datetime | None) -> datetime | None:
    """Return the latest moment that is still to come."""
    return max((moment for moment in moments if moment and moment > now), default=None)
