"""Which records changed since: the cursor and the queries of a poll.

HubSpot's search is the only way to ask for changes, with traps: it ends at 10,000 results,
its index lags behind, and a bulk edit gives any number of records the same time. So a
*pass* asks for `last modified >= since and id > last id`, in order of ids; each page starts
behind the last id, time is never paged by, and no query gets near the 10,000. The next pass
looks back from the beginning of this one, by the server's own clock, plus an overlap that
covers the lag. Associations do not touch a record's time and are not seen by a poll.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .const import SEARCH_OVERLAP_SECONDS, SEARCH_PAGE_LIMIT, modified_property

_EPOCH = datetime(1970, 1, 1)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)")


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a poll stands; its text is what the engine keeps."""

    since: int = 0  #: epoch ms; records changed from then on are listed
    last_id: int = 0  #: ids up to this one were listed in this pass
    started: int = 0  #: epoch ms on the server's clock when this pass began, 0 = not yet

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read a cursor's text; an empty one starts from the beginning.

        :raises ValueError: when it is none of ours.
        """
        if not text:
            return cls()
        try:
            values = json.loads(text)
            return cls(int(values["since"]), int(values["last_id"]), int(values["started"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError("this is no HubSpot poll cursor") from None

    def __str__(self) -> str:
        return json.dumps({"since": self.since, "last_id": self.last_id, "started": self.started})

    def begun(self, server_time: datetime | None, now: datetime) -> Cursor:
        """Return the cursor with the time at which its pass began, if that is not known yet.

        :param server_time: naive UTC, from the answer to the pass's first query.
        :param now: our own time, for answers without one; twice the overlap then makes
            up for a clock that may be wrong.
        """
        if self.started:
            return self
        moment = server_time or now - timedelta(seconds=SEARCH_OVERLAP_SECONDS)
        return Cursor(self.since, self.last_id, milliseconds(moment))

    def advanced(self, last_id: str) -> Cursor:
        """Return the cursor behind a page."""
        return Cursor(self.since, int(last_id), self.started)

    def finished(self, overlap_seconds: int = SEARCH_OVERLAP_SECONDS) -> Cursor:
        """Return the cursor of the next pass; it never goes back."""
        return Cursor(max(self.since, self.started - overlap_seconds * 1000))


def query(
    object_name: str, cursor: Cursor, limit: int = SEARCH_PAGE_LIMIT, where: Iterable[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the body of the search for one page.

    :param where: further filters, all of which must hold.
    """
    filters = [{"propertyName": "hs_object_id", "operator": "GT", "value": str(cursor.last_id)}]
    if cursor.since:
        filters.append({
            "propertyName": modified_property(object_name), "operator": "GTE", "value": str(cursor.since)})
    return {
        "filterGroups": [{"filters": [*filters, *where]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": [modified_property(object_name)],
        "limit": limit,
    }


def milliseconds(moment: datetime) -> int:
    """Return a naive UTC moment as epoch milliseconds."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def version_of(record: dict[str, Any]) -> str:
    """Return a record's last change as text that sorts in time order.

    HubSpot leaves out milliseconds that are zero (`…:44Z`), which would sort behind
    `…:44.123Z`; they are put back.
    """
    match = _INSTANT.fullmatch(str(record.get("updatedAt") or ""))
    if not match:
        return ""
    return f"{match[1]}.{(match[2] or '').ljust(3, '0')[:3]}Z"


def with_version(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record whose `updatedAt` is its version."""
    return {**record, "updatedAt": version_of(record)} if "updatedAt" in record else record
