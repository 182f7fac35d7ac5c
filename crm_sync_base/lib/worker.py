"""Who does the work, and does its process live? Tells a crash from a mere failure."""

from __future__ import annotations

import functools
import os
import socket
import threading

_HOST = socket.gethostname()[:64]


def process() -> str:
    """Return what no other process has: host, process id and the process's start."""
    return _process(os.getpid())


@functools.lru_cache(maxsize=1)
def _process(pid: int) -> str:
    """Return it for this process: asked for with its id, because that is another one after a fork."""
    return f"{_HOST}:{pid}:{_started(pid)}"


def identity() -> str:
    """Return what no other worker has: the process and the thread in it."""
    return f"{process()}:{threading.get_native_id()}"


def lives(worker: str | None) -> bool:
    """Return whether the process of an `identity` still runs.

    A process of another host counts as gone: whoever asks holds the lock of its lane,
    so it has lost at least its database connection.
    """
    try:
        host, pid, started, _thread = (worker or "").rsplit(":", 3)
        return host == _HOST and started == _started(int(pid)) != ""
    except ValueError:
        return False


def _started(pid: int) -> str:
    """Return when a process began, in the kernel's ticks; empty when there is none.

    Process ids are used again, the pair with the moment of the start is not
    (proc(5), field 22 of `stat`).
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            fields = stream.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
