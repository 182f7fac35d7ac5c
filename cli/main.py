"""The command line of ``q2c``."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import shutil
import signal
import sys
import time

from . import (
    bench,
    chaos,
    config,
    database,
    doctor,
    lint,
    locking,
    odoo,
    odoo_source,
    paths,
    postgres,
    services,
    testing,
    venv,
)
from .console import Failure, say, show_failure
from .environment import Environment
from .rpc import OdooError


def setup(dev: bool = False) -> odoo_source.Source:
    """Build the environment and start the database; a second time does nothing."""
    with locking.exclusive():
        venv.ensure(dev=dev)
        source = odoo_source.ensure()
        venv.link_odoo(source)
        odoo.key_file()
        postgres.ensure()
    return source


# ---------------------------------------------------------------------------
# Running
# ---------------------------------------------------------------------------

def cmd_setup(options: argparse.Namespace) -> int:
    """Build the environment."""
    setup(dev=options.dev)
    say("Everything is in place.")
    return 0


def cmd_run(options: argparse.Namespace) -> int:
    """Build what is missing, start what does not run, and let a deal travel."""
    started = time.monotonic()
    setup()
    with locking.exclusive("run"):
        _bring_up_to_date()
        ports = services.ensure_running(options.port, options.sandbox_port)
        environment = Environment.of(services.odoo_url(ports["odoo"]), f"http://127.0.0.1:{ports['sandbox']}")
        _travel(environment)
    _say_where(environment, time.monotonic() - started)
    return 0


def _bring_up_to_date() -> None:
    """Create or update the demo database; a server of an older code is stopped first."""
    if database.demo_is_current():
        return
    services.stop_all()
    database.ensure_demo()


def _travel(environment: Environment) -> None:
    """Let a deal go from quote to cash, where this checkout has the demonstration."""
    if importlib.util.find_spec("cli.demo") is None:
        return
    from . import demo

    demo.travel(environment)


def _say_where(environment: Environment, seconds: float) -> None:
    say(f"\nOdoo is running ({seconds:.0f} s):  {environment.odoo_url}")
    say(f"Log in as {environment.login} with the password {environment.password}.")
    for number, (title, how) in enumerate(_things_to_try(environment), 1):
        say(f"\n  {number}. {title}\n     {how}")
    say("\nStop it with ./q2c stop, follow its log with ./q2c logs -f.")


def _things_to_try(environment: Environment) -> list[tuple[str, str]]:
    """Three things to do next; the demonstration knows them."""
    if importlib.util.find_spec("cli.demo") is not None:
        from . import demo

        return demo.things_to_try(environment)
    return []


def cmd_stop(options: argparse.Namespace) -> int:
    """Stop whatever this command has started."""
    stopped = services.stop_all()
    if postgres.stop():
        stopped.append("postgres")
    say(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")
    return 0


def cmd_reset(options: argparse.Namespace) -> int:
    """Throw away the demo's data, or with --all everything that was built."""
    services.stop_all()
    with locking.exclusive("run"):
        if postgres.is_installed():
            _drop_databases(everything=options.all)
        services.forget_state()
    if options.all:
        postgres.remove()
        shutil.rmtree(paths.STATE, ignore_errors=True)
        say("Everything that q2c built is gone; ./q2c run builds it again.")
    else:
        say("The demo's data is gone; ./q2c run makes it afresh.")
    return 0


def _drop_databases(everything: bool) -> None:
    """Drop the demo, or everything that q2c made; an embedded server is going anyway then."""
    if everything and not postgres.is_external():
        return
    postgres.ensure()
    names = [database.DEMO] + ([database.TEMPLATE, database.CORE] if everything else [])
    for name in names:
        database.drop(name)


def cmd_logs(options: argparse.Namespace) -> int:
    """Show the end of the logs, or follow them."""
    files = services.log_files()
    unknown = set(options.names) - set(files)
    if unknown:
        raise Failure(f"There is no log called {', '.join(sorted(unknown))}.", f"There are: {', '.join(files)}.")
    chosen = [files[name] for name in options.names] if options.names else list(files.values())
    present = [str(file) for file in chosen if file.exists()]
    if not present:
        raise Failure("There is no such log yet.", "./q2c run makes them.")
    arguments = ["-F"] if options.follow else []
    sys.stdout.flush()
    os.execvp("tail", ["tail", "-n", str(options.lines), *arguments, *present])


