"""The provider of the play: records with their whole history, deliveries, and faults to come."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from odoo.addons.crm_sync_base.lib.errors import AuthFailed, DataInvalid, RateLimited, RemoteGone, Transient

#: What may go wrong with one call. The first happen before it takes effect.
DOWN = "down"  #: no answer at all, nothing happened
SLOW_DOWN = "slow down"  #: 429 with a wait
REFUSED = "refused"  #: the credentials are refused
BROKEN = "broken"  #: our client breaks: a bug
STALE = "stale"  #: a read answers from a replica that lags one version behind
HALF = "half"  #: a write takes effect for the first half, then the line is cut
HALF_ANSWER = "half answer"  #: a write takes effect, the answer lacks the second half
LOST_ANSWER = "lost answer"  #: a write takes effect, the answer is lost
REJECT = "reject"  #: a write is refused for its first record, which is wrong

FAULTS = {
    "read": (DOWN, SLOW_DOWN, REFUSED, BROKEN, STALE),
    "poll": (DOWN, SLOW_DOWN, REFUSED, BROKEN),
    "push": (DOWN, SLOW_DOWN, REFUSED, BROKEN, HALF, HALF_ANSWER, LOST_ANSWER, REJECT),
}


@dataclass(frozen=True)
class Version:
    """One state of one remote record."""

    number: str
    data: dict[str, Any]
    deleted: bool = False


@dataclass(frozen=True)
class Delivery:
    """A webhook on its way."""

    source_id: str
    remote_object: str
    external_id: str


@dataclass
class Effect:
    """One write that the provider took."""

    remote_object: str
    external_id: str
    values: dict[str, Any]
    key: str
    created: bool


@dataclass
class Remote:
    """All that the provider knows."""

    clock: int = 0
    told: int = 0
    history: dict[tuple[str, str], list[Version]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)  #: idempotency key → record
    faults: dict[str, list[str]] = field(default_factory=dict)
    calls: Counter = field(default_factory=Counter)
    #: Whether something happened that only a poll can make good.
    gaps: bool = False

    # === What people do there ===#

    def put(self, remote_object: str, external_id: str, **data: Any) -> None:
        """Create or change a record; its owner is told."""
        versions = self.history.setdefault((remote_object, external_id), [])
        known = versions[-1].data if versions else {"Id": external_id}
        versions.append(Version(self._tick(), {**known, **data}))
        self.tell(remote_object, external_id)

    def delete(self, remote_object: str, external_id: str) -> None:
        """Delete a record; it stays known as deleted."""
        versions = self.history[remote_object, external_id]
        versions.append(Version(self._tick(), versions[-1].data, deleted=True))
        self.tell(remote_object, external_id)

    def newest(self, remote_object: str, external_id: str) -> Version | None:
        """Return the present state of a record."""
        versions = self.history.get((remote_object, external_id))
        return versions[-1] if versions else None

    def at(self, remote_object: str, external_id: str, number: str) -> Version | None:
        """Return the state that a record had at a version."""
        versions = self.history.get((remote_object, external_id), ())
        return next((version for version in versions if version.number == number), None)

    def _tick(self) -> str:
        self.clock += 1
        return f"{self.clock:06d}"

    def tell(self, remote_object: str, external_id: str) -> None:
        """Have a webhook say that a record changed."""
        self.told += 1
        self.deliveries.append(Delivery(f"ev-{self.told}", remote_object, external_id))

    # === What its interface does ===#

    def fault(self, call: str) -> str:
        """Return what goes wrong with this call, and raise what stops it at once."""
        self.calls[call] += 1
        waiting = self.faults.get(call)
        fault = waiting.pop(0) if waiting else ""
        if fault == DOWN:
            raise Transient("The provider does not answer.")
        if fault == SLOW_DOWN:
            raise RateLimited("Too many calls.", retry_after=30.0)
        if fault == REFUSED:
            raise AuthFailed("The token was revoked.")
        if fault == BROKEN:
            raise ZeroDivisionError
        return fault

    def read(self, remote_object: str, external_ids: list[str], fault: str) -> dict[str, Version]:
        """Return the states of those records that exist or existed."""
        found = {}
        for external_id in external_ids:
            versions = self.history.get((remote_object, external_id), [])
            if fault == STALE and len(versions) > 1:
                self.gaps = True
                found[external_id] = versions[-2]
            elif versions:
                found[external_id] = versions[-1]
        return found

    def changed_since(self, remote_object: str, cursor: str) -> list[tuple[str, str]]:
        """Return (version, record) of all records, oldest first.

        As every real poll it overlaps with the last one; here with all of them.
        """
        return sorted(
            (versions[-1].number, external_id)
            for (name, external_id), versions in self.history.items()
            if name == remote_object
        )

    def write(self, remote_object: str, external_id: str | None, values: dict, key: str) -> str:
        """Take one write, once for each idempotency key; return the record's id.

        :raises RemoteGone: when the record was deleted.
        """
        if key in self.results:
            return self.results[key]
        created = external_id is None
        external_id = external_id or f"{remote_object.lower()}-{len(self.results) + 1}"
        newest = self.newest(remote_object, external_id)
        if newest and newest.deleted:
            raise RemoteGone(f"{remote_object} {external_id} was deleted.")
        self.results[key] = external_id
        self.effects.append(Effect(remote_object, external_id, dict(values), key, created))
        self.put(remote_object, external_id, **values)
        return external_id


def refusal() -> DataInvalid:
    """Return what a provider says of a record that it does not take."""
    return DataInvalid("The provider refuses this value.")
