"""The command ``q2c``: what a user sees when something is missing, broken or in the way."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cli import (
    apt,
    database,
    doctor,
    locking,
    markers,
    network,
    odoo,
    odoo_source,
    paths,
    postgres,
    processes,
    services,
    shell,
    testing,
    venv,
)
from cli.console import Failure

from .support.servers import errors_in
from .support.waiting import wait_for


@pytest.fixture
def state(tmp_path, monkeypatch):
    """An empty folder in place of ``.q2c``."""
    folder = tmp_path / "state"
    for name in ("ODOO", "VENV", "POSTGRES", "MARKERS", "LOGS", "RUN", "DATA"):
        monkeypatch.setattr(paths, name, folder / name.lower())
    monkeypatch.setattr(paths, "STATE", folder)
    folder.mkdir()
    return folder


@pytest.fixture
def fake_programs(tmp_path, monkeypatch):
    """Function that puts a shell script of a given name first on the PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(name, script):
        program = folder / name
        program.write_text(f"#!/bin/sh\n{textwrap.dedent(script)}\n")
        program.chmod(0o755)

    return make


def q2c(*arguments, **variables):
    """Run the command as a user does, with ``variables`` in the environment."""
    environment = {**os.environ, **variables}
    # Set by ``q2c test``, so that this run's server is not taken for the user's own.
    if "PGHOST" in variables:
        environment.pop(postgres.EMBEDDED, None)
    return subprocess.run(
        [sys.executable, str(paths.ROOT / "q2c"), *arguments], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env=environment, timeout=120,
    )


# ---------------------------------------------------------------------------
# The command line
# ---------------------------------------------------------------------------

def test_needs_the_standard_library_only():
    """It must start on a machine that has nothing but Python."""
    modules = sorted(file.stem for file in (paths.ROOT / "cli").glob("*.py") if file.stem != "__init__")
    imports = "\n".join(f"import cli.{name}" for name in modules)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(paths.ROOT)!r})\n{imports}"],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr


def test_wrong_odoo_tree_is_a_sentence(tmp_path):
    done = q2c("doctor", Q2C_ODOO=str(tmp_path))
    assert done.returncode == 1
    assert "is no Odoo source tree" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_every_bad_finding_says_its_fix(tmp_path):
    lines = q2c("doctor", Q2C_ODOO=str(tmp_path), PGHOST=str(tmp_path), PGUSER="nobody").stdout.splitlines()
    bad = [number for number, line in enumerate(lines) if line.startswith("[BAD ]")]
    assert bad
    assert all(lines[number + 1].strip().startswith("fix: ") for number in bad), "\n".join(lines)


def test_unreachable_database_server_is_a_sentence(tmp_path):
    done = q2c("setup", "--dev", PGHOST=str(tmp_path), PGUSER="q2c")
    assert done.returncode == 1
    assert "PGHOST… names cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_log_names_the_known_ones():
    done = q2c("logs", "nonsense")
    assert done.returncode == 1
    assert "There are: odoo, sandbox" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-k", "sandbox"], False),  # a folder of that name exists, but it is an expression here
        (["-x", "--durations", "5"], False),
        (["tests/test_cli.py::test_old"], True),
        (["-x", "sandbox"], True),
    ],
)
def test_pytest_arguments_that_name_tests(arguments, expected):
    assert testing.names_tests(arguments) is expected


# ---------------------------------------------------------------------------
# Ports and processes
# ---------------------------------------------------------------------------

