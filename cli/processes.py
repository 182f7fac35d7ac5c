"""Long-running processes: started, known by pid file, watched until healthy, ended.

The same code starts the services of ``q2c run`` (which outlive the command) and
those of the tests (which must not outlive the test run).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import markers, paths, shell
from .console import Failure

_LOG_LIMIT = 50 * 1024 * 1024
_PR_SET_PDEATHSIG = 1


def started_at(pid: int) -> str:
    """When process ``pid`` started, in the kernel's clock ticks; '' if it is gone.

    Tells a process from a later one that got the same number.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The second field, the program's name in parentheses, may hold anything.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _end_with_parent() -> None:
    """Have the kernel kill this process when the one that started it dies."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Service:
    """One process of ours.

    :param name: shown to the user
    :param command: command line
    :param folder: where its pid file is
    :param log: its output
    :param healthy: answers whether it is ready to work
    :param ends_with_parent: killed by the kernel when the process that started it ends
    """

    name: str
    command: Sequence[str]
    folder: Path
    log: Path
    env: Mapping[str, str]
    healthy: Callable[[], bool]
    ends_with_parent: bool = False
    _child: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def pid_file(self) -> Path:
        """The file that holds its process id."""
        return self.folder / f"{self.name}.pid"

    @property
    def pid(self) -> int | None:
        """Its process id, None when it does not run."""
        if self._child is not None:
            self._child.poll()  # reaps it when it has ended
        try:
            known = json.loads(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        alive = started_at(known["pid"])
        return known["pid"] if alive and alive == known["started"] else None

    def start(self, patience: float = 120.0) -> None:
        """Start it and wait until it is healthy.

        :raise Failure: when it ends at once or is not healthy in ``patience`` seconds
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._rotate_log()
        with open(self.log, "ab") as output:
            self._child = subprocess.Popen(
                list(self.command), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=dict(self.env), cwd=paths.ROOT, start_new_session=True,
                preexec_fn=_end_with_parent if self.ends_with_parent else None,  # noqa: PLW1509 - one system call
            )
        pid = self._child.pid
        markers.write_atomically(self.pid_file, json.dumps({"pid": pid, "started": started_at(pid)}))
        self._wait_until_healthy(patience)

    def _wait_until_healthy(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        while not self.healthy():
            if self._child is not None and self._child.poll() is not None:
                raise Failure(f"{self.name} ended while starting:\n{self.last_lines()}",
                              f"All of it: {paths.shown(self.log)}")
            if time.monotonic() > deadline:
                self.kill()
                raise Failure(f"{self.name} was not ready after {patience:.0f} s:\n{self.last_lines()}",
                              f"All of it: {paths.shown(self.log)}")
            time.sleep(0.1)

    def last_lines(self, lines: int = 12) -> str:
        """The end of its log."""
        try:
            return shell.tail(self.log.read_text(errors="replace")[-20000:], lines)
        except OSError:
            return ""

    def _rotate_log(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))

    def stop(self, patience: float = 20.0) -> bool:
        """End it politely, then by force; False if it did not run."""
        pid = self.pid
        if pid is None:
            self.pid_file.unlink(missing_ok=True)
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        if not self._wait_until_gone(patience):
            self.kill()
        self._kill_group(pid)
        self.pid_file.unlink(missing_ok=True)
        return True

    def kill(self) -> None:
        """End it and all that it started, at once, as ``kill -9`` does."""
        pid = self.pid
        if pid is not None:
            self._kill_group(pid)
            self._wait_until_gone(10.0)
        self.pid_file.unlink(missing_ok=True)

    @staticmethod
    def _kill_group(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _wait_until_gone(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while self.pid is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        if self._child is not None:
            # Its other threads may hold the port for a moment longer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(patience)
        return True
