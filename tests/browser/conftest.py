"""What the tests in a browser share."""

from __future__ import annotations

import pytest

from . import ledger
from .chromium import Chromium
from .client import BROWSERS, WebClient, first_that_shows

PREFIX = "crm_sync_base.group_sync_"


@pytest.fixture(scope="module")
def server(odoo_server):
    """Odoo with something in every ledger, and a user for each group of the suite."""
    ledger.fill(odoo_server)
    for name in ("user", "operator", "manager", "approver", "auditor"):
        groups = [xmlid_id(odoo_server, "base.group_user"), xmlid_id(odoo_server, PREFIX + name)]
        odoo_server.rpc("res.users", "create", {
            "name": name.title(), "login": name, "password": name, "group_ids": [(6, 0, groups)],
        })
    return odoo_server


def xmlid_id(server, xmlid: str) -> int:
    """Return the id of the record with an external id."""
    module, name = xmlid.split(".")
    [row] = server.rpc("ir.model.data", "search_read", [("module", "=", module), ("name", "=", name)], ["res_id"])
    return row["res_id"]


@pytest.fixture
def login_to(browser_path, tmp_path):
    """Return a function that logs a user in to a server, each in a browser of their own."""
    browsers = []

    def log_in(server, name: str) -> WebClient:
        return first_that_shows(lambda: start(server, name), BROWSERS)

    def start(server, name: str) -> WebClient:
        # The chat window of OdooBot's greeting takes the focus whenever it arrives.
        server.sql("UPDATE res_users SET odoobot_state = 'disabled' WHERE login = %s", [name])
        browser = Chromium(browser_path, tmp_path / f"{name}-{len(browsers)}")
        page = browser.__enter__()
        browsers.append(browser)
        page.resize(1440, 900)
        return WebClient(page, server.url, name)

    yield log_in
    for browser in browsers:
        browser.__exit__()


@pytest.fixture
def login(server, login_to):
    """Return a function that logs a user in to the server with full ledgers."""
    return lambda name: login_to(server, name)
