"""Batch writes: chunks, traces, partial answers, and what became of each input.

A batch takes 100 inputs. HubSpot processes the good ones and reports the bad ones (207)
only if every input carries an `objectWriteTraceId` of its own; otherwise, and where it
does not do partial writes (upserts by e-mail), one bad input fails all of them. Results
come in any order. An id may occur once in a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from odoo.addons.crm_sync_base.lib.errors import Conflict, DataInvalid, RemoteGone, SyncError, Transient

from .answers import entry_error
from .changes import with_version
from .const import BATCH_LIMIT
from .transport import Answer

T = TypeVar("T")

#: Errors that one input can cause for its whole batch: the batch is halved to find it.
_BLAMES_AN_INPUT = (DataInvalid, Conflict, RemoteGone)


@dataclass(frozen=True, slots=True)
class Item:
    """One record to write."""

    key: str  #: the caller's handle, unique within the call
    properties: dict[str, Any]
    id: str = ""  #: of the record to update; value of the unique property to upsert by
    associations: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of an `Item`: a record, or an error."""

    key: str
    record: dict[str, Any] = field(default_factory=dict)  #: as the API returned it
    created: bool = False
    error: SyncError | None = None

    @property
    def id(self) -> str:
        """The record's id, empty after an error."""
        return self.record.get("id", "")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut a sequence into lists of at most `size`."""
    chunk: list[T] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def rounds(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut writes into batches in which no id occurs twice; writes to one record keep their order."""
    waiting = list(items)
    while waiting:
        batch: list[Item] = []
        later: list[Item] = []
        seen: set[str] = set()
        for item in waiting:
            if len(batch) == BATCH_LIMIT or (item.id and item.id in seen):
                later.append(item)
            else:
                batch.append(item)
            if item.id:
                seen.add(item.id)
        yield batch
        waiting = later


def write(
    items: list[Item],
    send: Callable[[list[dict[str, Any]]], Answer],
    describe: Callable[[Item], dict[str, Any]],
    *,
    created: bool | None = None,
    id_property: str = "",
) -> list[ItemResult]:
    """Write items in batches; one result for each.

    :param send: posts a list of inputs.
    :param describe: turns an item into an input, without its trace.
    :param created: whether success means a new record; None asks the answer (`new`).
    :param id_property: the property that an item's `id` is a value of, if not the record id.
    :raises SyncError: what concerns no single input (access, limits, the line). Batches
        that were sent before stay written.
    """
    results: list[ItemResult] = []
    for batch in rounds(items):
        for part, answer in _sent(batch, send, describe):
            results += _matched(part, answer, created, id_property)
    return results


def _sent(
    batch: list[Item],
    send: Callable[[list[dict[str, Any]]], Answer],
    describe: Callable[[Item], dict[str, Any]],
) -> Iterator[tuple[list[Item], Answer | SyncError]]:
    """Send a batch, in halves where it fails as a whole; yield parts with their outcome."""
    inputs = [{**describe(item), "objectWriteTraceId": _trace(number)} for number, item in enumerate(batch)]
    try:
        yield batch, send(inputs)
    except _BLAMES_AN_INPUT as error:
        if len(batch) == 1:
            yield batch, error
            return
        middle = len(batch) // 2
        yield from _sent(batch[:middle], send, describe)
        yield from _sent(batch[middle:], send, describe)


def _trace(number: int) -> str:
    return f"w{number}"


def _matched(
    batch: list[Item], outcome: Answer | SyncError, created: bool | None, id_property: str
) -> list[ItemResult]:
    """Tell for each item what the answer says of it: by trace, else by id."""
    if isinstance(outcome, SyncError):
        return [ItemResult(item.key, error=outcome) for item in batch]
    body = outcome.body or {}
    records = _records(body.get("results") or [], id_property)
    if len(batch) == 1 and len(body.get("results") or []) == 1:
        records[_trace(0)] = body["results"][0]
    errors = _errors(body.get("errors") or [])
    results = []
    for number, item in enumerate(batch):
        record = records.get(_trace(number)) or records.get(("id", item.id.lower()))
        error = errors.get(_trace(number)) or errors.get(item.id)
        if record is not None:
            new = bool(record.get("new")) if created is None else created
            results.append(ItemResult(item.key, with_version(record), new))
        else:
            results.append(ItemResult(item.key, error=error or _unmentioned()))
    return results


def _records(results: list[dict[str, Any]], id_property: str) -> dict[Any, dict[str, Any]]:
    """Return an answer's records by trace and by `("id", …)`; e-mail addresses ignore case."""
    found: dict[Any, dict[str, Any]] = {}
    for record in results:
        if record.get("objectWriteTraceId"):
            found[record["objectWriteTraceId"]] = record
        value = (record.get("properties") or {}).get(id_property) if id_property else record.get("id")
        if value:
            found["id", value.lower()] = record
    return found


def _errors(entries: list[dict[str, Any]]) -> dict[str, SyncError]:
    """Return the errors of a 207 by trace and by id."""
    found: dict[str, SyncError] = {}
    for entry in entries:
        context = entry.get("context") or {}
        for name in ("objectWriteTraceId", "id", "ids"):
            for value in context.get(name) or ():
                found[str(value)] = entry_error(entry, "" if name == "objectWriteTraceId" else str(value))
    return found


def _unmentioned() -> Transient:
    """Neither written nor refused: nobody knows, so it is tried again."""
    return Transient("HubSpot's answer does not mention the record.")
