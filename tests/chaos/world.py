"""The processes of a scenario, connected, with hands to break them and eyes to compare them."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extensions

from cli import database, odoo, paths, shell
from cli.console import Failure, say, step
from cli.demo_setup import Setup
from cli.environment import Environment
from cli.rpc import OdooError
from tests.support import job_queue
from tests.support.cluster import Cluster
from tests.support.servers import OdooServer, Sandbox
from tests.support.waiting import wait_for

from . import snapshots
from .ledger import Finding, Job, Local, Remote, check
from .load import Player, plan

ADDONS = Path(__file__).parent / "addons"
TEMPLATE = "q2c_chaos_template"

#: Recovery is automatic within this many seconds of a fault's end (invariant I7).
RECOVERY_SECONDS = 60.0

#: Flows that bring masters; here they come by themselves, not only with a deal.
MASTERS = ("accounts", "contacts", "companies")

#: Salesforce tells by outbound message; the demo's own is about won opportunities only.
_MESSAGES = {
    "Account": {"id": "04k000000000002AAA", "object": "Account", "fields": ["Id", "SystemModstamp"]},
    "Contact": {"id": "04k000000000003AAA", "object": "Contact", "fields": ["Id", "SystemModstamp"]},
}

#: What the database being gone looks like in Odoo's log.
DATABASE_GONE = re.compile(
    r"terminating connection|server closed the connection|the database system is|connection already closed"
    r"|could not connect|connection to server|Connection refused|SSL connection has been closed"
    r"|cursor already closed|no connection to the server|connection is closed|AdminShutdown|OperationalError"
    r"|InterfaceError|CannotConnectNow|lost synchronization"
)


class ChaosOdoo(OdooServer):
    """An Odoo server on a copy of the chaos template, with the addon that obeys scenarios."""

    def __init__(self, folder: Path, arguments: Sequence[str] = (), beside: OdooServer | None = None,
                 queue: bool = False):
        self.queue = queue
        self.environment = job_queue.environment() if queue else {}
        self.addons_path = f"{job_queue.addons_path() if queue else odoo.addons_path()},{ADDONS}"
        super().__init__(folder, self._all(arguments), beside)

    def _all(self, arguments: Sequence[str]) -> list[str]:
        return [f"--addons-path={self.addons_path}", *(job_queue.OPTIONS if self.queue else ()), *arguments]

    def create_database(self) -> None:
        """Copy the template of this cluster; links point here."""
        database.copy(TEMPLATE, self.database)
        database.set_base_url(self.database, self.url)
        if self.queue:
            job_queue.install(self.database)

    def use(self, arguments: Sequence[str]) -> None:
        """Restart with further options, which stay."""
        self.arguments = self._all(arguments)
        self.restart()

    def upgrade(self, module: str) -> None:
        """Update a module in its database, which no server serves meanwhile."""
        line = odoo.command("server", [
            *odoo.options(self.database), f"--addons-path={self.addons_path}", f"--update={module}",
            "--stop-after-init", "--no-http", "--max-cron-threads=0"])
        shell.run_logged(line, "install", "The upgrade failed", env={**odoo.environment(), **self.environment},
                         cwd=paths.ROOT)

    @property
    def main_pid(self) -> int | None:
        """Process id of the server; of its parent process with several workers."""
        return self._service.pid

    def processes(self) -> set[int]:
        """Process ids of the server and of its workers."""
        return {self.main_pid, *self.workers()} - {None}

    def workers(self) -> list[int]:
        """Process ids of the parent's workers (none with threads)."""
        parent = self.main_pid
        if parent is None:
            return []
        try:
            text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            return []
        return [int(pid) for pid in text.split()]


@dataclass
class Report:
    """What a scenario came to."""

    name: str
    seconds: float = 0.0
    recovered: float | None = None  #: seconds from the fault's end until work went on
    settled: float | None = None  #: seconds from the fault's end until all was equal
    records: int = 0
    note: str = ""
    problem: str = ""


