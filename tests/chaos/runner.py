"""``python -m tests.chaos``: scenario after scenario until the time is over."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from cli import database, paths
from cli.console import Failure, say, show_failure

from .scenarios import SCENARIOS
from .world import Ground, Report, World, describe


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="q2c chaos", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)} (default: all)")
    parser.add_argument("--minutes", type=float, default=0.0, help="go on for so long (default: every scenario once)")
    parser.add_argument("--records", type=int, default=400, help="records of a scenario (default 400)")
    parser.add_argument("--seed", type=int, help="repeat a run: the same work, the same order, the same choices")
    parser.add_argument("--workers", type=int, default=0, help="Odoo's worker processes (default 0: threads)")
    parser.add_argument("--queue", action="store_true", help="run the lanes on OCA's job queue")
    return parser


class Run:
    """One run of the suite in one world.

    :param names: scenarios, in the order in which the first round runs them
    """

    def __init__(self, names: Sequence[str], records: int, minutes: float, seed: int, workers: int,
                 queue: bool):
        self.names, self.records, self.seconds = list(names), records, minutes * 60
        self.seed, self.workers, self.queue = seed, workers, queue
        self.reports: list[Report] = []
        self._rand = random.Random(seed)

    def run(self) -> bool:
        """Run; return whether everything held. The first failure ends the run."""
        folder = Path(tempfile.mkdtemp(prefix="q2c-chaos-"))
        ok = False
        try:
            with Ground() as ground, World(ground, folder, self.workers, self.seed, self.queue) as world:
                started = time.monotonic()
                world.begin()
                world.settle(120.0)
                ok = self._rounds(world, started)
        finally:
            self._keep_logs(folder, ok)
        return ok

    def _rounds(self, world: World, started: float) -> bool:
        """Run the scenarios once, then in random order until the time is over."""
        order = list(self.names)
        while True:
            for name in order:
                if not self._one(world, name):
                    return False
                if self.seconds and time.monotonic() - started > self.seconds:
                    return True
            if not self.seconds:
                return True
            self._rand.shuffle(order)

    def _one(self, world: World, name: str) -> bool:
        say(f"→ {name}: {(SCENARIOS[name].__doc__ or '').splitlines()[0]}")
        try:
            self.reports.append(SCENARIOS[name](world, self.records))
        except Exception as problem:
            self.reports.append(Report(name, problem=str(problem) or type(problem).__name__))
            say(str(problem) if isinstance(problem, AssertionError | Failure) else traceback.format_exc())
            return False
        return True

    def _keep_logs(self, folder: Path, ok: bool) -> None:
        """Where something failed, the logs are what there is to look at."""
        if not ok:
            kept = paths.LOGS / "chaos"
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            for log in folder.rglob("*.log"):
                shutil.copy(log, kept / f"{log.parent.name}-{log.name}")
            say(f"  logs: {paths.shown(kept)}")
        shutil.rmtree(folder, ignore_errors=True)

    def summary(self) -> str:
        """Return the result in a few lines."""
        failed = [report for report in self.reports if report.problem]
        slowest = max((report.recovered or 0.0 for report in self.reports), default=0.0)
        lines = [describe(report) for report in self.reports]
        lines.append(f"\n{len(self.reports) - len(failed)} of {len(self.reports)} held, "
                     f"{sum(report.records for report in self.reports)} records, slowest recovery {slowest:.1f} s, "
                     f"seed {self.seed}")
        return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios named; exit code 1 when one did not hold."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SCENARIOS))
    if unknown:
        parser.error(f"there is no scenario called {', '.join(unknown)}; there are: {', '.join(SCENARIOS)}")
    seed = random.SystemRandom().randrange(1, 1_000_000) if options.seed is None else options.seed
    database.drop_orphans()
    run = Run(options.names or list(SCENARIOS), options.records, options.minutes, seed, options.workers, options.queue)
    say(f"seed {seed}; to repeat: ./q2c chaos {' '.join(run.names if options.names else ())} --seed {seed} "
        f"--records {options.records} --workers {options.workers} --minutes {options.minutes:g}"
        f"{' --queue' if options.queue else ''}".replace("  ", " "))
    try:
        ok = run.run()
    except (Failure, AssertionError) as problem:
        show_failure(problem if isinstance(problem, Failure) else Failure(str(problem)))
        ok = False
    say("\n" + run.summary())
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
