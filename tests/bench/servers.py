"""Odoo servers with the benches' own addons, on fresh copies of a template."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cli import database, odoo, shell
from tests.support.servers import OdooServer

ADDONS = Path(__file__).parent / "addons"

#: What ``--workers`` and cron threads are called in names of results.
THREADED = ()
PREFORK = ("--workers=2",)


class BenchServer(OdooServer):
    """An Odoo server that has further addons.

    :param make_database: makes the database of this name
    :param install: modules to install in it
    :param load: server-wide modules besides Odoo's own
    :param addons: further folders of addons
    :param crons: threads or processes for scheduled actions
    """

    def __init__(self, folder: Path, make_database: Callable[[str], None], arguments: Iterable[str] = (),
                 install: Sequence[str] = (), load: Sequence[str] = (), addons: Sequence[Path] = (), crons: int = 0):
        self._make_database, self._install = make_database, install
        self.addons_path = ",".join([odoo.addons_path(), str(ADDONS), *map(str, addons)])
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder, [
            f"--addons-path={self.addons_path}", f"--load={','.join(['base', 'rpc', 'web', *load])}",
            f"--max-cron-threads={crons}", "--log-level=warn",
            # One database, named: with a filter Odoo lists the server's databases, over a
            # connection of its own, for every request without a session.
            "--db-filter=", *arguments,
        ])

    def create_database(self) -> None:
        """Copy the bench's template and install what it lacks; links point here."""
        self._make_database(self.database)
        if self._install:
            line = odoo.command("server", [
                *odoo.options(self.database), f"--addons-path={self.addons_path}", f"--init={','.join(self._install)}",
                "--stop-after-init", "--no-http", "--max-cron-threads=0", "--log-level=warn",
            ])
            shell.run_logged(line, "bench-install", "Odoo could not install the benches' addons",
                             env=odoo.environment())
        database.set_base_url(self.database, self.url)
