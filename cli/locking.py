"""One q2c at a time changes the environment; the others wait and say so."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import time
from collections.abc import Iterator

from . import paths
from .console import Failure, say


@contextlib.contextmanager
def exclusive(name: str = "setup", patience: float = 1800.0) -> Iterator[None]:
    """Hold lock ``name``; the kernel releases it when this process dies.

    :param float patience: seconds to wait for another q2c
    :raise Failure: when the other one is still at work after that
    """
    with open_lock(name) as handle:
        _wait_for(handle, name, patience)
        yield


def open_lock(name: str):
    """Open the lock file, creating the folders above it."""
    folder = paths.RUN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return open(folder / f"{name}.lock", "a+")
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        raise Failure(
            f"{paths.shown(folder)} cannot be written by this user.",
            "Run q2c as the user who built it, or set Q2C_STATE to another folder.",
        ) from error


def _wait_for(handle, name: str, patience: float) -> None:
    """Take the lock, saying once that another process holds it."""
    deadline = time.monotonic() + patience
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if not told:
                say(f"  waiting for another q2c ({name})")
                told = True
            if time.monotonic() > deadline:
                raise Failure(
                    f"Another q2c has held the lock '{name}' for too long.",
                    "Look for it with: ps aux | grep q2c",
                ) from None
            time.sleep(0.2)
