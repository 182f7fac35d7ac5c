"""``python -m tests.bench [NAME …]``: run benches, print a table, write JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cli import database
from cli.console import Failure, show_failure

from . import (
    approve_many,
    audit_verify,
    dry_run,
    harness,
    inbound_customers,
    inbound_scale,
    inbound_unchanged,
    match_ladder,
    outbound_customers,
    priority_under_backfill,
    queue_noop,
    rule_overhead,
    webhook_accept,
    webhook_latency,
)

#: All benches by name, in the order in which they run.
BENCHES: dict[str, type[harness.Bench]] = {
    bench.name: bench for bench in (
        inbound_customers.InboundCustomers, inbound_scale.InboundScale, inbound_unchanged.InboundUnchanged,
        queue_noop.QueueNoop, webhook_accept.WebhookAccept, webhook_latency.WebhookLatency,
        priority_under_backfill.PriorityUnderBackfill, outbound_customers.OutboundCustomers,
        approve_many.ApproveMany,
        audit_verify.AuditVerify,
        match_ladder.MatchLadder,
        dry_run.DryRun,
        rule_overhead.RuleOverhead,
    )
}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)} (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results there")
    parser.add_argument("--n", type=int, help="size of each bench instead of its own default")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side is measured (default 3)")
    parser.add_argument("--template", default=None, metavar="DATABASE",
                        help="measure on copies of this database (default: the suite's template)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benches named; exit code 1 when one could not be measured."""
    options = build_parser().parse_args(arguments)
    unknown = sorted(set(options.names) - set(BENCHES))
    if unknown:
        build_parser().error(f"there is no bench called {', '.join(unknown)}; there are: {', '.join(BENCHES)}")
    database.drop_orphans()
    results: list[harness.Result] = []
    for name, bench in BENCHES.items():
        if not options.names or name in options.names:
            results += bench(options.n, options.rounds, options.template).run()
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1) + "\n")
    print("\n" + harness.table(results))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        show_failure(failure)
        sys.exit(1)
