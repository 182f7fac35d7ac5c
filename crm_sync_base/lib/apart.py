"""Reading a batch of which a record may be poisoned: in halves, until the bad ones are alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from .errors import Recovery, SyncError, Transient

#: calls that a batch may cost besides its own: enough to find one record of 2,000
EXTRA_CALLS = 24


class Reading(NamedTuple):
    """What a batch of reads brought."""

    found: dict[str, Any]  #: documents by id; what does not exist is absent
    failed: dict[str, Exception]  #: why a record could not be read


def read_apart(
    ids: list[str],
    read: Callable[[list[str]], dict[str, Any]],
    is_of_one: Callable[[Exception], bool],
) -> Reading:
    """Read records in one call; what fails as a whole is read again in halves, breadth first.

    So a provider that is down is told by its failures in a row from a poisoned record,
    whose failures alternate with answers. When the calls are used up, what could not be
    told apart is to be tried again in other company, if anything was read at all; if
    nothing was, the cause is common.

    :param read: returns the documents of some ids by id.
    :param is_of_one: whether an error may be a single record's.
    :raises Exception: what cannot be a single record's, or what all of them share; so a provider
        of which no record could be read for a passing reason counts as failing.
    """
    found: dict[str, Any] = {}
    failed: dict[str, Exception] = {}
    unknown: list[str] = []
    waiting = deque([ids] if ids else ())
    extra, answered, first = EXTRA_CALLS, False, None
    while waiting:
        group = waiting.popleft()
        try:
            found.update(read(group))
            answered = True
        except Exception as error:
            if first is not None and _refuses_calls(error):
                unknown += [one for rest in (group, *waiting) for one in rest]
                break
            if not is_of_one(error):
                raise
            first = first or error
            if len(group) == 1:
                failed[group[0]] = error
            elif extra < 2:
                unknown += group
            else:
                extra -= 2
                middle = len(group) // 2
                waiting += (group[:middle], group[middle:])
    if not answered and (unknown or isinstance(first, Transient)):
        raise first
    failed.update(dict.fromkeys(unknown, _undecided()))
    return Reading(found, failed)


def _refuses_calls(error: Exception) -> bool:
    """Whether the next call was not made at all, because of how the last ones ended."""
    return isinstance(error, SyncError) and error.recovery is Recovery.HOLD


def _undecided() -> Transient:
    return Transient(
        "Another record of the same call cannot be read; it is tried again without it.",
        fingerprint="read with a record that cannot be read",
    )
