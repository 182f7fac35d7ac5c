"""How far a run is, how fast, and how long it will take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    percent: float  #: 0 to 100
    rate: float  #: records a second; 0 where nothing is known yet
    seconds_left: float | None  #: None where nobody can tell


def progress(total: int, done: int, recent: int, window: float, *, complete: bool) -> Progress:
    """Return where a run stands.

    :param total: records that are known to belong to it.
    :param done: of them, those that are dealt with.
    :param recent: of these, those of the last `window` seconds: what happened before a
        pause or an outage says nothing of what comes.
    :param complete: all records are known; else more may turn up, and nobody can tell
        how long it takes.
    """
    done = min(done, total)
    rate = recent / window if window > 0 else 0.0
    percent = 100.0 * done / total if total else 0.0
    left = (total - done) / rate if complete and rate else None
    return Progress(percent, rate, left)
