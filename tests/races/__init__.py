"""Races: two at the same time, on real connections, with real commits, in both orders."""