@pytest.fixture
def busy_port():
    """A port on which something listens."""
    with socket.socket() as listener:
        listener.bind((network.HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_port_asked_for_and_in_use(busy_port):
    with pytest.raises(Failure) as caught:
        network.choose_port(busy_port, "odoo", explicit=True)
    assert f"Port {busy_port}, asked for odoo, is in use" in caught.value.message
    assert str(busy_port) in caught.value.fix


def test_default_port_in_use_takes_another(busy_port):
    chosen = network.choose_port(busy_port, "odoo", explicit=False)
    assert busy_port < chosen <= busy_port + 20
    assert network.is_free(chosen)


def _web_server(folder, **options):
    port = network.free_port()
    return processes.Service(
        "web", [sys.executable, "-m", "http.server", "--bind", network.HOST, str(port)], folder, folder / "web.log",
        dict(os.environ), lambda: network.answers(f"http://{network.HOST}:{port}/"), **options,
    )


def test_service_is_known_by_its_pid_file(tmp_path):
    service = _web_server(tmp_path)
    service.start()
    try:
        again = _web_server(tmp_path)
        assert again.pid == service.pid is not None
    finally:
        assert service.stop()
    assert service.pid is None
    assert not service.stop()


def test_service_after_kill9_is_dead(tmp_path):
    service = _web_server(tmp_path)
    service.start()
    os.kill(service.pid, signal.SIGKILL)
    wait_for(lambda: service.pid is None, "the service to be seen as dead", 5)


def test_another_process_with_the_same_number_is_not_ours(tmp_path):
    markers.write_atomically(tmp_path / "web.pid", f'{{"pid": {os.getpid()}, "started": "1"}}')
    assert _web_server(tmp_path).pid is None


def test_service_that_ends_while_starting_shows_its_last_words(tmp_path):
    service = processes.Service(
        "broken", [sys.executable, "-c", "import sys; sys.exit('no such thing')"], tmp_path, tmp_path / "broken.log",
        dict(os.environ), lambda: False,
    )
    with pytest.raises(Failure, match="no such thing"):
        service.start(patience=20)


def test_service_of_a_test_dies_with_it(tmp_path):
    """A killed test run leaves no server behind."""
    program = """
        import os, signal, sys
        sys.path.insert(0, {root!r})
        from pathlib import Path
        from tests.test_cli import _web_server
        service = _web_server(Path({folder!r}), ends_with_parent=True)
        service.start()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    code = textwrap.dedent(program).format(root=str(paths.ROOT), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "web.pid").exists()
    wait_for(lambda: _web_server(tmp_path).pid is None, "the orphan to end", 10)


def test_a_second_q2c_waits_and_gives_up(state, capsys):
    with locking.exclusive("x"):
        with pytest.raises(Failure, match="Another q2c"), locking.exclusive("x", patience=0.3):
            pass
    assert "waiting for another q2c" in capsys.readouterr().out
    with locking.exclusive("x", patience=0):
        pass


# ---------------------------------------------------------------------------
# Building: interrupted, without network, on a full disk
# ---------------------------------------------------------------------------

def test_marker_counts_only_with_the_same_digest(state):
    assert not markers.is_current("step", "a")
    markers.complete("step", "a")
    assert markers.is_current("step", "a")
    assert not markers.is_current("step", "b")


def test_digests_do_not_run_together():
    assert markers.digest("ab", "c") != markers.digest("a", "bc")


def test_secret_file_is_private_from_its_first_moment(tmp_path):
    markers.write_atomically(tmp_path / "key", "x", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_interrupted_environment_is_built_again(state, monkeypatch):
    """pip killed half-way: the next try starts from an empty environment, then finishes."""
    installed = []

    def interrupted(requirements):
        (paths.VENV / "unfinished").touch()
        (paths.VENV / "half-a-package").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(venv, "_install", interrupted)
    with pytest.raises(KeyboardInterrupt):
        venv.ensure()
    monkeypatch.setattr(venv, "_install", installed.append)
    venv.ensure()
    assert installed == [venv.RUNTIME]
    assert not (paths.VENV / "half-a-package").exists()
    venv.ensure()
    assert installed == [venv.RUNTIME], "a finished environment is left alone"


def test_no_room_is_said_before_building(state, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    with pytest.raises(Failure, match=r"0\.1 GB free; this step needs 1\.5 GB"):
        venv.ensure()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("tar: write error: No space left on device", "disk is full"),
        ("E: Temporary failure resolving 'mirror'", "network"),
    ],
)
def test_known_failures_say_what_to_do(state, output, expected):
    with pytest.raises(Failure) as caught:
        shell.run_logged(["sh", "-c", f"echo '{output}'; exit 3"], "x", "It failed")
    assert expected in caught.value.fix
    assert output not in caught.value.message


def test_unknown_failure_shows_the_last_lines(state):
    with pytest.raises(Failure, match="Something odd"):
        shell.run_logged(["sh", "-c", "echo Something odd; exit 3"], "x", "It failed")


APT = """
    case "$*" in
      *indextargets*) {targets} ;;
      *update*) {update} ;;
      *) exit 0 ;;
    esac
