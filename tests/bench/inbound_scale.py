"""What a record costs in an import of 1,000, of 10,000 and of 100,000, and what memory it takes.

There is nothing to compare with: *floor* is the cost of a record in the smallest import,
*ours* that in the largest, so the ratio says how much of it is left. Memory is that of the
process which polls and applies, from a tenth of the largest import to its end.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.support.servers import Sandbox

from . import harness
from .inbound_customers import Import, import_by_poll

SHARES = (100, 10, 1)  # sizes are n divided by these
SAMPLE_SECONDS = 0.2
PAGE = 4096  # bytes; what /proc/self/statm counts


class InboundScale(harness.Bench):
    """See the module; ``n`` is the size of the largest import. One round: it is long enough."""

    name = "inbound_scale"
    default_n = 100_000

    def run(self) -> list[harness.Result]:
        """Import each size into a database of its own."""
        sizes = [max(self.n // share // 2 * 2, 2) for share in SHARES]
        measured = [self._import(size) for size in sizes]
        costs = [seconds * 1000 / size for size, (seconds, _growth) in zip(sizes, measured)]
        rounded = {str(size): round(cost, 3) for size, cost in zip(sizes, costs)}
        return [harness.summarise(
            self.name, "ms/record", sizes[-1], {"ours": [costs[-1]], "floor": [costs[0]]}, less_is_better=True,
            extra={"cost_by_size": rounded, "memory_growth_mb": round(measured[-1][1], 1)})]

    def _import(self, size: int) -> tuple[float, float]:
        """Return seconds, and MB that the process grew by from a tenth to the end."""
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, \
                Sandbox(Path(folder) / "sandbox", ["--seed", "empty"]) as sandbox:
            bench = Import(self, Path(folder), sandbox, size)
            answer = bench.call(f"{__name__}:import_and_watch")
            return answer["seconds"], answer["growth"]


# ---------------------------------------------------------------------------
# In the Odoo process
# ---------------------------------------------------------------------------

def import_and_watch(env: Any, expected: int, **arguments: Any) -> dict[str, float]:
    """Import as `import_by_poll`, and see how much memory this process takes meanwhile."""
    samples: list[tuple[float, float]] = []
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(SAMPLE_SECONDS):
            samples.append((time.time(), _megabytes()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        seconds = import_by_poll(env, expected=expected, **arguments)
    finally:
        finished.set()
        thread.join()
    early = [size for moment, size in samples if moment <= _moment_of_record(env, expected // 10)]
    return {"seconds": seconds, "growth": max(size for _moment, size in samples) - max(early or [samples[0][1]])}


def _megabytes() -> float:
    """Memory of this process that is in use now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def _moment_of_record(env: Any, number: int) -> float:
    """When the record of this number was applied, as `time.time` counts."""
    env.cr.execute(
        "SELECT extract(epoch FROM create_date AT TIME ZONE 'UTC') FROM sync_change ORDER BY id OFFSET %s LIMIT 1",
        [number],
    )
    return float(env.cr.fetchone()[0])
