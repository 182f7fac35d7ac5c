"""The processes of the example, for end-to-end tests: Tiny CRM, and an Odoo that knows it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from cli import network, odoo, paths
from cli.processes import Service
from tests.support.servers import OdooServer, Server

FOLDER = Path(__file__).parent
ADDONS = FOLDER / "addons"
MODULE = "crm_sync_tinycrm"


def _fault_proxy() -> Any:
    """Return the module of that name, without the package around it: that wants an Odoo."""
    file = paths.ROOT / "crm_sync_base" / "tests" / "fault_proxy.py"
    spec = importlib.util.spec_from_file_location("fault_proxy", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


#: What stands between Odoo and Tiny CRM: counts the calls, fails on request.
FaultProxy = _fault_proxy().FaultProxy


class TinyCrm(Server):
    """A Tiny CRM process with a state of its own."""

    kind = "tinycrm"

    def _describe(self) -> Service:
        command = [str(paths.python()), "-m", "tinycrm", "--port", str(self.port),
                   "--state", str(self.folder / "tinycrm.sqlite")]
        # Started in the repository's root, as all services; the package lies here.
        env = {**odoo.environment(), "PYTHONPATH": str(FOLDER)}
        return Service(self.kind, command, self.folder, self.log_file, env,
                       lambda: network.answers(f"{self.url}/ui/webhook"), ends_with_parent=True)

    def ui(self, method: str, path: str, body: Any = None) -> Any:
        """Do something by hand.

        :raise requests.HTTPError: when it is refused
        """
        answer = requests.request(method, f"{self.url}/ui{path}", json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def add(self, kind: str, record_id: str | None = None, **fields: Any) -> str:
        """Create a record by hand; return its id."""
        return self.ui("POST", f"/records/{kind}", {"fields": fields, "id": record_id})["id"]

    def change(self, kind: str, record_id: str, **fields: Any) -> None:
        """Change a record by hand."""
        self.ui("PATCH", f"/records/{kind}/{record_id}", {"fields": fields})

    def look(self, kind: str, record_id: str) -> dict[str, Any]:
        """Return the fields of a record."""
        return self.ui("GET", f"/records/{kind}/{record_id}")["fields"]


class ExampleOdoo(OdooServer):
    """An Odoo whose database has the example's module, installed as its author would.

    :ivar report: what Odoo printed while it installed the module and ran its tests
    """

    def __init__(self, folder: Path):
        self.addons_path = f"--addons-path={odoo.addons_path()},{ADDONS}"
        self.report = ""
        super().__init__(folder, [self.addons_path])

    def create_database(self) -> None:
        """Copy the template; install the module, with its tests, by Odoo's own means."""
        super().create_database()
        line = odoo.command("server", [
            *odoo.options(self.database), self.addons_path, f"--init={MODULE}", f"--test-tags=/{MODULE}",
            "--stop-after-init", f"--http-port={network.free_port()}", "--max-cron-threads=0",
        ])
        done = subprocess.run(line, env=odoo.environment(), cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.report = done.stdout
