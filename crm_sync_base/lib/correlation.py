"""Which stories is this thread working on? Clients say so on every call they make.

A provider, a proxy or a firewall that keeps the header can be asked for a story by the
same id as our own ledgers. Ids are random and say nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

HEADER = "X-Q2C-Correlation-Id"

#: ids that one header names; the length of all headers together is limited, to 8 KiB with most servers
MOST = 50

_stories: ContextVar[tuple[str, ...]] = ContextVar("q2c_stories", default=())


@contextmanager
def working_on(correlation_ids: Iterable[str | None]) -> Iterator[None]:
    """Let all calls inside carry these stories; an inner block replaces an outer one's."""
    wanted = tuple(dict.fromkeys(filter(None, correlation_ids)))
    token = _stories.set(wanted)
    try:
        yield
    finally:
        _stories.reset(token)


def stories() -> tuple[str, ...]:
    """Return the stories that this thread works on, each once."""
    return _stories.get()


def headers() -> dict[str, str]:
    """Return the header that names the stories, none where there is no story.

    A batch names each of its stories, separated by commas; of very many the first ones,
    and how many more there are.
    """
    wanted = _stories.get()
    if not wanted:
        return {}
    named = [_safe(story) for story in wanted[:MOST]]
    if len(wanted) > MOST:
        named.append(f"+{len(wanted) - MOST}")
    return {HEADER: ",".join(named)}


def _safe(story: str) -> str:
    """Return an id without anything that could break out of a header."""
    return "".join(char for char in story if char.isascii() and (char.isalnum() or char in "-_."))[:64]
