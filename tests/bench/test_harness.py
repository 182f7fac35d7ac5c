"""The benches work and say what they measured. How fast anything is, is not tested."""

from __future__ import annotations

import json

import pytest

from tests.bench import __main__ as bench
from tests.bench.harness import Bench, Result, summarise, table

FIELDS = {"name", "unit", "n", "ours", "floor", "peer", "ratio_floor", "ratio_peer"}


def test_a_ratio_is_the_share_of_the_others_speed():
    rates = {"ours": [50.0, 80.0, 60.0], "floor": [100.0, 100.0, 100.0], "peer": [10.0, 20.0, 10.0]}
    result = summarise("x", "records/s", 7, rates)
    assert (result.ours, result.floor, result.peer) == (60.0, 100.0, 10.0)
    assert (result.ratio_floor, result.ratio_peer) == (0.6, 5.0)


def test_with_times_less_is_better():
    result = summarise("x", "ms", 7, {"ours": [20.0, 20.0], "floor": [10.0, 10.0]}, less_is_better=True)
    assert (result.ratio_floor, result.peer, result.ratio_peer) == (0.5, None, None)


def test_rounds_are_interleaved_and_turned_around():
    order = []
    sides = {name: (lambda name=name: order.append(name) or 1.0) for name in ("ours", "floor")}
    assert Bench(rounds=3).interleave(sides) == {"ours": [1.0] * 3, "floor": [1.0] * 3}
    assert order == ["ours", "floor", "floor", "ours", "ours", "floor"]


def test_the_table_shows_ratios_and_what_there_is_none_of():
    lines = table([Result("inbound", "records/s", 1000, 500.0, 1000.0, None, 0.5)]).splitlines()
    assert lines[0].split()[:2] == ["name", "of"]
    assert lines[2].split() == ["inbound", "0.50", "–", "500.0", "1,000.0", "–", "records/s", "1000"]


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.main(["nothing_like_it"])
    assert "inbound_customers" in capsys.readouterr().err


def test_every_bench_runs_and_its_figures_have_the_agreed_shape(tmp_path, capsys):
    file = tmp_path / "figures.json"
    assert bench.main(["--n", "120", "--rounds", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert [figure["name"] for figure in figures] == [
        "inbound_customers", "webhook_accept", "webhook_accept_p95_at_8",
    ]
    for figure in figures:
        assert set(figure) == FIELDS
        assert figure["ours"] > 0
        assert figure["floor"] > 0
        assert figure["ratio_floor"] > 0
        assert figure["peer"] is None
    assert "inbound_customers" in capsys.readouterr().out