"""


def _get_odoo(monkeypatch, fake_programs, targets, update):
    """Try to fetch Odoo with an apt that behaves as told."""
    monkeypatch.delenv("Q2C_ODOO", raising=False)
    monkeypatch.setattr(apt, "keyring", lambda: "/keyring.gpg")
    fake_programs("apt-get", APT.format(targets=targets, update=update))
    fake_programs("apt-cache", "exit 0")
    fake_programs("dpkg-deb", "exit 0")
    with pytest.raises(Failure) as caught:
        odoo_source.ensure()
    assert not paths.ODOO.exists()
    assert not (paths.STATE / "odoo.tmp").exists(), "nothing half-done is left"
    return caught.value


_DEBIAN = "echo 'file:/mirror/|bookworm|Debian|main'"


def test_apt_without_debian_asks_for_a_source_tree(state, monkeypatch, fake_programs):
    failure = _get_odoo(monkeypatch, fake_programs, "echo 'file:/u/|noble|Ubuntu|main'", "exit 0")
    assert "knows no Debian repository" in failure.message
    assert "Q2C_ODOO=" in failure.fix


def test_mirror_without_unstable_asks_for_a_source_tree(state, monkeypatch, fake_programs):
    failure = _get_odoo(monkeypatch, fake_programs, _DEBIAN, "echo 'E: 404 Not Found'; exit 100")
    assert "'sid' could not be read" in failure.message
    assert "Q2C_ODOO=" in failure.fix


def test_unstable_without_odoo_asks_for_a_source_tree(state, monkeypatch, fake_programs):
    failure = _get_odoo(monkeypatch, fake_programs, _DEBIAN, "exit 0")
    assert "no package odoo-19" in failure.message


def test_no_network_is_a_sentence(state, monkeypatch, fake_programs):
    failure = _get_odoo(monkeypatch, fake_programs, _DEBIAN, "echo 'W: Temporary failure resolving x'; exit 100")
    assert "network" in failure.fix


def test_half_downloaded_odoo_is_not_taken_for_odoo(state, monkeypatch):
    """A folder left by a killed download is not used, and not in the way."""
    monkeypatch.delenv("Q2C_ODOO", raising=False)
    (state / "odoo.tmp" / "prefix").mkdir(parents=True)
    with pytest.raises(Failure, match="not there yet"):
        odoo_source.locate()


@pytest.mark.parametrize(("version", "accepted"), [("19", True), ("18", False), ("'saas~19'", False)])
def test_only_odoo_19_is_accepted(tmp_path, monkeypatch, version, accepted):
    (tmp_path / "odoo" / "addons" / "base").mkdir(parents=True)
    (tmp_path / "odoo" / "release.py").write_text(f"version_info = ({version}, 0, 0, 'final', 0, '')\n")
    monkeypatch.setenv("Q2C_ODOO", str(tmp_path))
    if accepted:
        assert odoo_source.locate().addons == (tmp_path / "odoo" / "addons",)
    else:
        with pytest.raises(Failure, match="the suite needs Odoo 19"):
            odoo_source.locate()


# ---------------------------------------------------------------------------
# Modules and databases
# ---------------------------------------------------------------------------

@pytest.fixture
def addons(tmp_path, monkeypatch):
    """Function that makes a module in an otherwise empty repository."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)

    def make(name, **manifest):
        folder = tmp_path / name
        (folder / "tests").mkdir(parents=True)
        (folder / "static").mkdir()
        (folder / "__manifest__.py").write_text(repr({"name": name, "depends": ["base"], **manifest}))
        (folder / "models.py").write_text("A = 1\n")
        (folder / "tests" / "test_a.py").write_text("")
        return odoo.suite()[name]

    return make


def test_template_is_rebuilt_for_code_but_not_for_tests(addons):
    module = addons("a")
    before = database.module_digest(module)
    (module.path / "tests" / "test_a.py").write_text("assert False\n")
    (module.path / "static" / "icon.svg").write_text("<svg/>")
    assert database.module_digest(module) == before
    (module.path / "models.py").write_text("A = 2\n")
    assert database.module_digest(module) != before


def test_glue_without_its_dependency_is_left_out(addons):
    addons("plain", depends=["base", "crm"])
    addons("glue", depends=["plain", "queue_job"], auto_install=True)
    addons("good_glue", depends=["plain", "crm"], auto_install=True)
    addons("broken", depends=["no_such_module"])
    addons("off", installable=False)
    names = {module.name for module in odoo.installable()}
    # A missing dependency that nobody declared optional must be noticed, not skipped.
    assert names == {"plain", "good_glue", "broken"}


@pytest.fixture
def scratch():
    """Name of a database of this test, dropped at its end."""
    postgres.ensure()
    name = database.copy_name("cli")
    yield name
    database.drop(name)


def test_database_without_its_recipe_is_not_finished(scratch):
    assert database.recipe(scratch) is None
    postgres.query(f'CREATE DATABASE "{scratch}"')
    assert database.exists(scratch)
    assert database.recipe(scratch) is None, "a build that was killed is no template"
    database._write_recipe(scratch, {"odoo": "it's"})
    assert database.recipe(scratch) == {"odoo": "it's"}


def test_copy_has_its_own_identity_and_shares_files(scratch):
    database.ensure_core()
    template = database.CORE
    database.copy(template, scratch)
    other = f"{scratch}b"
    try:
        database.copy(template, other)
        identity = "SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'"
        assert postgres.query(identity, scratch) != postgres.query(identity, other)
        original = next(file for file in database.filestore(template).rglob("*") if file.is_file())
        copied = database.filestore(scratch) / original.relative_to(database.filestore(template))
        assert copied.samefile(original)
    finally:
        database.drop(other)
    assert not database.filestore(other).exists()
    assert original.exists()


