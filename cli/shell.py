"""Running other programs: output to a log file, failures as sentences."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import paths
from .console import Failure


def run_logged(
    command: Sequence[str | Path],
    log: str,
    what: str,
    fix: str = "",
    env: Mapping[str, str] | None = None,
    script: str = "",
    **options,
) -> str:
    """Run ``command`` with its output appended to ``.q2c/logs/<log>.log``.

    :param str what: what failed, as the beginning of the sentence shown
    :param str fix: what to do about it
    :param str script: what it reads from its standard input
    :return: the output of this run
    :raise Failure: when the command fails; its last lines are in the message
    """
    paths.LOGS.mkdir(parents=True, exist_ok=True)
    file = paths.LOGS / f"{log}.log"
    with open(file, "ab") as handle:
        handle.write(f"$ {' '.join(map(str, command))}\n".encode())
        start = handle.tell()
        handle.flush()
        code = subprocess.run(
            [str(part) for part in command],
            input=script.encode(),
            stdout=handle,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            check=False,
            **options,
        ).returncode
    output = _read_from(file, start)
    if code:
        known, everything = explain(output), f"All of it: {paths.shown(file)}"
        if known:
            raise Failure(f"{what}.", f"{known}\n     {everything}")
        raise Failure(f"{what}:\n{tail(output)}", fix or everything)
    return output


def _read_from(file: Path, start: int) -> str:
    with open(file, "rb") as handle:
        handle.seek(start)
        return handle.read().decode(errors="replace")


#: Odoo's log at level INFO, and Python's underlining of the place of an error.
_CHATTER = re.compile(r"\d{4}-\d\d-\d\d [\d:,]+ \d+ INFO |\s*[~^]+$")


def tail(output: str, lines: int = 12) -> str:
    """The last lines of an output that say something, indented; Odoo's chatter is left out."""
    kept = [line for line in output.splitlines() if line.strip() and not _CHATTER.match(line)][-lines:]
    return "\n".join(f"       {line}" for line in kept)


#: What programs print when the disk is full.
_FULL_DISK = ("No space left on device", "not have enough free space", "Disk quota exceeded")

#: What programs print when they reach nobody.
_NO_NETWORK = (
    "Temporary failure resolving", "Temporary failure in name resolution", "Name or service not known",
    "Network is unreachable", "Could not connect to", "Connection timed out", "Connection refused",
    "Max retries exceeded", "NewConnectionError", "ProxyError", "Could not resolve",
)

_KNOWN = (
    (_FULL_DISK, "The disk is full: free some space (q2c needs about 5 GB) and run the same command again."),
    (_NO_NETWORK, (
        "The network or the package mirror cannot be reached: check it and run the same command again; "
        "what is already built is kept."
    )),
)


def explain(output: str) -> str:
    """The fix for a failure known by what the program printed, or ''."""
    for signs, fix in _KNOWN:
        if any(sign in output for sign in signs):
            return fix
    return ""


def capture(command: Sequence[str | Path], **options) -> subprocess.CompletedProcess[str]:
    """Run ``command`` and return its result with text output, never raising for its exit code."""
    return subprocess.run(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        **options,
    )


def require(program: str, fix: str) -> str:
    """Path of ``program``, or a failure that says how to get it."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Failure(f"The program '{program}' is not installed.", fix)
    return found


def need_space(folder: Path, gigabytes: float) -> None:
    """Fail early, with a sentence, when ``folder``'s disk has too little room."""
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise Failure(
            f"{paths.shown(folder)} has {free:.1f} GB free; this step needs {gigabytes:.1f} GB.",
            "Free some space, or set Q2C_STATE to a folder on a larger disk, and run the same command again.",
        )