def cmd_shell(options: argparse.Namespace) -> int:
    """Open Odoo's Python prompt on a database."""
    setup()
    if not database.exists(options.database):
        raise Failure(f"The database {options.database} does not exist.", "./q2c run creates it.")
    return _become_odoo("shell", [*odoo.options(options.database), "--no-http"])


# ---------------------------------------------------------------------------
# Developing
# ---------------------------------------------------------------------------

def cmd_doctor(options: argparse.Namespace) -> int:
    """Look for what is missing or wrong on this machine."""
    return doctor.run()


def cmd_lint(options: argparse.Namespace) -> int:
    """Run the linters; with `--fix`, correct what they can."""
    setup(dev=True)
    return lint.run(fix=options.fix)


def cmd_test(options: argparse.Namespace) -> int:
    """Run the tests; arguments go to pytest."""
    setup(dev=True)
    return testing.run(options.arguments)


def cmd_bench(options: argparse.Namespace) -> int:
    """Measure against floor and peer; see docs/performance.md."""
    setup(dev=True)
    sizes = {"n": options.n, "rounds": options.rounds}
    extra = [f"--{name}={value}" for name, value in sizes.items() if value is not None]
    return bench.run(options.names, options.json, extra)


def cmd_chaos(options: argparse.Namespace) -> int:
    """Break things on purpose and compare the books; see docs/chaos.md."""
    setup(dev=True)
    values = {"minutes": options.minutes, "seed": options.seed, "records": options.records,
              "workers": options.workers}
    extra = [f"--{name}={value}" for name, value in values.items() if value is not None]
    extra += ["--queue"] if options.queue else []
    return chaos.run([*options.names, *extra])


def cmd_env(options: argparse.Namespace) -> int:
    """Print the environment as shell commands: ``eval "$(./q2c env)"``."""
    env = odoo.environment()
    names = [name for name in env if name.startswith("PG") or name in {postgres.EMBEDDED, "CRM_SYNC_KEY_FILE"}]
    for name in [*sorted(names), "PATH"]:
        say(f"export {name}={shlex.quote(env[name])}")
    return 0


def cmd_odoo(options: argparse.Namespace) -> int:
    """Run Odoo's own command line with our addons and database server."""
    setup()
    subcommand, *arguments = options.arguments or ["--help"]
    if subcommand in {"server", "shell"}:
        arguments = [*odoo.options(), *arguments]
    return _become_odoo(subcommand, arguments)


def _become_odoo(subcommand: str, arguments: list[str]) -> int:
    """Replace this process by Odoo's."""
    os.chdir(paths.ROOT)
    line = odoo.command(subcommand, arguments)
    sys.stdout.flush()
    os.execve(line[0], list(line), odoo.environment())


# ---------------------------------------------------------------------------
# The command line
# ---------------------------------------------------------------------------

def build_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        prog="q2c", description="Quote to cash between CRM, Odoo and Stripe: build, run and test it on this machine.",
        epilog="Environment: Q2C_ODOO names an Odoo 19 source tree, PGHOST, PGUSER… a PostgreSQL server, "
               "Q2C_STATE another folder than .q2c; without them q2c builds its own.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_running_commands(commands)
    _add_developing_commands(commands)
    return parser


def _add(commands, name: str, function, description: str) -> argparse.ArgumentParser:
    sub = commands.add_parser(name, help=description, description=f"{description[0].upper()}{description[1:]}.")
    sub.set_defaults(run=function)
    return sub


