"""The chain of seals over the change ledger: what is hashed, and what a broken link means.

A seal covers an exact set of changes. It holds the SHA-256 digest of each of them, the
root over these digests, and its own hash over root, ids and the hash of the seal before
it. Whoever alters, deletes or adds a sealed change, or a seal, breaks this arithmetic.
Whoever could compute all later seals anew is found by the proof: an HMAC-SHA256 (RFC
2104) of each hash under a key that is not in the database.

Nothing here touches a database.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from . import spans

GENESIS = "0" * 64  #: what the first seal has before it
SIZE = hashlib.sha256().digest_size  #: bytes of a digest
MISSING = bytes(SIZE)  #: stands for a change that was gone before it could be sealed

ROWS, PURGE = "rows", "purge"

#: kinds of findings, with whether each breaks the chain's testimony
ALTERED = "altered"  # a change is not what it was when it was sealed
DELETED = "deleted"  # a sealed change is gone
VANISHED = "vanished"  # a change was gone before it was sealed
INSERTED = "inserted"  # a change that the engine did not record
UNVOUCHED = "unvouched"  # recorded or sealed without the key, although there was one
FORGED = "forged"  # the proof of a seal was not made with its key
SEAL_ALTERED = "seal_altered"  # a seal's own contents do not fit its hash
SEAL_MISSING = "seal_missing"  # a seal is gone, or does not continue the one before it
UNREADABLE = "unreadable"  # the ledger has lost a column that was sealed
CUT = "cut"  # the chain ends before a seal that was seen earlier
LATE = "late"  # sealed long after it happened: no proof of anything, worth a question
KEY_GONE = "key_gone"  # the key of a seal is not here, so its proof cannot be checked

KINDS = (
    ALTERED, DELETED, VANISHED, INSERTED, UNVOUCHED, FORGED, SEAL_ALTERED, SEAL_MISSING, UNREADABLE, CUT, LATE,
    KEY_GONE,
)

REMARKS = frozenset({LATE, KEY_GONE})  #: of the kinds: they break nothing


class Finding(NamedTuple):
    """One thing that a verification found.

    :param number: of the seal, 0 when it concerns none.
    :param change_id: of the change, 0 when it concerns none.
    """

    kind: str
    number: int = 0
    change_id: int = 0


@dataclass(frozen=True, slots=True)
class Seal:
    """What a seal says, its hash and proof not included.

    :param ids: of the changes that it covers, as spans.
    :param columns: of the change ledger that went into the digests, by names with commas.
    :param root: over the digests, hexadecimal.
    :param previous: hash of the seal before.
    :param cutoff: of a purge: changes of seals that end before it may be gone.
    :param unvouched: how many of the changes came without the engine's proof.
    """

    number: int
    kind: str
    ids: str
    columns: str
    root: str
    previous: str
    sealed_at: datetime
    first_at: datetime | None = None
    last_at: datetime | None = None
    cutoff: datetime | None = None
    unvouched: int = 0

    @property
    def count(self) -> int:
        """How many changes it covers."""
        return spans.size(spans.load(self.ids))

    def hash(self) -> str:
        """Return the SHA-256 over everything that the seal says, hexadecimal."""
        facts = [
            self.number, self.kind, self.ids, self.columns, self.root, self.previous, _text(self.sealed_at),
            _text(self.first_at), _text(self.last_at), _text(self.cutoff), self.unvouched,
        ]
        return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode()).hexdigest()


def _text(moment: datetime | None) -> str:
    return moment.isoformat(timespec="microseconds") if moment else ""


def digest(text: str, _sha256=hashlib.sha256) -> bytes:
    """Return the digest of a change, given its canonical text."""
    return _sha256(text.encode()).digest()


def root(digests: bytes) -> str:
    """Return the root over digests that are put one after the other."""
    return hashlib.sha256(digests).hexdigest()


def pack(ids: Iterable[int], found: Mapping[int, bytes]) -> bytes:
    """Return the digests of some changes in the order of their ids; gaps for what is gone.

    :param found: `{id: digest}` of those that are there.
    """
    return b"".join([found.get(one, MISSING) for one in ids])


# --- Proof ---


def key_id(secret: bytes) -> str:
    """Return the public name of a key."""
    return hashlib.sha256(b"q2c seal key:" + secret).hexdigest()[:16]


def proof(secret: bytes, text: str) -> str:
    """Return what only the holder of the key can say of a text, hexadecimal."""
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()


def proves(secret: bytes, text: str, given: str | None) -> bool:
    """Return whether a proof was made of this text with this key."""
    return hmac.compare_digest(proof(secret, text), given or "")


def note(ids: str, moment: datetime) -> str:
    """Return the text with which the engine vouches for changes that it has recorded."""
    return f"note|{ids}|{_text(moment)}"


# --- Verification ---


class Rows(NamedTuple):
    """What became of the changes of a seal.

    :param present: how many are there, as they were or not.
    :param removed: how many retention has removed.
    """

    present: int
    removed: int
    findings: list[Finding]


def check_rows(seal: Seal, digests: bytes, found: Mapping[int, bytes] | None, purgeable: bool) -> Rows:
    """Compare the changes of a seal with the digests that it keeps.

    :param digests: as the seal keeps them.
    :param found: `{id: digest}` of the changes as they are now; None when they cannot be
        computed, because a sealed column is gone.
    :param purgeable: whether retention may have removed them, all of them.
    """
    if found is None:
        return Rows(0, 0, [Finding(UNREADABLE, seal.number)])
    ids = list(spans.ids(spans.load(seal.ids)))
    packed = pack(ids, found)
    sound = root(digests) == seal.root
    if sound and packed == digests and MISSING not in digests:
        return Rows(len(ids), 0, [])
    present = sum(one in found for one in ids)
    if not sound or len(digests) != SIZE * len(ids):
        return Rows(present, 0, [Finding(SEAL_ALTERED, seal.number)])
    if purgeable and not present:
        return Rows(0, len(ids), [])
    # What was gone from the beginning is equal, too, and has to be told.
    return Rows(present, 0, list(_compare(seal, ids, digests, found)))


def _compare(seal: Seal, ids: list[int], digests: bytes, found: Mapping[int, bytes]) -> Iterator[Finding]:
    for position, one in enumerate(ids):
        sealed = digests[position * SIZE : (position + 1) * SIZE]
        now = found.get(one)
        if sealed == MISSING:
            yield Finding(VANISHED if now is None else INSERTED, seal.number, one)
        elif now is None:
            yield Finding(DELETED, seal.number, one)
        elif now != sealed:
            yield Finding(ALTERED, seal.number, one)


def check_link(
    seal: Seal, hash_: str, number: int, previous: str, late_after: float
) -> Iterator[Finding]:
    """Yield what is wrong with a seal itself and its place in the chain.

    :param hash_: as the seal keeps it.
    :param number: that comes next in the chain.
    :param previous: hash of the seal before it.
    :param late_after: seconds after which sealing counts as late.
    """
    if seal.number != number or seal.previous != previous:
        yield Finding(SEAL_MISSING, seal.number)
    if seal.hash() != hash_:
        yield Finding(SEAL_ALTERED, seal.number)
    if seal.first_at and (seal.sealed_at - seal.first_at).total_seconds() > late_after:
        yield Finding(LATE, seal.number)


def check_proof(
    seal: Seal, hash_: str, key: str, given: str, secrets: Mapping[str, bytes], keyed: bool
) -> Iterator[Finding]:
    """Yield what is wrong with who made a seal.

    :param key: name of the key that it says it was made with, empty for none.
    :param given: its proof.
    :param secrets: the keys that are here, by name.
    :param keyed: whether an earlier seal has a proof, so that there was a key.
    """
    if not key:
        if keyed:
            yield Finding(UNVOUCHED, seal.number)
    elif key not in secrets:
        yield Finding(KEY_GONE, seal.number)
    elif not proves(secrets[key], hash_, given):
        yield Finding(FORGED, seal.number)
    if seal.unvouched and keyed:
        yield Finding(UNVOUCHED, seal.number)
