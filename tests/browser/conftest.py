"""What the tests in a browser share."""

from __future__ import annotations

import pytest

from . import ledger
from .chromium import BrowserError, Chromium
from .client import WebClient

PREFIX = "crm_sync_base.group_sync_"
BROWSERS = 3  # that are tried for one login


@pytest.fixture(scope="module")
def server(odoo_server):
    """Odoo with something in every ledger, and a user for each group of the suite."""
    ledger.fill(odoo_server)
    for name in ("user", "operator", "manager", "approver", "auditor"):
        groups = [_id(odoo_server, "base.group_user"), _id(odoo_server, PREFIX + name)]
        odoo_server.rpc("res.users", "create", {
            "name": name.title(), "login": name, "password": name, "group_ids": [(6, 0, groups)],
        })
    return odoo_server


def _id(server, xmlid: str) -> int:
    module, name = xmlid.split(".")
    [row] = server.rpc("ir.model.data", "search_read", [("module", "=", module), ("name", "=", name)], ["res_id"])
    return row["res_id"]


@pytest.fixture
def login_to(browser_path, tmp_path):
    """Return a function that logs a user in to a server, each in a browser of their own."""
    browsers = []

    def start(profile: str):
        browser = Chromium(browser_path, tmp_path / profile)
        page = browser.__enter__()
        browsers.append(browser)
        page.resize(1440, 900)
        return page

    def log_in(server, name: str) -> WebClient:
        # A fresh browser now and then never shows the web client's first page: it stays
        # white, without an error or a request, however often it is loaded. Another one does.
        for attempt in range(1, BROWSERS):
            try:
                return WebClient(start(f"{name}-{attempt}"), server.url, name)
            except BrowserError:
                browsers.pop().__exit__()
        return WebClient(start(name), server.url, name)

    yield log_in
    for browser in browsers:
        browser.__exit__()


@pytest.fixture
def login(server, login_to):
    """Return a function that logs a user in to the server with full ledgers."""
    return lambda name: login_to(server, name)
