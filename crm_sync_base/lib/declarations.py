"""What a connector declares and what it exchanges with the engine.

A connector is a list of `RemoteObject` declarations plus a client. Everything
that crosses the border between the engine and a connector is one of the frozen
values below, so that either side can be read, tested and replaced alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .errors import SyncError
from .timing import next_batch


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """One kind of record at the provider, as its connector knows it.

    `version` of a record is any text that sorts in time order (an ISO moment in
    UTC, say); an empty version means that the provider has none, and the engine
    compares fingerprints instead.
    """

    name: str  #: the provider's own API name, e.g. "Account"
    label: str  #: what people call it
    read_batch: int = 100  #: records a single read call may carry
    write_batch: int = 100  #: records a single write call may carry
    can_poll: bool = True  #: the connector can list what changed since a cursor
    can_push: bool = False  #: the connector can create or update it
    priority: int = 20  #: of the jobs it leads to; smaller runs first
    normalize_id: Callable[[str], str] = str  #: one spelling for each record
    custom: bool = False  #: somebody made it in this account; not the provider


@dataclass(frozen=True, slots=True)
class Document:
    """The current state of one remote record, as the provider returned it."""

    external_id: str
    data: dict[str, Any]
    version: str = ""
    deleted: bool = False
    merged_into: str | None = None  #: the record that survived a remote merge
    merged_from: tuple[str, ...] = ()  #: the records that were merged into it, where it tells
    #: e-mail of the person who changed it last, where it tells: nobody approves a change of his own
    changed_by: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """A remote record that may have changed, seen by a poll.

    A poll that walks the provider's own list of events gives their ids as
    `source_id`: what a webhook brought already is dropped, what it did not bring
    is a gap that the poll closed.
    """

    external_id: str
    version: str = ""
    source_id: str = ""
    event_type: str = ""
    correlation_id: str = ""  #: of our own earlier call, when the provider kept it


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a poll; `cursor` is where the next page starts."""

    refs: tuple[Ref, ...]
    cursor: str
    done: bool


@dataclass(frozen=True, slots=True)
class Write:
    """One record to create (`external_id` is None) or update at the provider."""

    key: int  #: the engine's own handle of this write, returned in the result
    external_id: str | None
    values: dict[str, Any]  #: remote field path → value
    idempotency_key: str
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one `Write`: an id, or the error that it met."""

    key: int
    external_id: str | None = None
    version: str = ""
    created: bool = False
    error: SyncError | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that a webhook told us: *that* a record changed, not what."""

    source_id: str  #: unique at the provider; the same delivery has the same one
    remote_object: str  #: empty when the event type is not ours: stored, unused
    external_id: str
    event_type: str
    occurred_at: datetime | None = None  #: naive UTC
    version: str = ""
    correlation_id: str = ""  #: of our own earlier call, when the provider kept it


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What enqueueing must know of a flow, as plain values."""

    id: int
    connection_id: int
    company_id: int
    priority: int
    is_document: bool = False  #: later changes of a record belong to its first story
    batch_minutes: int = 0  #: what it is asked for is gathered until its next batch; 0: at once

    def due_at(self, now: datetime) -> datetime:
        """Return when work is due that somebody asks for now."""
        return next_batch(now, self.batch_minutes) if self.batch_minutes else now


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A delivery as it came over the wire; header names in lower case."""

    body: bytes
    headers: dict[str, str]
    url: str  #: the public URL that the provider was given
    remote_address: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a connector makes of a `WebhookRequest`.

    `verdict` is "accepted" or the reason of the refusal; a refused delivery is
    stored for people to see and leads to nothing.
    """

    verdict: str
    http_status: int
    reason: str = ""
    notifications: tuple[Notification, ...] = ()
    body: bytes = b""
    content_type: str = "application/json"

    @property
    def accepted(self) -> bool:
        """Whether the delivery is authentic and well-formed."""
        return self.verdict == "accepted"


#: verdicts of a `Receipt`, with what they mean to a reader of the event ledger
VERDICTS: dict[str, str] = {
    "accepted": "Accepted",
    "bad_signature": "Refused: signature does not match",
    "unsigned": "Refused: not signed",
    "stale": "Refused: too old, or its clock is wrong",
    "malformed": "Refused: cannot be read",
    "oversized": "Refused: too large",
    "wrong_account": "Refused: another account or environment",
    "unknown_endpoint": "Refused: no such endpoint",
    "inactive": "Refused: the connection is not active",
}


@dataclass(frozen=True, slots=True)
class RemoteAccount:
    """Who is at the other end of a connection."""

    external_id: str
    name: str
    is_production: bool


#: What a field holds, in words that all providers and Odoo share. "reference" is one
#: other record, "references" several of them, "lines" a list of dependent records;
#: empty means that nobody knows, and nobody complains.
KINDS = (
    "text",
    "integer",
    "number",
    "boolean",
    "date",
    "datetime",
    "choice",
    "choices",
    "reference",
    "references",
    "lines",
    "binary",
    "other",
)


@dataclass(frozen=True, slots=True)
class RemoteField:
    """One field of an object, for pickers, checks and the schema watch.

    Keys that a connector adds to its documents are described like fields. A field
    through which a document reaches another record's fields says so in `relationship`:
    `Owner.Name` goes through the field whose relationship is `Owner`.
    """

    name: str
    label: str
    type: str  #: as the provider calls it
    required: bool = False  #: a new record is refused without it
    writable: bool = True
    custom: bool = False
    references: str = ""  #: name of the object that a reference or line belongs to
    kind: str = ""  #: one of `KINDS`
    relationship: str = ""  #: name under which the other record's fields are reached
    unique: bool = False  #: no two records have the same value
    length: int = 0  #: longest text, 0 when that is not known
    choices: tuple[tuple[str, str], ...] = ()  #: (value, label)


@dataclass(frozen=True, slots=True)
class RateState:
    """What the provider's headers said of the remaining budget.

    :param remaining: calls left in the present short window.
    :param limit: calls that a short window allows.
    :param reset_seconds: length of the short window.
    :param daily_remaining: calls left today.
    :param daily_limit: calls that a day allows.
    """

    remaining: int
    limit: int
    reset_seconds: float | None = None
    daily_remaining: int | None = None
    daily_limit: int | None = None


@dataclass(frozen=True, slots=True)
class EndpointClass:
    """A part of a provider's API that fails, and is limited, on its own.

    :param code: stable key, unique in the connector.
    :param label: what people call it.
    :param rate_limit: calls in `rate_seconds`, where the provider does not say it in its
        answers; 0 without a limit.
    """

    code: str
    label: str
    rate_limit: int = 0
    rate_seconds: float = 1.0
