"""Ports and small HTTP requests, with the standard library."""

from __future__ import annotations

import json
import socket
import time
import urllib.request

from .console import Failure

HOST = "127.0.0.1"


def is_free(port: int, host: str = HOST) -> bool:
    """Whether a server could listen on ``port`` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = HOST) -> int:
    """A port that the kernel says is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def wait_until_free(port: int, patience: float = 5.0) -> None:
    """Give a server of ours that was just killed the moment its threads need to go."""
    deadline = time.monotonic() + patience
    while not is_free(port) and time.monotonic() < deadline:
        time.sleep(0.1)


def choose_port(wanted: int, what: str, explicit: bool, avoid: tuple[int, ...] = ()) -> int:
    """``wanted`` if free, else the next free one of the following twenty.

    :param bool explicit: the user asked for this very port: fail instead of moving
    :raise Failure: when the port was asked for and is taken, or none is free
    """
    if wanted not in avoid and is_free(wanted):
        return wanted
    if explicit:
        raise Failure(f"Port {wanted}, asked for {what}, is in use by another program.",
                      f"See which one with: ss -ltnp 'sport = :{wanted}' — or ask for another port.")
    for port in range(wanted + 1, wanted + 21):
        if port not in avoid and is_free(port):
            return port
    raise Failure(f"Ports {wanted} to {wanted + 20} are all in use; {what} needs one.",
                  "Stop something that listens there: ss -ltnp")


def get_json(url: str, timeout: float = 5.0) -> dict | None:
    """The JSON object at ``url``; None when there is no good answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return json.loads(answer.read())
    except (OSError, ValueError):
        return None


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether ``url`` answers with a good status."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status == 200
    except OSError:
        return False
