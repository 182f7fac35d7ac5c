"""The command line of ``q2c``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from . import locking, odoo, odoo_source, paths, postgres, venv
from .console import Failure, say, show_failure


def setup(dev: bool = False) -> odoo_source.Source:
    """Build the environment and start the database; a second time does nothing."""
    with locking.exclusive():
        venv.ensure(dev=dev)
        source = odoo_source.ensure()
        venv.link_odoo(source)
        postgres.ensure()
    return source


def cmd_setup(options: argparse.Namespace) -> int:
    setup(dev=options.dev)
    say("Everything is in place.")
    return 0


def cmd_env(options: argparse.Namespace) -> int:
    """Print the environment as shell commands: ``eval "$(./q2c env)"``."""
    env = odoo.environment()
    names = [name for name in env if name.startswith("PG") or name == postgres.EMBEDDED]
    for name in [*sorted(names), "PATH"]:
        say(f"export {name}={shlex.quote(env[name])}")
    return 0


def cmd_odoo(options: argparse.Namespace) -> int:
    """Replace this process by Odoo's command line, with our addons and database server."""
    with locking.exclusive():
        postgres.ensure()
    subcommand, *arguments = options.arguments or ["--help"]
    if subcommand in {"server", "shell"}:
        arguments = [*odoo.options(), *arguments]
    os.chdir(paths.ROOT)
    line = odoo.command(subcommand, arguments)
    sys.stdout.flush()
    os.execve(line[0], list(line), odoo.environment())


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="q2c", description="Quote to cash between CRM, Odoo and Stripe.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    sub = commands.add_parser("setup", help="build the environment below .q2c/")
    sub.add_argument("--dev", action="store_true", help="also what test, lint and bench need")
    sub.set_defaults(run=cmd_setup)
    sub = commands.add_parser("env", help="print the environment's variables for a shell")
    sub.set_defaults(run=cmd_env)
    sub = commands.add_parser("odoo", help="run Odoo's own command line, e.g. q2c odoo server -d NAME -u MODULE")
    sub.add_argument("arguments", nargs=argparse.REMAINDER)
    sub.set_defaults(run=cmd_odoo)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; foreseen failures end as a sentence and exit code 1."""
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except Failure as failure:
        show_failure(failure)
        return 1
    except KeyboardInterrupt:
        print("\nq2c: interrupted; the same command carries on from here.", file=sys.stderr)
        return 130
