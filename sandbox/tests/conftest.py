"""Fixtures: a real sandbox process on a free loopback port, and a client of its admin API.

``SANDBOX_TEST_VENDORS=salesforce`` serves only that vendor.
"""

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]

#: Vendors' data for checks of shapes; tests that need it skip where it is absent.
SHARED_DATA = ROOT.parent / "shared" / "data"


def free_port():
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Sandbox:
    """A sandbox subprocess and its admin API.

    :param arguments: more command-line arguments, e.g. ``"--seed", "empty"``.
    """

    def __init__(self, *arguments, state=None):
        self.arguments, self.state = list(arguments), state
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.session = requests.Session()

    def start(self):
        """Start the process and wait until it answers; returns self."""
        command = [sys.executable, "-m", "sandbox", "--port", str(self.port), *self.arguments]
        if os.environ.get("SANDBOX_TEST_VENDORS"):
            command += ["--vendors", os.environ["SANDBOX_TEST_VENDORS"]]
        if self.state:
            command += ["--state", str(self.state)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.session.get(self.url + "/_admin/health", timeout=5)
                return self
            except requests.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the sandbox did not start") from None
                time.sleep(0.05)

    def stop(self, kill=False):
        """End the process, gently or by SIGKILL."""
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(20)

    def admin(self, method, path, **keywords):
        """Call the admin API; returns the JSON answer, raises on an error status."""
        response = self.session.request(
            method, f"{self.url}/_admin/{path}", timeout=60, **keywords)
        if response.status_code >= 400:
            raise AssertionError(f"{response.status_code}: {response.text}")
        return response.json()

    def fault(self, vendor, kind, **rule):
        """Add a fault rule."""
        return self.admin("POST", "faults", json={"vendor": vendor, "kind": kind, **rule})

    def calls(self, since=0, **query):
        """Return the call log after sequence number ``since``."""
        return self.admin("GET", "calls", params={"since": since, **query})

    def wait_deliveries(self, vendor, count, state="delivered", timeout=10):
        """Wait until ``count`` deliveries have reached ``state``; returns them."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.admin("GET", "webhooks", params={"vendor": vendor, "state": state})
            if len(found) >= count or time.monotonic() > deadline:
                assert len(found) >= count, f"{len(found)} of {count} deliveries are {state}"
                return found
            time.sleep(0.05)


@pytest.fixture(scope="session")
def sandbox_process():
    """One sandbox with the demo seed for the whole run (retries compressed 1:1000)."""
    sandbox = Sandbox("--retry-scale", "0.001").start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(sandbox_process):
    """The running sandbox without faults, on real time; data are what earlier tests left."""
    sandbox_process.admin("DELETE", "faults")
    sandbox_process.admin("POST", "clock", json={"reset": True})
    return sandbox_process


@pytest.fixture
def fresh_sandbox(sandbox):
    """The running sandbox, reset to the demo seed."""
    sandbox.admin("POST", "reset", json={"profile": "demo"})
    return sandbox


@pytest.fixture
def own_sandbox(tmp_path):
    """A factory of sandboxes of this test alone: ``own_sandbox("--seed", "empty", state=path)``."""
    started = []

    def make(*arguments, **keywords):
        sandbox = Sandbox(*arguments, **keywords).start()
        started.append(sandbox)
        return sandbox

    yield make
    for sandbox in started:
        if sandbox.process.poll() is None:
            sandbox.stop()


@pytest.fixture
def shared_data():
    """Return a function from a relative name to the path of a shared data file, or skip."""
    def path(name):
        found = SHARED_DATA / name
        if not found.exists():
            pytest.skip(f"shared data file {name} is not present")
        return found
    return path


class SalesforceSession:
    """A connected Salesforce client for tests, thin on purpose: it hides nothing."""

    def __init__(self, sandbox, version="67.0"):
        self.sandbox, self.root = sandbox, sandbox.url + "/salesforce"
        self.base = f"{self.root}/services/data/v{version}"
        self.http = requests.Session()
        self.credentials = sandbox.admin("GET", "credentials")["salesforce"]
        reply = self.token(grant_type="client_credentials", client_id=self.credentials["client_id"],
                           client_secret=self.credentials["client_secret"])
        self.access_token = reply.json()["access_token"]
        self.http.headers["Authorization"] = "Bearer " + self.access_token

    def token(self, **form):
        """Call the token endpoint."""
        return requests.post(self.root + "/services/oauth2/token", data=form, timeout=10)

    def call(self, method, path, **keywords):
        """Call a resource below the version; returns the response."""
        return self.http.request(method, f"{self.base}/{path}", timeout=30, **keywords)

    def query(self, soql, **keywords):
        """Run SOQL that must succeed; returns the body."""
        response = self.call("GET", "query", params={"q": soql}, **keywords)
        assert response.status_code == 200, response.text
        return response.json()

    def create(self, name, **values):
        """Insert a record that must be accepted; returns its id."""
        response = self.call("POST", f"sobjects/{name}", json=values)
        assert response.status_code == 201, response.text
        return response.json()["id"]

    def get(self, name, record_id):
        """Return a record that must exist."""
        response = self.call("GET", f"sobjects/{name}/{record_id}")
        assert response.status_code == 200, response.text
        return response.json()

    def error(self, method, path, **keywords):
        """Return ``(status, errorCode)`` of a call that must fail."""
        response = self.call(method, path, **keywords)
        assert response.status_code >= 300, response.text
        return response.status_code, response.json()[0]["errorCode"]


@pytest.fixture
def sf(sandbox):
    """A connected Salesforce client; records are what earlier tests left."""
    return SalesforceSession(sandbox)


@pytest.fixture
def fresh_sf(fresh_sandbox):
    """A connected Salesforce client on a freshly seeded sandbox."""
    return SalesforceSession(fresh_sandbox)
