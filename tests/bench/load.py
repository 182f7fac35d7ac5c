"""A load generator: a fixed number of requests over a fixed number of connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp

TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True)
class Call:
    """One POST, complete: nothing is computed while the clock runs."""

    url: str
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """What a burst of calls came to."""

    seconds: float  #: from the first call to the last answer
    latencies: tuple[float, ...]  #: seconds of each call, sorted

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds within which ``share`` (0–1) of the calls were answered."""
        return self.latencies[min(len(self.latencies) - 1, int(share * len(self.latencies)))]


def burst(calls: Sequence[Call], connections: int) -> Outcome:
    """Send every call once, ``connections`` at a time.

    :raise AssertionError: when one was not answered with 2xx
    """
    return asyncio.run(_burst(calls, connections))


async def _burst(calls: Sequence[Call], connections: int) -> Outcome:
    waiting = iter(calls)
    latencies: list[float] = []
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
        started = time.perf_counter()
        await asyncio.gather(*(_worker(session, waiting, latencies) for _number in range(connections)))
        seconds = time.perf_counter() - started
    return Outcome(seconds, tuple(sorted(latencies)))


async def _worker(session: aiohttp.ClientSession, waiting: Iterator[Call], latencies: list[float]) -> None:
    for call in waiting:
        started = time.perf_counter()
        async with session.post(call.url, data=call.body, headers=call.headers) as answer:
            text = await answer.read()
        latencies.append(time.perf_counter() - started)
        assert 200 <= answer.status < 300, f"{call.url} answered {answer.status}: {text[:300]!r}"
