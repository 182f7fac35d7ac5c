"""What ``q2c run`` hands to the part that shows a deal's travel."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import dataclass
from typing import Any

from . import database, postgres
from .rpc import Odoo


@dataclass(frozen=True)
class Environment:
    """The running system: where things answer and how to talk to them.

    :param odoo_url: Odoo, as a browser on this machine opens it
    :param sandbox_url: the vendors' stand-ins; each below its name (``/salesforce``…)
    :param database: Odoo's database
    :param odoo: logged-in client of Odoo
    """

    odoo_url: str
    sandbox_url: str
    database: str
    odoo: Odoo
    login: str = "admin"
    password: str = "admin"

    @classmethod
    def of(cls, odoo_url: str, sandbox_url: str, name: str = database.DEMO) -> Environment:
        """The environment at these addresses, as the administrator."""
        return cls(odoo_url, sandbox_url, name, Odoo(odoo_url, name))

    def rpc(self, model: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a public method of a model in Odoo; see :meth:`cli.rpc.Odoo.call`."""
        return self.odoo.call(model, method, *args, **kwargs)

    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query on Odoo's database, every value as text."""
        text = postgres.query(query, self.database)
        return [line.split("|") for line in text.splitlines()]

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox, e.g. ``sandbox('GET', '/_admin/credentials')``; JSON in and out."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.sandbox_url + path, data, {"Content-Type": "application/json"},
                                         method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            raw = answer.read()
        return json.loads(raw) if raw else None

    def record_url(self, model: str, record_id: int) -> str:
        """Address of a record's form in the browser."""
        return f"{self.odoo_url}/odoo/{model}/{record_id}"
