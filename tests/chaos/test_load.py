"""The plan is the seed's, and it makes sense."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.chaos.load import RECORDS, Player, plan
from tests.chaos.scenarios import _most_a_second


def test_a_seed_gives_the_same_plan_each_time_and_another_one_another():
    assert plan(7, 200) == plan(7, 200)
    assert plan(7, 200) != plan(8, 200)


@pytest.mark.parametrize("records", [20, 100, 2000])
def test_a_plan_makes_about_as_many_records_as_asked_of_all_kinds(records):
    kinds = Counter(action.kind for action in plan(1, records))
    assert abs(sum(RECORDS[kind] * count for kind, count in kinds.items()) - records) <= 2
    assert set(kinds) == set(RECORDS)
    assert {action.provider for action in plan(1, records)} == {"salesforce", "hubspot", "stripe"}


def test_nothing_is_changed_or_referred_to_before_it_is_made():
    seen = set()
    for action in plan(3, 400):
        if action.kind == "contact":
            assert action.values["company"] in seen
        if action.kind == "update":
            assert action.number in seen
        seen.add(action.number)


def test_some_records_change_several_times():
    changed = Counter(action.number for action in plan(3, 400) if action.kind == "update")
    assert max(changed.values()) > 2


def test_what_goes_wrong_at_the_providers_is_raised_where_it_is_waited_for():
    player = Player(None, plan(1, 20), per_second=1000).start()
    with pytest.raises(AttributeError):
        player.finish()


def test_calls_are_counted_in_any_second_not_only_in_whole_ones():
    calls = [{"at": at} for at in (0.0, 0.6, 0.7, 1.2, 1.5, 5.0)]
    assert _most_a_second(calls) == 4
    assert _most_a_second([]) == 0
