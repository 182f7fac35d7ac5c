"""Keeps the process's scheduled actions alive where Odoo's own server lets them die.

Odoo's threaded server does not replace a thread for scheduled actions that ended with
an error, which all of them do when the database is away at the moment they reconnect.
Until the next restart nothing would run any more. And after a start, a thread (or a
worker process) sleeps up to a minute before its first look.
"""

from __future__ import annotations

import logging
import os
import threading

from odoo.service import server as odoo_server
from odoo.tools import config

_logger = logging.getLogger(__name__)

CHECK_SECONDS = 5.0
#: after a start; again, should the workers not listen yet at the first time
FIRST_LOOKS = (2.0, 8.0, 15.0)

_lock = threading.Lock()
_watched: dict[str, object] = {}


def watch(dbname, wake):
    """Wake the lanes of a database soon after this process began to serve it.

    :param wake: called with the database name; must return at once.
    """
    if not _serves():
        return
    with _lock:
        if dbname in _watched:
            return
        _watched[dbname] = wake
        first = len(_watched) == 1
    _look_soon()
    if first:
        _guard_threads()
        os.register_at_fork(after_in_child=_after_fork)


def _serves():
    """Return whether this process is a server that runs scheduled actions."""
    server = odoo_server.server
    running = isinstance(server, odoo_server.ThreadedServer | odoo_server.PreforkServer)
    return running and not config["stop_after_init"]


def _look_soon():
    for seconds in FIRST_LOOKS:
        timer = threading.Timer(seconds, _wake_all)
        timer.daemon = True
        timer.start()


def _wake_all():
    for dbname, wake in list(_watched.items()):
        wake(dbname)


def _after_fork():
    """A worker process that replaces a dead one looks at the queue right away, too."""
    global _lock  # noqa: PLW0603 (a lock held while forking would never be released)
    _lock = threading.Lock()
    _look_soon()


# === Threads ===#


def _guard_threads():
    if not isinstance(odoo_server.server, odoo_server.ThreadedServer):
        return  # processes are replaced by their parent
    threading.Thread(target=_keep_alive, name="crm_sync.cron_guard", daemon=True).start()


def _keep_alive():
    server = odoo_server.server
    pause = threading.Event()
    seen = set()
    while not pause.wait(CHECK_SECONDS):
        if server.quit_signals_received:
            return
        alive = {thread.name for thread in threading.enumerate()}
        for number in range(config["max_cron_threads"]):
            name = f"odoo.service.cron.cron{number}"
            if name in alive:
                seen.add(name)
            elif name in seen:
                _replace(server, number, name)


def _replace(server, number, name):
    _logger.warning("The thread %s for scheduled actions has ended; a new one takes over", name)
    thread = threading.Thread(target=_run, args=(server, number), name=name, daemon=True)
    thread.type = "cron"
    thread.start()
    _look_soon()


def _run(server, number):
    """Run Odoo's own loop; what ends it is logged in a line, and it is replaced again."""
    try:
        server.cron_thread(number)
    except Exception as error:  # noqa: BLE001 (most likely the database is still away)
        _logger.warning("Scheduled actions cannot run yet: %s", str(error).strip())
