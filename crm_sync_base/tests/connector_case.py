"""A connection over real HTTP to whatever stands in for its provider.

`StandInCase` is for anybody's connector: it starts a process of its author's, and puts a
proxy in front of it that counts calls and fails on request. `SandboxCase` is for those of
this repository, whose sandbox process does both by itself.
"""

import socket
import subprocess
import time
import unittest
from pathlib import Path
from tempfile import TemporaryDirectory

from odoo.tests import TransactionCase, tagged

from .fault_proxy import FaultProxy

try:
    from tests.support.servers import Sandbox
except ImportError:  # installed without the repository's test support
    Sandbox = None

PATIENCE = 30.0  # seconds that a process may take to answer


@tagged("post_install", "-at_install")
class ConnectorCase(TransactionCase):
    """A connection, connected with real authentication.

    Subclasses set `provider` and `api_version`, and implement `credentials`,
    `remote_url`, `fault`, `clear_faults` and `calls_since`.
    """

    provider = ""
    api_version = ""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.start_remote()
        cls.env["sync.lane"]._ensure_lanes()
        cls.lane = cls.env["sync.lane"].search([("express", "=", False)], limit=1)
        cls.connection = cls.env["sync.connection"].create(cls.connection_values())
        cls.connection._store_credentials(cls.credentials())
        cls.connection.action_connect()
        cls.connector = cls.connection._connector()

    @classmethod
    def start_remote(cls):
        """Start what stands in for the provider; stopped when the class is done."""

    @classmethod
    def connection_values(cls):
        """Return the values of the connection."""
        return {
            "name": f"Test {cls.provider}",
            "provider": cls.provider,
            "base_url": cls.remote_url(),
            "api_version": cls.api_version,
        }

    @classmethod
    def remote_url(cls):
        """Return the base URL of the connection."""
        raise NotImplementedError

    @classmethod
    def credentials(cls):
        """Return the credentials as `_store_credentials` takes them."""
        raise NotImplementedError

    def setUp(self):
        super().setUp()
        self.clear_faults()
        self.addCleanup(self.clear_faults)

    def fault(self, kind, **parameters):
        """Let the next call fail; see `fault_proxy`."""
        raise NotImplementedError

    def clear_faults(self):
        """Let all calls pass."""
        raise NotImplementedError

    def calls_since(self, sequence):
        """Return `{"last_seq": number, "calls": [{status, correlation, …}]}`."""
        raise NotImplementedError

    def run_lane(self):
        """Run everything that is due, as after a commit; returns the number of jobs."""
        self.env.flush_all()
        self.env.cr.precommit.run()
        total = 0
        while processed := self.lane._run_once():
            total += processed
            self.env.cr.precommit.run()
        return total


# === Anybody's stand-in ===#


class StandInCase(ConnectorCase):
    """A connection to a process that its author wrote, through a proxy.

    Subclasses implement `start_standin`.
    """

    @classmethod
    def start_standin(cls) -> str:
        """Start the stand-in, by `serve` say; return its base URL."""
        raise NotImplementedError

    @classmethod
    def start_remote(cls):
        cls.standin_url = cls.start_standin()
        cls.proxy = FaultProxy(cls.standin_url).start()
        cls.addClassCleanup(cls.proxy.stop)

    @classmethod
    def remote_url(cls):
        return cls.proxy.url

    @classmethod
    def serve(cls, command, folder):
        """Start a process that serves HTTP on a port of this machine.

        :param command: its command line; `{port}` in it becomes a free port.
        :param folder: where it runs.
        :return: its base URL, once it takes connections.
        :raises AssertionError: when it ends, or takes none for half a minute.
        """
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [part.format(port=port) for part in command], cwd=folder, stdin=subprocess.DEVNULL
        )
        cls.addClassCleanup(process.wait, PATIENCE)
        cls.addClassCleanup(process.terminate)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return f"http://127.0.0.1:{port}"
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"{command[0]} does not serve") from None
                time.sleep(0.05)

    def fault(self, kind, **parameters):
        """Let the next call fail."""
        self.proxy.fault(kind, **parameters)

    def clear_faults(self):
        """Let all calls pass."""
        self.proxy.clear_faults()

    def calls_since(self, sequence):
        """Return the calls that passed the proxy since a sequence number."""
        return self.proxy.calls_since(sequence)


# === The repository's sandbox ===#


def start_sandbox(test_class):
    """Start a sandbox for one test class (Odoo ends child processes after each class).

    :param test_class: stops it when its tests are done.
    :raises unittest.SkipTest: without the repository's test support.
    """
    if Sandbox is None:
        raise unittest.SkipTest("the sandbox is only in the repository, not in an installed module")
    folder = TemporaryDirectory(prefix="sandbox-")
    test_class.addClassCleanup(folder.cleanup)
    sandbox = Sandbox(Path(folder.name), ["--retry-scale", "0.001"])
    test_class.addClassCleanup(sandbox.stop)
    sandbox.start()
    return sandbox


class SandboxCase(ConnectorCase):
    """A connection to the repository's sandbox."""

    @classmethod
    def start_remote(cls):
        cls.sandbox = start_sandbox(cls)
        cls.admin = cls.sandbox.admin

    @classmethod
    def remote_url(cls):
        return f"{cls.sandbox.url}/{cls.provider}"

    def fault(self, kind, **parameters):
        """Prepare a fault for the next call of this provider."""
        return self.admin.post("/faults", {"vendor": self.provider, "kind": kind, "times": 1, **parameters})

    def clear_faults(self):
        """Let all calls pass."""
        self.admin.delete("/faults")

    def calls_since(self, sequence):
        """Return the calls that the sandbox got since a sequence number."""
        return self.admin.get(f"/calls?vendor={self.provider}&since={sequence}&limit=1000")
