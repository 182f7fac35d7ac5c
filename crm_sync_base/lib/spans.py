"""Sets of record ids, written as spans: `1-500 502 504-600`.

Ids that a batch of insertions was given are mostly contiguous, so that a set of
thousands is a line of text. Sets are exact: an id that is not named is not in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Span = tuple[int, int]  #: first and last id, both included


def of_ids(ids: Iterable[int]) -> list[Span]:
    """Return the spans of some ids, in order; an id that is given twice counts once."""
    return merged((one, one) for one in ids)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return the same ids as as few spans as possible, in order."""
    result: list[Span] = []
    for low, high in sorted(spans):
        if result and low <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(high, result[-1][1]))
        else:
            result.append((low, high))
    return result


def dump(spans: Iterable[Span]) -> str:
    """Return spans as text."""
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in spans)


def load(text: str | None) -> list[Span]:
    """Return the spans of a text made by `dump`.

    :raises ValueError: for any other text.
    """
    spans = []
    for part in (text or "").split():
        low, _dash, high = part.partition("-")
        spans.append((int(low), int(high or low)))
    return spans


def ids(spans: Iterable[Span]) -> Iterator[int]:
    """Yield every id."""
    for low, high in spans:
        yield from range(low, high + 1)


def size(spans: Iterable[Span]) -> int:
    """Return how many ids there are."""
    return sum(high - low + 1 for low, high in spans)


def outside(numbers: Iterable[int], spans: list[Span]) -> Iterator[int]:
    """Yield the numbers that are in none of the spans.

    :param numbers: in ascending order.
    :param spans: as `merged` returns them.
    """
    position, count = 0, len(spans)
    for number in numbers:
        while position < count and spans[position][1] < number:
            position += 1
        if position == count or number < spans[position][0]:
            yield number
