"""A `Gate` as a row of columns, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from .breaker import Breaker, BreakerPolicy, State
from .budget import Bucket, Budget, Daily
from .gate import Gate, Override

#: parts of a breaker that are columns of the same name
_BREAKER = {part.name: part.default for part in fields(Breaker) if part.name != "state"}

#: all columns that `to_row` returns
COLUMNS = (
    "state",
    *_BREAKER,
    "rate_limit",
    "rate_seconds",
    "rate_told",
    "rate_level",
    "rate_at",
    "daily_limit",
    "daily_told",
    "daily_used",
    "daily_at",
    "daily_resets_at",
    "resume_at",
)
#: columns that `to_gate` and `to_policy` need besides
TERMS = (
    "override",
    "reserve_percent",
    "failure_limit",
    "failure_percent",
    "open_first",
    "open_most",
)


def to_gate(row: Mapping[str, Any]) -> Gate:
    """Return the gate of a row; empty columns are None or False."""
    parts = {name: row[name] or default for name, default in _BREAKER.items()}
    bucket = Bucket(
        limit=row["rate_limit"] or 0,
        seconds=row["rate_seconds"] or 1.0,
        told=bool(row["rate_told"]),
        level=row["rate_level"] or 0.0,
        at=row["rate_at"] or None,
    )
    daily = Daily(
        limit=row["daily_limit"] or 0,
        told=bool(row["daily_told"]),
        used=row["daily_used"] or 0,
        at=row["daily_at"] or None,
        resets_at=row["daily_resets_at"] or None,
    )
    reserve = (row["reserve_percent"] or 0) / 100.0
    return Gate(
        Breaker(State(row["state"]), **parts),
        Budget(bucket, daily, reserve, row["resume_at"] or None),
        Override(row["override"]),
    )


def to_row(gate: Gate) -> dict[str, Any]:
    """Return the columns of a gate, see `COLUMNS`."""
    bucket, daily = gate.budget.bucket, gate.budget.daily
    return {
        "state": gate.breaker.state.value,
        **{name: getattr(gate.breaker, name) for name in _BREAKER},
        "rate_limit": bucket.limit,
        "rate_seconds": bucket.seconds,
        "rate_told": bucket.told,
        "rate_level": bucket.level,
        "rate_at": bucket.at,
        "daily_limit": daily.limit,
        "daily_told": daily.told,
        "daily_used": daily.used,
        "daily_at": daily.at,
        "daily_resets_at": daily.resets_at,
        "resume_at": gate.budget.resume_at,
    }


def to_policy(row: Mapping[str, Any]) -> BreakerPolicy:
    """Return the policy of a row."""
    return replace(
        BreakerPolicy(),
        failures=row["failure_limit"],
        ratio=row["failure_percent"] / 100.0,
        open_first=row["open_first"],
        open_most=row["open_most"],
    )
