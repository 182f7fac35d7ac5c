"""The process: admin API, call faults, call log, restart."""

import time
from email.utils import parsedate_to_datetime

import pytest
import requests

CALL = "/salesforce/services/data"


@pytest.fixture
def get(sandbox):
    def call(**keywords):
        return requests.get(sandbox.url + CALL, timeout=5, **keywords)
    return call


def test_health_lists_vendors(sandbox):
    health = sandbox.admin("GET", "health")
    assert health["status"] == "ok" and "salesforce" in health["vendors"]


def test_documents_are_listed_by_kind_but_not_the_sandbox_s_own(sandbox):
    fresh = sandbox.admin("GET", "documents?kind=salesforce/Organization")["documents"]
    assert [document["Id"][:3] for document in fresh] == ["00D"]
    for kind in ("", "_secrets/keys"):
        with pytest.raises(AssertionError, match="400"):
            sandbox.admin("GET", f"documents?kind={kind}")


def test_calls_are_logged_and_counted(sandbox, get):
    since = sandbox.calls()["last_seq"]
    get()
    get(headers={"Idempotency-Key": "k1"})
    log = sandbox.calls(since)
    assert log["total"] == 2 and log["by_status"] == {"200": 2}
    assert log["calls"][1]["idempotency_key"] == "k1"
    assert sandbox.calls(since, vendor="stripe")["total"] == 0


def test_status_fault_applies_so_many_times(sandbox, get):
    sandbox.fault("salesforce", "status", status=503, times=2, skip=1, path_regex="data$")
    assert [get().status_code for _i in range(4)] == [200, 503, 503, 200]
    assert sandbox.admin("GET", "faults") == []


def test_a_fault_may_be_one_records(sandbox, get):
    sandbox.fault("salesforce", "status", status=400, contains="Poisoned One")
    assert [get(params={"q": name}).status_code for name in ("A Good One", "A Poisoned One")] == [200, 400]
    url = sandbox.url + "/salesforce/services/oauth2/token"
    bodies = [{"grant_type": "Poisoned One"}, {"grant_type": "password"}]
    errors = [requests.post(url, json=body, timeout=5).json()["error"] for body in bodies]
    assert errors[0] == "malformed_id" and errors[1] != errors[0], "the handler can still read the body"


def test_answers_are_dated_by_the_sandboxs_clock(sandbox, get):
    sandbox.admin("POST", "clock", json={"offset": 3600})
    ahead = parsedate_to_datetime(get().headers["Date"]).timestamp() - time.time()
    sandbox.admin("POST", "clock", json={"reset": True})
    assert ahead == pytest.approx(3600, abs=5)


def test_latency_fault(sandbox, get):
    sandbox.fault("salesforce", "latency", ms=300, times=1)
    started = time.monotonic()
    get()
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_dropped_connection(sandbox, get, kind):
    sandbox.fault("salesforce", kind, times=1)
    with pytest.raises(requests.ConnectionError):
        get()
    assert get().status_code == 200


def test_truncated_answer(sandbox, get):
    sandbox.fault("salesforce", "truncate", times=1)
    with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.ConnectionError)):
        get()
    assert get().status_code == 200


@pytest.mark.parametrize("rule", [
    {"kind": "status", "vendor": "salesforce"},
    {"kind": "nonsense", "vendor": "salesforce"},
    {"kind": "latency"},
    {"kind": "latency", "vendor": "salesforce", "path_regex": "("},
])
def test_senseless_rules_are_refused(sandbox, rule):
    assert requests.post(sandbox.url + "/_admin/faults", json=rule, timeout=5).status_code == 400


def test_clock_freezes_and_advances(sandbox):
    sandbox.admin("POST", "clock", json={"freeze": 1_800_000_000})
    sandbox.admin("POST", "clock", json={"advance": 60})
    assert sandbox.admin("GET", "clock")["now"].startswith("2027-01-15T08:01:00")
    sandbox.admin("POST", "clock", json={"reset": True})
    assert sandbox.admin("GET", "clock")["offset"] == 0


def test_state_and_secrets_survive_a_kill(own_sandbox, tmp_path):
    first = own_sandbox("--seed", "empty", state=tmp_path / "state.sqlite")
    before = first.admin("GET", "credentials")
    first.admin("POST", "clock", json={"freeze": 1_800_000_000})
    first.stop(kill=True)
    first.start()
    assert first.admin("GET", "credentials") == before
    assert first.admin("GET", "clock")["frozen"] == 1_800_000_000


def test_unseeded_restart_does_not_seed_again(own_sandbox, tmp_path):
    first = own_sandbox("--seed", "demo", state=tmp_path / "state.sqlite")
    before = first.admin("GET", "health")["documents"]
    first.stop()
    first.start()
    assert first.admin("GET", "health")["documents"] == before