def test_copies_of_dead_test_runs_are_dropped(scratch):
    dead = subprocess.Popen(["true"])
    dead.wait()
    orphan = f"{database.COPY_PREFIX}{dead.pid}_x"
    for name in (orphan, scratch):
        postgres.query(f'CREATE DATABASE "{name}"')
    assert orphan in database.drop_orphans()
    assert not database.exists(orphan)
    assert database.exists(scratch), "that of a living run stays"


# ---------------------------------------------------------------------------
# The services of ``q2c run``
# ---------------------------------------------------------------------------

@pytest.fixture
def demo(tmp_path, monkeypatch, scratch):
    """A demo of this test: its own database, ports, logs and sandbox state."""
    for name in ("RUN", "LOGS", "MARKERS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    state = tmp_path / "sandbox.sqlite"
    original = services.sandbox_service

    def sandbox_service(port, folder, log, _state):
        return original(port, folder, log, state)

    monkeypatch.setattr(services, "sandbox_service", sandbox_service)
    monkeypatch.setattr(database, "DEMO", scratch)
    monkeypatch.setattr(services, "ODOO_PORT", network.free_port())
    monkeypatch.setattr(services, "SANDBOX_PORT", network.free_port())
    database.ensure_core()
    database.copy(database.CORE, scratch)
    yield
    services.stop_all()


def test_run_starts_what_is_dead_and_leaves_the_rest_alone(demo):
    ports = services.ensure_running()
    before = {name: service.pid for name, service in services.running().items()}
    assert set(before) == {"odoo", "sandbox"}

    assert services.ensure_running() == ports
    assert {name: service.pid for name, service in services.running().items()} == before

    os.kill(before["odoo"], signal.SIGKILL)
    wait_for(lambda: "odoo" not in services.running(), "Odoo to be seen as dead", 5)
    assert services.ensure_running() == ports, "links and webhook addresses stay valid"
    after = {name: service.pid for name, service in services.running().items()}
    assert after["odoo"] != before["odoo"]
    assert after["sandbox"] == before["sandbox"]

    with pytest.raises(Failure, match=f"odoo already runs on port {ports['odoo']}"):
        services.ensure_running(odoo_port=network.free_port())

    assert sorted(services.stop_all()) == ["odoo", "sandbox"]
    assert services.running() == {}
    assert all(network.is_free(port) for port in ports.values())


def test_errors_of_a_log_without_those_that_odoo_repeats():
    log = textwrap.dedent("""
        2026-01-02 03:04:05,678 11 INFO db odoo.x: fine
        2026-01-02 03:04:05,678 11 ERROR db odoo.sql_db: bad query: UPDATE a
        ERROR: could not serialize access due to concurrent update

        2026-01-02 03:04:05,678 11 ERROR db odoo.x: broken
        Traceback (most recent call last):
        ValueError: why
        2026-01-02 03:04:05,678 11 WARNING db odoo.x: ERROR is only a word here
    """)
    errors = errors_in(log)
    assert len(errors) == 1
    assert "odoo.x: broken" in errors[0]
    assert errors[0].endswith("ValueError: why")


# ---------------------------------------------------------------------------
# What the repository declares
# ---------------------------------------------------------------------------

def _names(file):
    """Normalised names of the packages in a requirements file."""
    lines = (paths.ROOT / file).read_text().splitlines()
    return {
        re.sub(r"[-_.]+", "-", re.split(r"[=<>~;\[ ]", line)[0]).lower()
        for line in lines if line and not line.startswith(("#", "-"))
    }


def test_every_requirement_is_pinned():
    files = ("requirements.txt", "requirements-sandbox.txt", "requirements-env.txt", "requirements-dev.txt")
    assert set().union(*map(_names, files)) <= _names("constraints.txt")


def test_external_dependencies_are_in_the_requirements():
    """What a manifest asks for can be installed with the file that the README names."""
    declared = {
        re.sub(r"[-_.]+", "-", name).lower()
        for manifest in paths.ROOT.glob("*/__manifest__.py")
        for name in ast.literal_eval(manifest.read_text()).get("external_dependencies", {}).get("python", ())
    }
    assert declared <= _names("requirements.txt")


def test_checks_of_the_doctor_end_in_findings(state, monkeypatch):
    """On a machine with nothing built, the doctor has an opinion and no accident."""
    monkeypatch.delenv("Q2C_ODOO", raising=False)
    findings = [finding for check in doctor.CHECKS for finding in doctor._safely(check)]
    assert {finding.level for finding in findings} <= {"ok", "note", "bad"}
    assert any("not built yet" in finding.text for finding in findings)


def test_path_is_shown_relative_to_the_repository():
    assert paths.shown(paths.ROOT / ".q2c" / "x") == ".q2c/x"
    assert paths.shown(Path("/tmp/x")) == "/tmp/x"
