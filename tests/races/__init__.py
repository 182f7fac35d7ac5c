"""Races: two at the same time, on real connections, with real commits, in both orders."""

import pytest

#: Of a module whose races are those of the lanes, whoever runs them.
ON_BOTH_RUNNERS = pytest.mark.parametrize("world", ["place", "queue_place"], indirect=True)
