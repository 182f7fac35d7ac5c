"""Real processes for tests: Odoo on a database of its own, and the vendors' sandbox.

Every server takes a free port and a temporary folder, so that tests may run
side by side, and ends with the test run even if that is killed.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psycopg2
import requests

from cli import database, network, postgres, services
from cli.rpc import Odoo

from .waiting import wait_for

T = TypeVar("T")

_numbers = itertools.count(1)


#: How an entry of Odoo's log begins: date, time, process, level.
_ENTRY = re.compile(r"^(?=\d{4}-\d\d-\d\d [\d:,]+ \d+ [A-Z]+ )", re.M)
_ERROR = re.compile(r"\S+ \S+ \d+ (?:ERROR|CRITICAL) ")

#: Odoo logs these at level ERROR and then does the transaction again.
_DONE_AGAIN = "could not serialize access"


def errors_in(log: str) -> list[str]:
    """The entries of an Odoo log at level ERROR or CRITICAL, with their tracebacks.

    Serialization failures are no errors: Odoo repeats the transaction.
    """
    entries = (entry.strip() for entry in _ENTRY.split(log))
    return [entry for entry in entries if _ERROR.match(entry) and _DONE_AGAIN not in entry]


class SandboxAdmin:
    """Client of the sandbox's admin API; JSON in, JSON out, errors raise.

    :param url: base URL of the sandbox
    """

    def __init__(self, url: str):
        self.url = f"{url}/_admin"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and loopback

    def request(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        """Call ``/_admin<path>``; return the decoded answer, None if it is empty.

        :raise requests.HTTPError: when the sandbox refuses
        """
        answer = self._session.request(method, self.url + path, json=body, params=params, timeout=60)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text[:500]}", response=answer)
        return answer.json() if answer.content else None

    def get(self, path: str, **params: Any) -> Any:
        """Call with GET."""
        return self.request("GET", path, **params)

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        """Call with POST."""
        return self.request("POST", path, {} if body is None else body, **params)

    def delete(self, path: str, **params: Any) -> Any:
        """Call with DELETE."""
        return self.request("DELETE", path, **params)


class Server:
    """What the servers of the tests have in common; a context manager."""

    #: Used for the names of files.
    kind = ""

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        self.port = network.free_port()
        self.url = f"http://{network.HOST}:{self.port}"
        self.log_file = self.folder / f"{self.kind}.log"
        self._service = self._describe()

    def _describe(self) -> Any:
        """The process to start, see :class:`cli.processes.Service`."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self._service.start()

    def stop(self) -> None:
        """End the process politely."""
        self._service.stop()

    def kill9(self) -> None:
        """End the process as ``kill -9`` does: no handler runs, nothing is finished."""
        self._service.kill()

    def restart(self) -> None:
        """Start it again on the same port with the same data; it may be dead or alive."""
        self._service.stop()
        self._service = self._describe()
        self.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._service.pid is not None

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()


class Sandbox(Server):
    """The vendors' sandbox with a state of its own.

    :param folder: for its state and log
    :param arguments: further options of its command line, e.g. ``['--seed', 'empty']``
    """

    kind = "sandbox"

    def __init__(self, folder: Path, arguments: Iterable[str] = ()):
        self.arguments = list(arguments)
        super().__init__(folder)
        self.admin = SandboxAdmin(self.url)

    def _describe(self) -> Any:
        return services.sandbox_service(self.port, self.folder, self.log_file, self.folder / "sandbox.sqlite",
                                        self.arguments, ends_with_parent=True)


class OdooServer(Server):
    """An Odoo server on a fresh copy of the template database.

    :param folder: for its configuration and log
    :param arguments: further options of Odoo's command line, e.g. ``['--workers=2']``
    :param beside: a server whose database this one serves, too, as one more host
    """

    kind = "odoo"

    #: Further variables of its environment.
    environment: Mapping[str, str] = {}

    def __init__(self, folder: Path, arguments: Iterable[str] = (), beside: OdooServer | None = None):
        self.arguments = list(arguments)
        self._beside = beside
        self.database = beside.database if beside else database.copy_name(f"e2e{next(_numbers)}")
        # With worker processes a server listens there, too, and one that finds it taken starts
        # the process anew, again and again: that keeps a processor busy.
        self._gevent_port = network.free_port()
        super().__init__(folder)
        self.odoo = Odoo(self.url, self.database)

    def _describe(self) -> Any:
        arguments = [f"--gevent-port={self._gevent_port}", *self.arguments]
        return services.odoo_service(self.database, self.port, self.folder, self.log_file, arguments,
                                     self.environment, ends_with_parent=True)

    def __enter__(self) -> OdooServer:
        if not self._beside:
            self.create_database()
        try:
            return super().__enter__()
        except BaseException:
            self._drop_database()
            raise

    def __exit__(self, *_error: object) -> None:
        self.kill9()
        self._drop_database()

    def _drop_database(self) -> None:
        if not self._beside:
            database.drop(self.database)

    def create_database(self) -> None:
        """Copy the template, and make links and webhook addresses point here."""
        database.copy_template(self.database)
        database.set_base_url(self.database, self.url)

    def rpc(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public method as the administrator.

        :raise cli.rpc.OdooError: when it raises
        """
        return self.odoo.call(model, method, *args, **kwargs)

    def sql(self, query: str, params: Any = None) -> list[tuple]:
        """Run a statement on its database and commit; rows as tuples, [] if it returns none."""
        env = postgres.environment()
        connection = psycopg2.connect(
            dbname=self.database, host=env.get("PGHOST"), port=env.get("PGPORT"), user=env.get("PGUSER")
        )
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(query, params)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def errors(self) -> list[str]:
        """What it has logged at level ERROR or CRITICAL, see :func:`errors_in`."""
        return errors_in(self.log)

    def wait_for(self, condition: Callable[[], T], what: str, seconds: float = 60.0) -> T:
        """Wait for ``condition``; on failure show the end of the log, too."""
        return wait_for(condition, what, seconds, context=lambda: self._service.last_lines(30))
