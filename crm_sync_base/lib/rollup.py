"""What happened in a minute, counted: the values behind every graph and counter.

Roll-ups are a function of the ledgers alone. Counting a minute again gives the same
result or a corrected one, never a double one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from . import histogram

EVENT = "event"  #: the kind of rows that count deliveries, beside the kinds of jobs

#: what is counted, in the order of the columns
COUNTS: tuple[str, ...] = (
    "done",  # jobs
    "failed",
    "replaced",
    "records",
    "retried",
    "crashed",
    "coalesced",
    "on_time",
    "accepted",  # deliveries
    "refused",
    "forged",
    "duplicates",
    "gaps",
    "late",
)
#: what is timed: waiting for a lane, running, and all in all with every attempt
TIMES: tuple[str, ...] = ("wait", "run", "total")


class Key(NamedTuple):
    """What a row is about; None where it does not apply."""

    connection_id: int | None = None
    flow_id: int | None = None
    kind: str = EVENT
    error_code: str | None = None  #: of jobs that failed for good
    origin: str | None = None  #: of deliveries
    verdict: str | None = None
    http_status: int | None = None


@dataclass
class Measures:
    """The counts of one row, and its durations as sums (seconds) and histograms."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(TIMES, 0.0))
    buckets: dict[str, list[int]] = field(
        default_factory=lambda: {name: histogram.empty() for name in TIMES}
    )

    def plus(self, other: Measures) -> Measures:
        """Return both together."""
        return Measures(
            {name: self.counts[name] + other.counts[name] for name in COUNTS},
            {name: self.seconds[name] + other.seconds[name] for name in TIMES},
            {name: histogram.merge(self.buckets[name], other.buckets[name]) for name in TIMES},
        )

    def minus(self, other: Measures) -> Measures:
        """Return what this has more than the other; counts may be negative."""
        return Measures(
            {name: self.counts[name] - other.counts[name] for name in COUNTS},
            {name: self.seconds[name] - other.seconds[name] for name in TIMES},
            {name: histogram.subtract(self.buckets[name], other.buckets[name]) for name in TIMES},
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is counted at all."""
        return not any(self.counts.values()) and not any(map(any, self.buckets.values()))

    @property
    def jobs(self) -> int:
        """How many jobs ended, well or badly."""
        return self.counts["done"] + self.counts["failed"]


def of_jobs(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, Key], Measures]:
    """Put together what the database counted of jobs.

    :param rows: by minute and key, one row with `part` None for the counts and sums,
        and one for each bucket that is not empty, with `part` naming what was timed,
        `place` the bucket and `jobs` the count.
    :return: `{(minute, key): measures}`.
    """
    found: dict[tuple[Any, Key], Measures] = {}
    for row in rows:
        key = Key(row["connection_id"], row["flow_id"], row["kind"], row["error_code"])
        measures = found.setdefault((row["minute"], key), Measures())
        if row["part"]:
            if row["place"] is not None:
                measures.buckets[row["part"]][row["place"]] = row["jobs"]
            continue
        for name in ("done", "failed", "replaced", "records", "retried", "crashed", "coalesced", "on_time"):
            measures.counts[name] = int(row[name] or 0)
        for name in TIMES:
            measures.seconds[name] = float(row[f"{name}_seconds"] or 0.0)
    return found


def of_events(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, Key], Measures]:
    """Put together what the database counted of deliveries.

    :param rows: by minute, connection, origin, verdict and answered status, with the
        counts `accepted`, `refused`, `forged`, `duplicates`,
        `gaps` and `late`.
    :return: `{(minute, key): measures}`.
    """
    found = {}
    for row in rows:
        key = Key(
            row["connection_id"],
            kind=EVENT,
            origin=row["origin"],
            verdict=row["verdict"],
            http_status=row["http_status"],
        )
        measures = Measures()
        for name in ("accepted", "refused", "forged", "duplicates", "gaps", "late"):
            measures.counts[name] = int(row[name] or 0)
        found[row["minute"], key] = measures
    return found


def changes(
    fresh: Mapping[tuple[Any, Key], Measures], stored: Mapping[tuple[Any, Key], Measures]
) -> tuple[dict[tuple[Any, Key], Measures], list[tuple[Any, Key]], dict[Key, Measures]]:
    """Compare what was counted now with what is stored of the same minutes.

    :return: the rows to write, those to delete, and by how much the all-time totals of
        each key change.
    """
    write = {at: measures for at, measures in fresh.items() if stored.get(at) != measures}
    delete = [at for at in stored if at not in fresh]
    totals: dict[Key, Measures] = {}
    for at in [*write, *delete]:
        _minute, key = at
        change = fresh.get(at, Measures()).minus(stored.get(at, Measures()))
        totals[key] = totals.get(key, Measures()).plus(change)
    return write, delete, {key: change for key, change in totals.items() if not change.is_empty}


def merge(rows: Iterable[tuple[Key, Measures]]) -> dict[Key, Measures]:
    """Return the measures by key, equal keys together."""
    found: dict[Key, Measures] = {}
    for key, measures in rows:
        found[key] = found[key].plus(measures) if key in found else measures
    return found
