"""What replays are made of: words that several models share."""

from __future__ import annotations

#: what a job works from; whatever is not "current" carries its document along
SOURCES: list[tuple[str, str]] = [
    ("current", "Current State"),  # fetched when the job runs
    ("stored", "Stored Document"),  # as another job had fetched it
    ("edited", "Edited Document"),  # as a person corrected it
]
CARRIED = ("stored", "edited")
REPLAYABLE = ("done", "failed", "cancelled")  #: states of jobs
#: what walks on from a cursor brings nothing back when it runs again
NEVER_REPLAYED = ("poll", "load")
