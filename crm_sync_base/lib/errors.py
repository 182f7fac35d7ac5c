"""The one hierarchy of errors of the suite; each class carries its policy.

A client, a transform or a planner raises one of these; the engine reads the
policy from the class and decides alone what happens to the job. Messages are
written for the person who must act: what happened, to which record, what to do.
They must never contain a secret or personal data.
"""

from __future__ import annotations

from enum import Enum


class Recovery(Enum):
    """What the engine does with a job that failed with a class of errors."""

    RETRY = "retry"  #: again by itself, after a growing random wait
    WAIT = "wait"  #: again by itself, after the wait that the vendor asked for
    HOLD = "hold"  #: later, without counting as an attempt: nothing was tried
    PAUSE = "pause"  #: the connection is paused once, the job waits with it
    PERSON = "person"  #: straight to the exception desk, no automatic retry


class SyncError(Exception):
    """Base of every error that the engine understands.

    :param message: what happened, in plain words.
    :param hint: what the person should do next; by default what the class advises.
    :param problems: every single cause when there are several (all of them are
        reported at once, never only the first).
    :param retry_after: seconds to wait at least, when the vendor said so.
    :param fingerprint: groups equal causes on the exception desk; by default
        the message itself.
    :param remedies: `lib.remedy.Remedy` of each problem that has one: what the desk
        offers as a button.
    :param culprit: (object, external id) of the remote record that must be corrected,
        when it is another one than the one that failed.
    """

    code = "bug"  #: stored on jobs and exceptions, shown in filters
    recovery = Recovery.RETRY
    max_attempts: int | None = None  #: None = what the flow says
    advice = ""  #: the hint of an error that comes without one of its own

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        problems: tuple[str, ...] | list[str] = (),
        retry_after: float | None = None,
        fingerprint: str | None = None,
        remedies: tuple = (),
        culprit: tuple[str, str] | None = None,
    ):
        super().__init__(message)
        self.message = message
        self.hint = hint or self.advice
        self.problems = tuple(problems)
        self.retry_after = retry_after
        self.fingerprint = fingerprint or message
        self.remedies = tuple(remedies)
        self.culprit = culprit

    def __str__(self) -> str:
        return self.message


class Transient(SyncError):
    """The remote system or the network failed in a way that passes by itself."""

    code = "transient"
    advice = "This usually passes by itself. If it does not, retry when the other system and the way to it work again."


class RateLimited(SyncError):
    """The vendor asked us to slow down; `retry_after` is the vendor's wait."""

    code = "rate_limited"
    recovery = Recovery.WAIT
    advice = "It goes on by itself as soon as the other system takes calls again; what was given up, retry then."


class CircuitOpen(SyncError):
    """The provider keeps failing: no call is made until `retry_after` is over."""

    code = "circuit_open"
    recovery = Recovery.HOLD
    advice = "Nothing to do: it goes on by itself when the other system works again."


class BudgetSpent(SyncError):
    """The calls that the provider allows are used up, or kept for urgent work."""

    code = "budget_spent"
    recovery = Recovery.HOLD
    advice = "Nothing to do: it goes on by itself as soon as there are calls left."


class AuthFailed(SyncError):
    """Credentials are refused: pauses the connection, raises one exception."""

    code = "auth_failed"
    recovery = Recovery.PAUSE
    advice = "Check the credentials and the rights of their user at the other system, then connect again."


class Misconfigured(SyncError):
    """This installation is not set up for the connection: pauses it once, too."""

    code = "misconfigured"
    recovery = Recovery.PAUSE
    advice = "Correct the settings of the connection, then connect again."


class DataInvalid(SyncError):
    """The record itself is wrong; only a person can correct it at its source."""

    code = "data_invalid"
    recovery = Recovery.PERSON
    advice = "Correct the value where it comes from, or the mapping, then retry."


class MappingMissing(SyncError):
    """A value has no counterpart yet: map it, then retry."""

    code = "mapping_missing"
    recovery = Recovery.PERSON
    advice = "Say in the value map what the value is on the other side, or correct the value; then retry."


class NotReady(SyncError):
    """Prerequisites are missing; `problems` names all of them."""

    code = "not_ready"
    recovery = Recovery.PERSON
    advice = "Provide what is missing, then retry."


class AmountMismatch(DataInvalid):
    """Totals do not equal the source's to the last unit; both are in the text."""

    code = "amount_mismatch"
    advice = "Compare the amounts of both sides and correct the one that is wrong, then retry."


class Conflict(SyncError):
    """Somebody else changed the same thing; a person or a rule decides."""

    code = "conflict"
    recovery = Recovery.PERSON
    advice = "Decide which side is right and correct the other one, then retry."


class Ambiguous(SyncError):
    """It could be a record that is there already; a person says which one."""

    code = "ambiguous"
    recovery = Recovery.PERSON
    advice = "Say which record it is, then retry."


class RemoteGone(SyncError):
    """The remote record no longer exists (deleted, merged, archived)."""

    code = "remote_gone"
    recovery = Recovery.PERSON
    advice = "Restore the record where it is gone, then retry; if it is rightly gone, ignore this with that reason."


class PolicyBlocked(SyncError):
    """A rule of the suite forbids it (ownership, environment, approval)."""

    code = "policy_blocked"
    recovery = Recovery.PERSON
    advice = "If the change is right, make it by hand or have the rule changed, then retry; else take it back."


class SchemaChanged(SyncError):
    """An object or field that a mapping relies on is not what it was."""

    code = "schema_changed"
    recovery = Recovery.PERSON
    advice = "Correct the mapping that relies on what has changed, then retry."


class PaymentDeclined(SyncError):
    """The customer's bank refused the charge; nothing was collected."""

    code = "payment_declined"
    recovery = Recovery.PERSON
    advice = "Ask the customer for another means of payment, then retry."


class WorkerKilled(SyncError):
    """The worker died while it ran the job, again and again: parked."""

    code = "worker_killed"
    recovery = Recovery.PERSON
    advice = "Look at the server log of that time, then retry."


class LaneStalled(SyncError):
    """Due work is not picked up: the scheduler itself needs a person."""

    code = "lane_stalled"
    recovery = Recovery.PERSON
    advice = "Look at the lanes and at the server log: the work goes on by itself once they run."


class Bug(SyncError):
    """Unexpected: the traceback is kept, few retries, then a person."""

    code = "bug"
    max_attempts = 3
    advice = "Retry once. If it comes back, report it."


#: every class by its code, for selections and look-ups
ERROR_CLASSES: dict[str, type[SyncError]] = {
    cls.code: cls
    for cls in (
        Transient,
        RateLimited,
        CircuitOpen,
        BudgetSpent,
        AuthFailed,
        Misconfigured,
        DataInvalid,
        MappingMissing,
        NotReady,
        AmountMismatch,
        Conflict,
        Ambiguous,
        RemoteGone,
        PolicyBlocked,
        SchemaChanged,
        PaymentDeclined,
        WorkerKilled,
        LaneStalled,
        Bug,
    )
}

#: codes of failures that come again until a person does something
FOR_A_PERSON = frozenset(code for code, cls in ERROR_CLASSES.items() if cls.recovery is Recovery.PERSON) | {Bug.code}
