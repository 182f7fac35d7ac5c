"""The two processes beside the database: the vendors' sandbox and Odoo's server.

Built here once, used by ``q2c run`` (long-lived, below ``.q2c/run``) and by the
fixtures of the tests (short-lived, in a temporary folder).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import database, markers, network, odoo, paths, postgres
from .console import Failure, say, step
from .processes import Service

ODOO_PORT = 8069
SANDBOX_PORT = 8081



# ---------------------------------------------------------------------------
# How the processes are started
# ---------------------------------------------------------------------------

def write_config(file: Path, name: str, port: int) -> Path:
    """Write Odoo's configuration for the database ``name``; return the file.

    Complete enough to be used by hand: ``python -m odoo server -c FILE``.
    """
    lines = [
        "[options]",
        f"addons_path = {odoo.addons_path()}",
        f"data_dir = {paths.DATA}",
        f"db_name = {name}",
        f"dbfilter = ^{name}$",
        "list_db = False",
        # Nobody needs it (list_db is off), but its default is known to everybody.
        f"admin_passwd = {markers.digest(odoo.key_file().read_bytes(), 'admin_passwd')[:32]}",
        f"http_interface = {network.HOST}",
        f"http_port = {port}",
        "proxy_mode = False",
    ]
    if not postgres.is_external():
        env = postgres.environment()
        lines += [f"db_host = {env['PGHOST']}", f"db_port = {env['PGPORT']}", f"db_user = {env['PGUSER']}"]
    markers.write_atomically(file, "\n".join(lines) + "\n", mode=0o600)
    return file


def odoo_url(port: int) -> str:
    """Where a browser finds the Odoo that listens on ``port``."""
    return f"http://{network.HOST}:{port}"


def _odoo_answers(port: int) -> bool:
    """Whether Odoo serves pages: its server, its database and the loaded modules."""
    health = network.get_json(f"{odoo_url(port)}/web/health?db_server_status=1")
    return (health or {}).get("status") == "pass" and network.answers(f"{odoo_url(port)}/web/login", timeout=60)


def odoo_service(
    name: str, port: int, folder: Path, log: Path, arguments: Iterable[str] = (), environment: Mapping[str, str] = {},
    **options,
) -> Service:
    """Odoo's server for database ``name``: HTTP threads and two threads for crons.

    :param folder: for its configuration and pid file
    :param arguments: further options of Odoo's command line
    :param environment: further variables of its environment
    """
    config = write_config(folder / "odoo.conf", name, port)
    command = [str(paths.python()), str(odoo.launcher()), "server", f"--config={config}", "--max-cron-threads=2",
               *arguments]
    variables = {**odoo.environment(), **environment}
    return Service("odoo", command, folder, log, variables, lambda: _odoo_answers(port), **options)


def sandbox_service(
    port: int, folder: Path, log: Path, state: Path, arguments: Iterable[str] = (), **options
) -> Service:
    """The process that stands in for Salesforce, HubSpot and Stripe.

    :param state: its SQLite file
    :param arguments: further options of its command line
    """
    command = [str(paths.python()), "-m", "sandbox", "--host", network.HOST, "--port", str(port),
               "--state", str(state), *arguments]
    health = f"http://{network.HOST}:{port}/_admin/health"
    return Service("sandbox", command, folder, log, odoo.environment(),
                   lambda: (network.get_json(health) or {}).get("status") == "ok", **options)


# ---------------------------------------------------------------------------
# The services of ``q2c run``
# ---------------------------------------------------------------------------

def _ports_file() -> Path:
    return paths.RUN / "ports.json"


def saved_ports() -> dict[str, int]:
    """Ports of the last run, which the links and connections in the demo database hold."""
    try:
        return json.loads(_ports_file().read_text())
    except (OSError, ValueError):
        return {}


def demo_odoo(port: int) -> Service:
    """Odoo of ``q2c run``."""
    return odoo_service(database.DEMO, port, paths.RUN, paths.LOGS / "odoo.log")


def demo_sandbox(port: int) -> Service:
    """Sandbox of ``q2c run``."""
    return sandbox_service(port, paths.RUN, paths.LOGS / "sandbox.log", paths.STATE / "sandbox.sqlite")


def running() -> dict[str, Service]:
    """The services of ``q2c run`` that are alive, by name."""
    ports = saved_ports()
    if not ports or not postgres.is_installed():
        return {}
    found = {"sandbox": demo_sandbox(ports["sandbox"]), "odoo": demo_odoo(ports["odoo"])}
    return {name: service for name, service in found.items() if service.pid is not None}


def _choose_ports(odoo_port: int | None, sandbox_port: int | None, alive: dict[str, Service]) -> dict[str, int]:
    """Ports for this run: asked for, else those of the last run, else the defaults or the next free ones."""
    saved = saved_ports()
    chosen: dict[str, int] = {}
    for name, asked, default in (("odoo", odoo_port, ODOO_PORT), ("sandbox", sandbox_port, SANDBOX_PORT)):
        if name in alive and asked in (None, saved[name]):
            chosen[name] = saved[name]
            continue
        wanted = asked or saved.get(name) or default
        if wanted == saved.get(name):
            network.wait_until_free(wanted)
        chosen[name] = network.choose_port(wanted, name, asked is not None, tuple(chosen.values()))
        if chosen[name] != wanted:
            say(f"  port {wanted} is in use; {name} takes {chosen[name]}")
    return chosen


def _stop_outdated_sandbox() -> None:
    """Stop a sandbox whose code has changed since it was started; its state stays."""
    current = markers.digest_files(sorted((paths.ROOT / "sandbox").rglob("*.py")))
    if not markers.is_current("sandbox-code", current):
        for service in running().values():
            if service.name == "sandbox":
                say("  the sandbox's code has changed; restarting it")
                service.stop()
        markers.complete("sandbox-code", current)


def ensure_running(odoo_port: int | None = None, sandbox_port: int | None = None) -> dict[str, int]:
    """Start what does not run; return the ports.

    :raise Failure: when a service of ours runs on another port than asked for
    """
    _stop_outdated_sandbox()
    alive = running()
    ports = _choose_ports(odoo_port, sandbox_port, alive)
    for name in alive:
        if ports[name] != saved_ports()[name]:
            raise Failure(f"{name} already runs on port {saved_ports()[name]}.", "Stop it first: ./q2c stop")
    markers.write_atomically(_ports_file(), json.dumps(ports))
    database.set_base_url(database.DEMO, odoo_url(ports["odoo"]))
    for service in (demo_sandbox(ports["sandbox"]), demo_odoo(ports["odoo"])):
        if service.name not in alive or not service.healthy():
            if service.name in alive:
                say(f"  {service.name} does not answer; restarting it")
                service.kill()
            with step(f"Starting {service.name} on port {ports[service.name]}"):
                service.start()
    return ports


def stop_all() -> list[str]:
    """Stop the services of ``q2c run``; return the names of those that ran."""
    return [name for name, service in running().items() if service.stop()]


def forget_state() -> None:
    """Delete what the stopped services remember: the sandbox's data and the ports."""
    for name in ("sandbox.sqlite", "sandbox.sqlite-wal", "sandbox.sqlite-shm"):
        (paths.STATE / name).unlink(missing_ok=True)
    _ports_file().unlink(missing_ok=True)


def log_files() -> dict[str, Path]:
    """The logs by the names that ``q2c logs`` takes."""
    files = {"odoo": paths.LOGS / "odoo.log", "sandbox": paths.LOGS / "sandbox.log",
             "setup": paths.LOGS / "setup.log", "install": paths.LOGS / "install.log"}
    if postgres.is_installed() and not postgres.is_external():
        files["postgres"] = postgres.log_file()
    return files


