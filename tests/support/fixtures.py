"""Fixtures with real servers.

``sandbox`` and ``odoo_server`` serve all tests of one file, which is quick;
``fresh_sandbox`` and ``fresh_odoo_server`` are for tests that leave a mess.
"""

from __future__ import annotations

import shutil

import pytest

from cli import testing

from .servers import OdooServer, Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    """A running sandbox with the demo data, shared by the tests of a file."""
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as server:
        yield server


@pytest.fixture(scope="module")
def odoo_server(tmp_path_factory):
    """A running Odoo on a copy of the template, shared by the tests of a file."""
    with OdooServer(tmp_path_factory.mktemp("odoo")) as server:
        yield server


@pytest.fixture
def fresh_sandbox(tmp_path):
    """A running sandbox with the demo data, for one test."""
    with Sandbox(tmp_path / "sandbox") as server:
        yield server


@pytest.fixture
def fresh_odoo_server(tmp_path):
    """A running Odoo on a copy of the template, for one test."""
    with OdooServer(tmp_path / "odoo") as server:
        yield server


@pytest.fixture(scope="session")
def browser_path():
    """Path of a Chromium; without one the test is skipped (in CI, ``q2c test`` has failed before)."""
    found = testing.browser()
    if not found:
        pytest.skip("Chromium is not installed")
    return shutil.which(found) or found