def _add_running_commands(commands) -> None:
    sub = _add(commands, "run", cmd_run, "build what is missing, start everything, let a deal travel")
    sub.add_argument("--port", type=int, help=f"Odoo's port (default {services.ODOO_PORT}, or the next free one)")
    sub.add_argument("--sandbox-port", type=int,
                     help=f"the sandbox's port (default {services.SANDBOX_PORT}, or the next free one)")
    _add(commands, "stop", cmd_stop, "stop everything that run started")
    sub = _add(commands, "reset", cmd_reset, "throw away the demo's data")
    sub.add_argument("--all", action="store_true", help="also the environment: Odoo, PostgreSQL, templates")
    sub = _add(commands, "logs", cmd_logs, "show the logs")
    sub.add_argument("-f", "--follow", action="store_true", help="keep showing what is added")
    sub.add_argument("-n", "--lines", type=int, default=50, help="how many lines of each (default 50)")
    sub.add_argument("names", nargs="*",
                     metavar="NAME", help="odoo, sandbox, postgres, setup, install (default: all)")
    sub = _add(commands, "shell", cmd_shell, "open Odoo's Python prompt")
    sub.add_argument("-d", "--database", default=database.DEMO, help=f"default {database.DEMO}")
    config.add_parser(commands)
    _add(commands, "doctor", cmd_doctor, "check this machine and say what to fix")


def _add_developing_commands(commands) -> None:
    sub = _add(commands, "setup", cmd_setup, "build the environment below .q2c/ and start the database server")
    sub.add_argument("--dev", action="store_true", help="also what test, lint and bench need")
    sub = _add(commands, "test", cmd_test, "run all tests, or those that pytest's arguments select")
    sub.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="passed to pytest, e.g. -k NAME")
    sub = _add(commands, "lint", cmd_lint, "check the code with ruff and pylint-odoo")
    sub.add_argument("--fix", action="store_true", help="let ruff correct what it can")
    sub = _add(commands, "bench", cmd_bench, "measure against Odoo's own speed")
    sub.add_argument("names", nargs="*", metavar="NAME", help="benches to run (default: all)")
    sub.add_argument("--json", metavar="FILE", help="also write the results there")
    sub.add_argument("--n", type=int, help="size of each bench instead of its own default")
    sub.add_argument("--rounds", type=int, help="how often each side is measured (default 3)")
    sub = _add(commands, "chaos", cmd_chaos, "kill, restart and starve everything, then compare the books")
    sub.add_argument("names", nargs="*", metavar="SCENARIO", help="scenarios to run (default: all)")
    sub.add_argument("--minutes", type=float, help="go on for so long (default: every scenario once)")
    sub.add_argument("--seed", type=int, help="repeat an earlier run, which has printed its seed")
    sub.add_argument("--records", type=int, help="records of each scenario (default 400)")
    sub.add_argument("--workers", type=int, help="worker processes of Odoo (default 0: threads)")
    sub.add_argument("--queue", action="store_true", help="run the lanes on OCA's job queue")
    _add(commands, "env", cmd_env, "print the environment's variables for a shell: eval \"$(./q2c env)\"")
    sub = _add(commands, "odoo", cmd_odoo, "run Odoo's own command line, e.g. q2c odoo server -d NAME -u MODULE")
    sub.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...")


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; what follows test and odoo belongs to pytest and Odoo."""
    if arguments and arguments[0] in {"test", "odoo"} and arguments[1:] not in (["-h"], ["--help"]):
        options = build_parser().parse_args(arguments[:1])
        options.arguments = arguments[1:]
        return options
    return build_parser().parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; foreseen failures end as a sentence and exit code 1."""
    options = _parse(sys.argv[1:] if arguments is None else arguments)
    # Being told to end must drop temporary databases, too.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        return options.run(options)
    except Failure as failure:
        show_failure(failure)
        return 1
    except OdooError as error:
        show_failure(Failure(f"Odoo answered with an error: {error.message}", "See its log with: ./q2c logs odoo"))
        return 1
    except BrokenPipeError:
        # The reader of our output (a pager, head) has gone away.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        show_failure(_as_failure(error))
        return 1
    except KeyboardInterrupt:
        print("\nq2c: interrupted; the same command carries on from here.", file=sys.stderr)
        return 130


def _as_failure(error: OSError) -> Failure:
    """A sentence for an error of the operating system, such as a full disk."""
    where = f" ({error.filename})" if error.filename else ""
    return Failure(f"The operating system says: {error.strerror or error}{where}.",
                   "Find out what is wrong with: ./q2c doctor")
