"""The benches work and say what they measured. How fast anything is, is not tested."""

from __future__ import annotations

import json
import os

import pytest

from tests.bench import __main__ as bench
from tests.bench.harness import Bench, Result, summarise, table

#: sizes of benches whose figure is not a rate of many
TINY = {"webhook_latency": 3, "priority_under_backfill": 4_000, "inbound_scale": 400, "match_ladder": 600}
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


#: benches whose processes are ready in seconds; the others start servers with workers
QUICK = ("inbound_customers", "inbound_unchanged", "outbound_customers")


@pytest.mark.parametrize("name", [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.skipif(
        not os.environ.get("Q2C_ALL_BENCHES"), reason="takes a minute; set Q2C_ALL_BENCHES=1 to run it"))
    for name in bench.BENCHES
])
def test_a_bench_runs_and_its_figures_have_the_agreed_shape(name, tmp_path, capsys):
    file = tmp_path / "figures.json"
    size = TINY.get(name, 120)
    assert bench.main([name, "--n", str(size), "--rounds", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures
    for figure in figures:
        assert set(figure) >= FIELDS
        assert figure["name"].startswith(name)
        assert figure["ours"] > 0
        for side in ("floor", "peer"):
            assert (figure[side] is None) == (figure[f"ratio_{side}"] is None)
            assert figure[side] is None or (figure[side] > 0 and figure[f"ratio_{side}"] > 0)
    assert name in capsys.readouterr().out
