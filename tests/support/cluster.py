"""A PostgreSQL server of a test's own, which it may restart, kill or starve.

The server that all other databases live on is never touched. While a cluster is in use
(a context manager), everything of ``cli`` that asks for the database server finds it,
as if the user's environment had named it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from cli import database, odoo, paths, postgres
from cli.console import Failure

_PR_SET_PDEATHSIG = 1

#: What PostgreSQL calls them: by which signal the server is told to stop.
STOP = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}

_CONFIGURED = ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE", postgres.EMBEDDED)


def _die_with_parent() -> None:
    """Have the kernel end the server, as after a crash, when the test run is gone."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)


class Cluster:
    """One embedded server with a data folder and a socket of its own.

    :param name: distinguishes it from others of this process
    """

    def __init__(self, name: str):
        self._layout = postgres.further_layout(f"{name}-{os.getpid()}")
        self._process: subprocess.Popen | None = None
        self._before: dict[str, str | None] = {}

    # -- life ---------------------------------------------------------------

    def __enter__(self) -> Cluster:
        _remove_orphans(self._layout.home)
        postgres.initialise(self._layout)
        self._layout.socket.mkdir(parents=True, exist_ok=True)
        self._own(self._layout.socket)
        self.start()
        self._make_role()
        self._use()
        return self

    def __exit__(self, *_error: object) -> None:
        self._leave()
        self.stop("immediate")
        for folder in {self._layout.home, self._layout.socket}:
            shutil.rmtree(folder, ignore_errors=True)

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, self._layout.account)

    def _make_role(self) -> None:
        made = self._psql(f"CREATE ROLE {postgres.ROLE} LOGIN CREATEDB IN ROLE pg_signal_backend")
        if made.returncode:
            raise Failure(f"The role could not be created: {made.stderr}")

    def _psql(self, sql: str) -> subprocess.CompletedProcess[str]:
        """Run a statement as superuser."""
        return subprocess.run(
            [str(postgres.program("psql")), "-X", "-q", "-A", "-t", "-d", "postgres", "-c", sql],
            env={**os.environ, "PGHOST": str(self._layout.socket), "PGPORT": postgres.PORT,
                 "PGUSER": postgres.SUPERUSER},
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )

    # -- the environment ----------------------------------------------------

    def _use(self) -> None:
        """Make this process and its children use this server; see :func:`main_server`."""
        self._before = {name: os.environ.get(name) for name in _CONFIGURED}
        for name in _CONFIGURED:
            os.environ.pop(name, None)
        os.environ.update(PGHOST=str(self._layout.socket), PGPORT=postgres.PORT, PGUSER=postgres.ROLE)

    def _leave(self) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    @contextlib.contextmanager
    def main_server(self) -> Iterator[None]:
        """For a moment, use the server that is used outside of this cluster."""
        self._leave()
        try:
            yield
        finally:
            self._use()

    # -- faults -------------------------------------------------------------

    def start(self, patience: float = 30.0) -> None:
        """Start the server and wait until it lets clients in.

        To be called from the thread that lives longest: the server ends with it.
        """
        log = self._layout.home / "server.log"
        log.touch()
        self._own(log)
        options: dict = {}
        if os.geteuid() == 0:
            import pwd

            entry = pwd.getpwnam(self._layout.account)
            options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with open(log, "ab") as output:
            self._process = subprocess.Popen(
                [str(self._layout.binaries / "postgres"), "-D", str(self._layout.data)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
                preexec_fn=_die_with_parent,  # one system call
                **options,
            )
        deadline = time.monotonic() + patience
        while self._psql("SELECT 1").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"The test's PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: ``fast``, ``immediate`` (as after a power cut), ``kill`` (the postmaster)."""
        if self._process is None:
            return
        self._process.send_signal(STOP[mode])
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = None

    def restart(self, mode: str = "fast", down: float = 0.0) -> None:
        """Stop it, leave it down for a number of seconds, start it."""
        self.stop(mode)
        time.sleep(down)
        self.start()

    # -- databases ----------------------------------------------------------

    def fetch_template(self, name: str) -> None:
        """Bring the suite's template from the main server as the database ``name`` of this one.

        :param name: also names its folder of attachments
        """
        dump = self._layout.home / "template.dump"
        with self.main_server():
            temporary = f"{database.copy_name('dump')}"
            database.copy_template(temporary)
            try:
                _run("pg_dump", "-Fd", "-j2", "-Z0", "-f", dump, temporary)
                shutil.rmtree(database.filestore(name), ignore_errors=True)
                if database.filestore(temporary).is_dir():
                    shutil.copytree(database.filestore(temporary), database.filestore(name))
            finally:
                database.drop(temporary)
        postgres.query(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        _run("pg_restore", "-j2", "--no-owner", "--no-comments", "-d", name, dump)
        shutil.rmtree(dump)


def _run(program: str, *arguments: str | Path) -> None:
    """Run a client program of PostgreSQL on the server in use.

    :raise Failure: with what it printed
    """
    done = subprocess.run(
        [str(postgres.program(program)), *map(str, arguments)], env=odoo.environment(),
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Failure(f"{program} failed: {done.stderr[-2000:]}")


def _remove_orphans(home: Path) -> None:
    """Delete the folders that test runs left which were killed."""
    stem = home.name.rpartition("-")[0]
    for folder in home.parent.glob(f"{stem}-*"):
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(Path("/tmp", f"q2c-{paths.TAG}-{folder.name.partition('-')[2]}"), ignore_errors=True)
