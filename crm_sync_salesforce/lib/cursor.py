"""Where a poll stands: an instant, and within a pass also the last record seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .ids import InvalidId, to18
from .soql import moment_literal
from .wire import parse_moment


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the order (SystemModstamp, Id).

    With `last_id`, a pass is under way and goes on right behind that record. Without,
    a pass has ended at `moment`: the next one starts before it, because a change
    becomes visible later than its stamp says.
    """

    moment: datetime | None = None
    last_id: str | None = None

    def start(self, overlap: timedelta) -> Cursor:
        """Return where to read from: behind `last_id`, or the overlap before `moment`."""
        if self.moment is None or self.last_id is not None:
            return self
        return Cursor(self.moment - overlap)

    def __str__(self) -> str:
        """Return the text that `parse` reads; empty for the very start."""
        if self.moment is None:
            return ""
        moment = moment_literal(self.moment)
        return f"{moment}|{self.last_id}" if self.last_id else moment

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor's text.

        :raises ValueError: when it is none.
        """
        if not text:
            return cls()
        moment, _bar, last_id = text.partition("|")
        try:
            return cls(parse_moment(moment), to18(last_id) if last_id else None)
        except InvalidId as error:
            raise ValueError(str(error)) from None
