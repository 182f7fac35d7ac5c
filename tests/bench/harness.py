"""What every bench shares: rounds, medians, ratios, the table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from cli import database
from cli.console import say

#: What is measured in a round: our code, the least it can cost, another way to do it.
SIDES = ("ours", "floor", "peer")


@dataclass(frozen=True)
class Result:
    """One line of the report.

    :param unit: of the three figures, e.g. ``records/s`` or ``ms``
    :param n: how many records or requests one figure covers
    :param ratio_floor: how much of the floor's speed we reach: above 1 is faster,
        whatever the unit; None where there is no floor
    """

    name: str
    unit: str
    n: int
    ours: float
    floor: float | None = None
    peer: float | None = None
    ratio_floor: float | None = None
    ratio_peer: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)  #: what else this bench tells

    def as_json(self) -> dict[str, Any]:
        """The result as it is written to a file, its extra figures beside the others."""
        figures = asdict(self)
        return figures | figures.pop("extra")


def summarise(name: str, unit: str, n: int, samples: dict[str, list[float]], less_is_better: bool = False,
              extra: dict[str, Any] | None = None) -> Result:
    """Return medians and ratios of what the rounds gave.

    The ratio is the median of the rounds' own ratios: what disturbs the machine for a
    while disturbs both sides of a round.

    :param samples: by side, one figure a round
    """
    medians = {side: statistics.median(values) for side, values in samples.items() if values}

    def ratio(side: str) -> float | None:
        if side not in medians:
            return None
        pairs = zip(samples["ours"], samples[side])
        return round(statistics.median(other / ours if less_is_better else ours / other for ours, other in pairs), 3)

    figures = {side: round(value, 3) for side, value in medians.items()}
    return Result(name, unit, n, figures["ours"], figures.get("floor"), figures.get("peer"),
                  ratio("floor"), ratio("peer"), extra or {})


class Bench:
    """One bench: set-up, rounds, clean-up.

    :param n: its size, None for the default
    :param rounds: how often each side is measured
    :param template: database to copy, None for the suite's template
    """

    name = ""
    default_n = 1

    def __init__(self, n: int | None = None, rounds: int = 3, template: str | None = None):
        self.n = n or self.default_n
        self.rounds = rounds
        self._template = template

    def run(self) -> list[Result]:
        """Measure and return the lines of the report."""
        raise NotImplementedError

    def copy_database(self, name: str) -> None:
        """Make the database ``name``, a fresh copy of the template."""
        if self._template:
            database.copy(self._template, name)
        else:
            database.copy_template(name)

    def interleave(self, sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
        """Measure every side once a round; the order is reversed from round to round.

        :param sides: by name, a function that returns one figure
        """
        samples: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(self.rounds):
            order = list(sides) if number % 2 == 0 else list(reversed(sides))
            for side in order:
                started = time.monotonic()
                figure = sides[side]()
                samples[side].append(figure)
                say(f"  {self.name} round {number + 1}/{self.rounds} {side:5} {figure:10.1f}"
                    f"   ({time.monotonic() - started:.0f} s with set-up)")
        return samples


def table(results: Iterable[Result]) -> str:
    """The results for people, ratios first."""
    head = ("name", "of floor", "of peer", "ours", "floor", "peer", "unit", "n")
    rows = [head, *(
        (result.name, _ratio(result.ratio_floor), _ratio(result.ratio_peer), _figure(result.ours),
         _figure(result.floor), _figure(result.peer), result.unit, str(result.n))
        for result in results
    )]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [cell.ljust(width) if column in (0, 6) else cell.rjust(width)
             for column, (cell, width) in enumerate(zip(row, widths))]
    return "  ".join(cells).rstrip()


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"
