"""`q2c config`: what a person or a pipeline sees of a package. The package itself is tested in its module."""

from __future__ import annotations

import argparse
import base64
import json

import pytest

from cli import config, main
from cli.console import Failure

LINES = [
    {"kind": "flow", "name": "Accounts", "operation": "update", "path": "max_attempts", "before": "9", "after": "3"},
    {"kind": "value_map", "name": "Tags", "operation": "create", "path": "lines › gold", "before": "", "after": "Gold"},
]


class FakeOdoo:
    """Answers the calls that the command makes, and remembers them."""

    def __init__(self, problems="", answer=True, waiting=(7,)):
        self.problems, self.answer, self.waiting, self.calls = problems, answer, list(waiting), []

    def call(self, model, method, *args, **kwargs):
        self.calls.append((model, method, args))
        if method == "read" and model == "sync.package.line":
            return LINES
        return {
            "import_configuration": 7,
            "export_configuration": {"id": 7, "name": "x", "data": base64.b64encode(PACKAGE).decode()},
            "search": self.waiting,
            "action_approve": self.answer,
            "search_read": [{"id": 3, "name": "CRM"}],
            "read": [{"state": "review", "problems": self.problems, "line_ids": [1, 2], "checksum": "c0ffee",
                      "signer_fingerprint": "abcd", "signer_name": False, "requested_by_id": [5, "Ann"]}],
        }[method]

    def called(self, method):
        return [args for _model, name, args in self.calls if name == method]


PACKAGE = json.dumps({"checksum": "c0ffee", "content": {"records": [1, 2, 3]}}).encode()


@pytest.fixture
def odoo(monkeypatch):
    fake = FakeOdoo()
    monkeypatch.setattr(config, "connect", lambda options: fake)
    return fake


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "settings.json"
    path.write_bytes(PACKAGE)
    return path


def test_export_writes_the_file_and_tells_the_key(odoo, tmp_path, capsys):
    target = tmp_path / "out.json"
    assert main.main(["config", "export", str(target), "--connection", "CRM", "--note", "why"]) == 0
    assert target.read_bytes() == PACKAGE
    assert odoo.called("export_configuration") == [([3], "why")]
    assert "3 records" in (shown := capsys.readouterr().out) and "abcd" in shown


def test_export_of_a_connection_that_is_not_there(odoo, tmp_path, capsys):
    assert main.main(["config", "export", str(tmp_path / "out"), "--connection", "Nobody"]) == 1
    assert "no connection called Nobody" in capsys.readouterr().err
    assert not odoo.called("export_configuration")


def test_import_shows_the_differences_and_applies_nothing(odoo, file, capsys):
    assert main.main(["config", "import", str(file)]) == 0
    [(data, name, _note)] = odoo.called("import_configuration")
    assert base64.b64decode(data) == PACKAGE and name == "settings.json"
    shown = capsys.readouterr().out
    assert "~ flow “Accounts”\n    max_attempts: 9 → 3" in shown
    assert "+ value map “Tags”\n    lines › gold: Gold" in shown
    assert "somebody else than Ann" in shown
    assert not odoo.called("action_approve")


def test_what_is_missing_ends_with_one(odoo, file, capsys):
    odoo.problems = "Tags: there is no “Gold”"
    assert main.main(["config", "import", str(file)]) == 1
    assert main.main(["config", "import", str(file), "--approve"]) == 1
    assert "there is no “Gold”" in capsys.readouterr().out
    assert not odoo.called("action_approve")


def test_approving_what_somebody_imported(odoo, file, capsys):
    assert main.main(["config", "import", str(file), "--approve"]) == 0
    assert odoo.called("action_approve") == [([7],)]
    assert not odoo.called("import_configuration")
    assert "Applied." in capsys.readouterr().out


def test_approving_what_nobody_imported(odoo, file, capsys):
    odoo.waiting = []
    assert main.main(["config", "import", str(file), "--approve"]) == 1
    assert "Nobody has imported" in capsys.readouterr().err


def test_settings_that_changed_meanwhile_end_with_one(odoo, file, capsys):
    odoo.answer = {"params": {"message": "The configuration has changed"}}
    assert main.main(["config", "import", str(file), "--approve"]) == 1
    assert "has changed" in capsys.readouterr().out


def test_a_file_that_is_none(odoo, tmp_path, capsys):
    assert main.main(["config", "import", str(tmp_path / "nothing")]) == 1
    other = tmp_path / "other"
    other.write_text("[]")
    assert main.main(["config", "import", str(other), "--approve"]) == 1
    assert "not a configuration package" in capsys.readouterr().err


def test_without_a_terminal_the_password_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv(config.PASSWORD, raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    options = argparse.Namespace(url="http://127.0.0.1:9", database="x", login="ann")
    with pytest.raises(Failure, match="nobody to ask"):
        config.connect(options)
