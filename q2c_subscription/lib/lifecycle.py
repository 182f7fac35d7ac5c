"""The life of a subscription: its states and the steps between them."""

from __future__ import annotations

#: state → what people call it
STATES = {
    "draft": "Draft",
    "active": "Active",
    "past_due": "Past Due",
    "paused": "Paused",
    "cancelled": "Cancelled",
}

#: state → the states that may follow it; a cancelled subscription stays cancelled
TRANSITIONS: dict[str, frozenset[str]] = {
    "draft": frozenset({"active", "cancelled"}),
    "active": frozenset({"past_due", "paused", "cancelled"}),
    "past_due": frozenset({"active", "paused", "cancelled"}),
    "paused": frozenset({"active", "past_due", "cancelled"}),
    "cancelled": frozenset(),
}

#: states in which a subscription earns its monthly value
EARNING = frozenset({"active", "past_due"})


def may_follow(before: str, after: str) -> bool:
    """Return whether a subscription may go from one state to another.

    Staying where it is always is allowed: an update that says nothing new.

    :raises KeyError: when one of them is no state.
    """
    if after not in TRANSITIONS:
        raise KeyError(after)
    return before == after or after in TRANSITIONS[before]


def is_final(state: str) -> bool:
    """Return whether nothing can follow a state."""
    return not TRANSITIONS[state]