class Ground:
    """A PostgreSQL with the template that worlds are copied from; a context manager.

    It must be entered from the thread that lives longest: the server ends with it.
    """

    def __init__(self) -> None:
        self.cluster = Cluster("chaos")

    def __enter__(self) -> Ground:
        with contextlib.ExitStack() as stack, step("Chaos: a PostgreSQL of its own with the suite's template"):
            stack.enter_context(self.cluster)
            self.cluster.fetch_template(TEMPLATE)
            stack.callback(database.drop, TEMPLATE)
            _install_addon()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)


class World:
    """An Odoo and a sandbox of their own; a context manager.

    :param ground: what it stands on
    :param folder: for logs and state
    :param workers: Odoo's worker processes, 0 for threads
    :param seed: of everything random
    :param queue: whether lanes run on OCA's job queue instead of scheduled actions
    """

    def __init__(self, ground: Ground, folder: Path, workers: int = 0, seed: int = 1, queue: bool = False):
        self.cluster = ground.cluster
        self.folder, self.workers, self.seed, self.queue = Path(folder), workers, seed, queue
        self.rand = random.Random(seed)
        self._stack = contextlib.ExitStack()
        self._batches = 0
        self._log_start = 0

    # -- life ---------------------------------------------------------------

    def __enter__(self) -> World:
        with contextlib.ExitStack() as stack:
            kind = f"{self.workers} workers" if self.workers else "threads"
            with step(f"Chaos: sandbox and Odoo ({kind}{', lanes on the job queue' if self.queue else ''})"):
                self.sandbox = stack.enter_context(
                    Sandbox(self.folder / "sandbox", ["--retry-scale", "0.02"]))
                self.server = stack.enter_context(ChaosOdoo(
                    self.folder / "odoo", self.arguments, queue=self.queue))
                self.admin = self.sandbox.admin
                self.first = self.query(snapshots.watermarks)
                self._connect()
                self._go_live()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    @property
    def arguments(self) -> list[str]:
        """Options of Odoo's command line that this world always has."""
        return [f"--workers={self.workers}"] if self.workers else []

    def _connect(self) -> None:
        self.environment = Environment.of(self.server.url, self.sandbox.url, self.server.database)
        self.environment.odoo.authenticate()
        Setup(self.environment).run()

    def _go_live(self) -> None:
        rpc = self.server.rpc
        masters = rpc("sync.flow", "search", [("code", "in", MASTERS)])
        # They have looked already, and left alone what no deal needed.
        rpc("sync.flow", "write", masters, {"create_policy": "always", "poll_cursor": False})
        flows = rpc("sync.flow", "search", [])
        # So that a minute is enough for who was refused several times.
        rpc("sync.flow", "write", flows, {"max_wait": 10.0, "base_wait": 1.0, "max_attempts": 30})
        self._tell_of_masters()
        # What was invoiced before the payment provider was connected is charged now.
        rpc("sync.flow", "action_send_all", rpc("sync.flow", "search", [("code", "=", "charges")]))

    def _tell_of_masters(self) -> None:
        (connection,) = self.server.rpc(
            "sync.connection", "search_read", [("provider", "=", "salesforce")], ["webhook_url"])
        for message in _MESSAGES.values():
            self.admin.post("/salesforce/outbound-messages", {**message, "url": connection["webhook_url"]})
        self.admin.post("/stripe/config", {"autocard": "visa"})

    # -- reading ------------------------------------------------------------

    def connect(self) -> Any:
        """Return a connection to Odoo's database, on which money is exact.

        Odoo, once imported (as by its test plug-in), makes floats of the numbers of all others.
        """
        connection = psycopg2.connect(dbname=self.server.database, host=os.environ["PGHOST"],
                                      port=os.environ["PGPORT"], user=os.environ["PGUSER"])
        psycopg2.extensions.register_type(psycopg2.extensions.DECIMAL, connection)
        return connection

    def query(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """Return ``read(cursor, …)`` in one transaction that sees one moment and changes nothing."""
        connection = self.connect()
        try:
            connection.set_session(isolation_level="REPEATABLE READ")
            with connection.cursor() as cursor:
                return read(cursor, *arguments)
        finally:
            connection.close()

    def sql(self, query: str, params: Any = None) -> list[tuple]:
        """Run a statement and commit."""
        return self.server.sql(query, params)

    def count(self, state: str) -> int:
        """Return how many jobs are in a state; only due ones of the pending."""
        due = " AND eta <= timezone('utc', now())" if state == "pending" else ""
        return self.sql(f"SELECT count(*) FROM sync_job WHERE state = %s{due}", [state])[0][0]

    def snapshot(self) -> tuple[Remote, Local]:
        """Return what the providers and Odoo say now."""
        return snapshots.remote(self.admin), self.query(snapshots.local, self.first)

    def findings(self, allowed: Callable[[Job], bool] = lambda job: False) -> list[Finding]:
        """Return all that is not as it must be."""
        return check(*self.snapshot(), allowed)

    def rpc(self, model: str, method: str, *arguments: Any) -> Any:
        """Call a public method of Odoo's, again and again while it is being broken.

        :raise AssertionError: when it did not work within a minute
        """
        answers: list[Any] = []

        def ask() -> bool:
            self.keep_server()
            try:
                answers.append(self.server.rpc(model, method, *arguments))
            except (OSError, OdooError) as problem:
                say(f"    {model}.{method}: {problem}")
                return False
            return True

        wait_for(ask, f"{model}.{method} to be answered", RECOVERY_SECONDS, every=1.0)
        return answers[0]

    # -- work ---------------------------------------------------------------

    def play(self, records: int, per_second: float = 25.0, label: str = "") -> Player:
        """Start making about so many records; the plan is the seed's and the batch's."""
        self._batches += 1
        label = label or f"B{self._batches} "
        return Player(self.admin, plan(self.seed * 1000 + self._batches, records, label), per_second).start()

    def poll(self) -> None:
        """Let every flow look for changes now, as it does at intervals."""
        self.rpc("sync.flow", "action_poll_now", self.rpc("sync.flow", "search", [("poll", "=", True)]))

    # -- faults -------------------------------------------------------------

    def fault(self, vendor: str, kind: str, **rule: Any) -> None:
        """Add a fault rule to the sandbox."""
        self.admin.post("/faults", {"vendor": vendor, "kind": kind, **rule})

    def bad_network(self, share: float = 0.05) -> None:
        """Calls fail, hang and lose their answers; webhooks are lost, late, twice, in disorder."""
        for vendor in ("salesforce", "hubspot", "stripe"):
            for kind, rule in (
                ("drop_before", {}), ("drop_after", {}), ("truncate", {}), ("latency", {"ms": 800}),
                ("status", {"status": 503}), ("status", {"status": 429, "retry_after": 1}),
            ):
                self.fault(vendor, kind, probability=share / 3, **rule)
            for kind, rule in (
                ("webhook_drop", {}), ("webhook_duplicate", {"copies": 3}), ("webhook_reorder", {"ms": 700}),
                ("webhook_delay", {"ms": 1500}),
            ):
                self.fault(vendor, kind, probability=share * 3, **rule)

    def good_network(self) -> None:
        """End all faults of the providers."""
        self.admin.delete("/faults")
        self.admin.post("/webhooks/flush")

    def kill(self) -> str:
        """Kill -9 a random worker, or the server where there are only threads; return what it was."""
        workers = self.server.workers() if self.workers else []
        if workers and self.rand.random() < 0.8:
            pid = self.rand.choice(workers)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return f"worker {pid}"
        self.server.kill9()
        self.keep_server()
        return "server"

    def keep_server(self) -> None:
        """Start the server if it is dead; what kills it may do so again while it starts."""
        for _attempt in range(5):
            if self.server.is_alive:
                return
            try:
                self.server.restart()
            except Failure as problem:
                say(f"    {problem.message.splitlines()[0]}")

    def set_lanes(self, count: int) -> None:
        """Set the number of lanes, as a person does in the settings."""
        (settings,) = self.rpc("res.config.settings", "create", [{"sync_lane_count": count}])
        self.rpc("res.config.settings", "execute", [settings])

    def another_host(self) -> ChaosOdoo:
        """Return one more server of the same database, to be entered."""
        return ChaosOdoo(self.folder / "host", self.arguments, beside=self.server, queue=self.queue)

    def share_with(self, host: ChaosOdoo) -> None:
        """Have another server run jobs, too.

        Of the job queue's runners one serves a database, and has its own server run everything:
        then it is the other one's turn.
        """
        if self.queue:
            self.server.stop()
            wait_for(lambda: self.sql(job_queue.RUNNER_SQL), f"the runner of {host.url} to serve the database")
            self.server.restart()

    def lose(self, host: ChaosOdoo) -> set[tuple[int, int]]:
        """Kill a server while it runs jobs; return id and attempt of these."""
        while True:
            pids = host.processes()
            wait_for(lambda pids=pids: self._run_by(pids), "the other server to run jobs", every=0.02)
            host.kill9()
            lost = self._run_by(pids)
            if lost:
                return lost
            host.restart()  # it was done with them just then

    def _run_by(self, pids: set[int]) -> set[tuple[int, int]]:
        """Return id and attempt of the jobs that some processes run."""
        rows = self.sql("SELECT id, attempts, worker FROM sync_job WHERE state = 'running'")
        return {(job_id, attempts) for job_id, attempts, worker in rows if int(worker.rsplit(":", 3)[1]) in pids}

    def terminate_backends(self, share: float = 0.5) -> int:
        """Terminate a share of Odoo's database sessions; return how many."""
        pids = [pid for (pid,) in self.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname IN (%s, 'postgres') AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'", [self.server.database])]
        chosen = [pid for pid in pids if self.rand.random() < share]
        for pid in chosen:
            self.sql("SELECT pg_terminate_backend(%s)", [pid])
        return len(chosen)

    def break_table(self, table: str) -> None:
        """Let every insert into a table fail as if the disk were full."""
        self.sql(f"""
            CREATE OR REPLACE FUNCTION q2c_chaos_disk_full() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100';
            END $$;
            CREATE TRIGGER q2c_chaos_disk_full BEFORE INSERT ON {table}
               FOR EACH ROW EXECUTE FUNCTION q2c_chaos_disk_full()""")

    def mend_table(self, table: str) -> None:
        """End that."""
        self.sql(f"DROP TRIGGER q2c_chaos_disk_full ON {table}")

    def switch_crons_off(self) -> None:
        """Do what Odoo does to a scheduled action that fails too often: to those of all lanes.

        A running one is waited for: its row is locked.
        """
        self.sql("UPDATE ir_cron SET active = false WHERE id IN (SELECT cron_id FROM sync_lane)")

    def set_parameter(self, name: str, value: str) -> None:
        """Set a system parameter of Odoo."""
        self.rpc("ir.config_parameter", "set_param", name, value)

    # -- afterwards ---------------------------------------------------------

    def begin(self) -> None:
        """A scenario begins: what is in the log so far is none of its business."""
        self._log_start = len(self.server.log)

    def stranded(self) -> set[tuple[int, int]]:
        """Return id and attempt of what is marked running right now."""
        return set(self.sql("SELECT id, attempts FROM sync_job WHERE state = 'running'"))

    def wait_recovered(self, ended: float, stranded: set[tuple[int, int]]) -> float:
        """Wait until work goes on after a fault.

        That is: none of the jobs that were running when the fault ended is still at the
        same attempt, and something was finished since, unless there is nothing to do.

        :param ended: `time.monotonic()` at the end of the fault
        :return: seconds since then
        :raise AssertionError: after a minute
        """
        moment = self.sql("SELECT timezone('utc', now()) - make_interval(secs => %s)", [time.monotonic() - ended])[0][0]

        def recovered() -> bool:
            if stranded & self.stranded():
                return False
            if self.sql("SELECT 1 FROM sync_job WHERE done_at > %s LIMIT 1", [moment]):
                return True
            return not self.count("pending") and not self.count("running")

        self._patiently(recovered, "work to go on", RECOVERY_SECONDS - (time.monotonic() - ended))
        return time.monotonic() - ended

    def settle(self, seconds: float = RECOVERY_SECONDS, allowed: Callable[[Job], bool] = lambda job: False) -> float:
        """Wait until nothing is left to do and everything is equal; return the seconds it took.

        :raise AssertionError: with what is still not so
        """
        started = time.monotonic()
        last: list[Finding] = []

        def equal() -> bool:
            last[:] = self.findings(allowed)
            return not last

        try:
            self._patiently(equal, "everything to be equal", seconds, every=0.5)
        except AssertionError:
            text = "\n".join(f"  {finding}" for finding in last[:25])
            raise AssertionError(f"after {seconds:.0f} s {len(last)} things are not right:\n{text}\n"
                                 f"{self._queue()}\n{self.diagnose()}") from None
        return time.monotonic() - started

    def _queue(self) -> str:
        """Return in a line what the queue holds."""
        rows = self.sql("SELECT state, kind, count(*) FROM sync_job WHERE state <> 'done' GROUP BY 1, 2 ORDER BY 1, 2")
        return "queue: " + (", ".join(f"{count} {kind} {state}" for state, kind, count in rows) or "empty")

    def diagnose(self) -> str:
        """Return what the database waits for; have every thread of Odoo say in its log where it is."""
        for pid in self.server.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        rows = self.sql(
            """SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid)::text,
                      round(extract(epoch FROM clock_timestamp() - xact_start)),
                      left(regexp_replace(query, '\\s+', ' ', 'g'), 150)
                 FROM pg_stat_activity
                WHERE datname = %s AND xact_start IS NOT NULL AND pid <> pg_backend_pid() ORDER BY xact_start""",
            [self.server.database])
        time.sleep(1.0)  # for the stacks to reach the log, which is kept
        return "\n".join(["open transactions:", *(f"  {row}" for row in rows), self.server._service.last_lines(8)])

    def assert_log(self, *fault: re.Pattern[str] | str) -> None:
        """Assert that the log since `begin` has no errors but those that are the fault's own.

        :param fault: what such an entry contains
        """
        from tests.support.servers import errors_in

        patterns = [re.compile(text) if isinstance(text, str) else text for text in fault]
        wrong = [entry for entry in errors_in(self.server.log[self._log_start:])
                 if not any(pattern.search(entry) for pattern in patterns)]
        assert not wrong, f"{len(wrong)} errors in Odoo's log:\n" + "\n".join(entry[-1500:] for entry in wrong[:3])

    def _patiently(self, condition: Callable[[], bool], what: str, seconds: float, every: float = 0.2) -> None:
        """Wait for a condition that may fail while the database is away; a dead server is started."""

        def ask() -> bool:
            self.keep_server()
            try:
                return condition()
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                return False

        wait_for(ask, what, max(seconds, 1.0), every)

    @contextlib.contextmanager
    def scenario(self, name: str) -> Iterator[Report]:
        """Time a scenario and say what came of it."""
        report = Report(name)
        started = time.monotonic()
        self.begin()
        try:
            yield report
        except Exception as problem:
            report.problem = str(problem)
            raise
        finally:
            report.seconds = time.monotonic() - started
            say(describe(report))


def describe(report: Report) -> str:
    """Return a line about a scenario."""
    parts = [f"{report.records} records" if report.records else ""]
    parts.append(f"work went on after {report.recovered:.1f} s" if report.recovered is not None else "")
    parts.append(f"all equal after {report.settled:.1f} s" if report.settled is not None else "")
    parts.append(report.note)
    verdict = "FAILED" if report.problem else "ok"
    return f"  {report.name:22} {report.seconds:6.1f} s  {verdict:6}  {'; '.join(part for part in parts if part)}"


def _install_addon() -> None:
    """Install the addon that scenarios command into the chaos template."""
    line = odoo.command("server", [
        *odoo.options(TEMPLATE), f"--addons-path={odoo.addons_path()},{ADDONS}", "--init=q2c_chaos",
        "--stop-after-init", "--no-http", "--max-cron-threads=0",
    ])
    shell.run_logged(line, "install", "The addon of the chaos scenarios could not be installed",
                     env=odoo.environment(), cwd=paths.ROOT)


