"""How many stories are told. ``HYPOTHESIS_PROFILE`` names the profile: ci (default) or long."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

#: Nothing here is fast, and a story is no function of its arguments alone.
_COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}

PROFILES = {
    # The same stories every time, in about a minute.
    "ci": settings(max_examples=20, stateful_step_count=30, derandomize=True, print_blob=True, **_COMMON),
    # Others every time; hours.
    "long": settings(max_examples=3000, stateful_step_count=60, print_blob=True, **_COMMON),
}

#: Until the first failure, which is not made shorter: for engines that are known to be broken.
SEARCH = settings(
    max_examples=300,
    stateful_step_count=40,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    **_COMMON,
)


def name() -> str:
    """The profile that the environment asks for."""
    return os.environ.get("HYPOTHESIS_PROFILE", "ci")


def chosen() -> settings:
    """Its settings; ``MODEL_STORIES`` overrides how many stories are told."""
    profile = PROFILES[name()]
    stories = os.environ.get("MODEL_STORIES")
    return settings(profile, max_examples=int(stories), derandomize=False) if stories else profile
