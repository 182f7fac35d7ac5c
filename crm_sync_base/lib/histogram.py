"""Durations counted in buckets: small to keep, exact to merge, good enough for percentiles.

A histogram is a list of counts, one for each bound of `BOUNDS` and one for what is
longer than all of them. A duration belongs to the first bound that is not smaller, as
in Prometheus (`le`), so what is kept here can be exported there as it is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

#: upper bounds in seconds; they must never change without converting what is stored
BOUNDS: tuple[float, ...] = (
    0.01,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    900.0,
    3600.0,
)
SIZE = len(BOUNDS) + 1


def empty() -> list[int]:
    """Return a histogram of nothing."""
    return [0] * SIZE


def bucket(seconds: float) -> int:
    """Return the place of a duration in a histogram."""
    return bisect_left(BOUNDS, seconds)


def of(durations: Iterable[float]) -> list[int]:
    """Return the histogram of some durations in seconds."""
    counts = empty()
    for seconds in durations:
        counts[bucket(seconds)] += 1
    return counts


def merge(*histograms: Sequence[int] | None) -> list[int]:
    """Return the histogram of everything that these were made of; None counts as empty."""
    counts = empty()
    for histogram in histograms:
        for place, count in enumerate(histogram or ()):
            counts[place] += count
    return counts


def subtract(new: Sequence[int], old: Sequence[int]) -> list[int]:
    """Return what `new` has more than `old`, bucket by bucket; may be negative."""
    return [count - before for count, before in zip(new, old)]


def cumulative(counts: Sequence[int]) -> list[tuple[float, int]]:
    """Return `[(upper bound, how many are not longer)]`, the last bound being infinite."""
    pairs, total = [], 0
    for bound, count in zip([*BOUNDS, float("inf")], counts):
        total += count
        pairs.append((bound, total))
    return pairs


def quantile(counts: Sequence[int] | None, share: float) -> float | None:
    """Return the duration that this share of all durations does not exceed.

    Interpolated evenly inside the bucket, as Prometheus' `histogram_quantile` does: the
    result is never further from the truth than its bucket is wide. What is longer than
    the last bound counts as that bound.

    :param share: between 0 and 1, 0.95 for p95.
    :return: seconds, None when there are no durations.
    """
    total = sum(counts or ())
    if not total:
        return None
    rank, before = share * total, 0
    for place, count in enumerate(counts):
        if count and before + count >= rank:
            return _inside(place, (rank - before) / count)
        before += count
    return BOUNDS[-1]


def _inside(place: int, part: float) -> float:
    if place == len(BOUNDS):
        return BOUNDS[-1]
    lower = BOUNDS[place - 1] if place else 0.0
    return lower + (BOUNDS[place] - lower) * part
