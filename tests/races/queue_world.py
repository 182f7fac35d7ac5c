"""The races with the lanes on OCA's job queue."""

from __future__ import annotations

from tests.model.queue_world import QueueWorld
from tests.model.stage import Actor

from .world import LANES, RaceWorld


class QueueRaceWorld(QueueWorld, RaceWorld):
    """A world with people in it whose workers take what the job queue's runner hands out."""

    _sweep_more = QueueWorld._sweep_more + RaceWorld._sweep_more

    def worker_until(self, at: str) -> Actor:
        """Have a worker look for work and come to a place.

        The runner may hand out a lane that is at work, and its worker is gone at once; the next
        one gets another lane.
        """
        for _lane in range(LANES - 1):
            try:
                return super().worker_until(at)
            except LookupError:
                continue
        return super().worker_until(at)
