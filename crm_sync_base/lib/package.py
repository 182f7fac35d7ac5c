"""A configuration package: sealed JSON that carries settings from one database to another.

A package says what a flow, a mapping or a value map *is*, never which row it is: records
are named by keys that mean the same everywhere. It is signed (Ed25519, RFC 8032) over its
canonical bytes, so that what is imported is what was exported, and by whom.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = "q2c-configuration"
VERSION = 1
MOST_BYTES = 20_000_000

CREATE, UPDATE, SAME = "create", "update", "same"


class PackageError(ValueError):
    """A package that must not be used; the message says why."""


# === Seal and open ===#


def canonical(content: Any) -> bytes:
    """Return JSON-like data as bytes that are equal for equal data."""
    return json.dumps(
        content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    ).encode()


def digest(content: Any) -> str:
    """Return the SHA-256 of data as hexadecimal text."""
    return hashlib.sha256(canonical(content)).hexdigest()


def new_key() -> str:
    """Return a fresh private key as text; it is a secret."""
    return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw()).decode()


def public_key(private: str) -> str:
    """Return the public part of a private key as text."""
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def fingerprint(public: str) -> str:
    """Return what people compare of a public key, in groups of four."""
    short = hashlib.sha256(base64.b64decode(public)).hexdigest()[:24]
    return " ".join(short[place : place + 4] for place in range(0, len(short), 4))


def seal(content: Mapping[str, Any], private: str) -> str:
    """Return a package of this content as text, signed.

    :param content: JSON-like.
    :param private: see `new_key`.
    """
    body = {"format": FORMAT, "version": VERSION, "content": content}
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private))
    sealed = {
        **body,
        "checksum": digest(body),
        "signature": {
            "algorithm": "ed25519",
            "public_key": public_key(private),
            "value": base64.b64encode(key.sign(canonical(body))).decode(),
        },
    }
    return json.dumps(sealed, sort_keys=True, ensure_ascii=False, indent=2)


@dataclass(frozen=True, slots=True)
class Opened:
    """A package whose seal is intact.

    :param public_key: of whoever signed it; whether to trust that key is another matter.
    """

    content: dict[str, Any]
    checksum: str
    public_key: str


def open_sealed(text: str | bytes) -> Opened:
    """Return the content of a package.

    :raises PackageError: it is none, is of another version, or was altered.
    """
    if len(text) > MOST_BYTES:
        raise PackageError("it is larger than any package")
    try:
        sealed = json.loads(text)
        if not isinstance(sealed, dict) or sealed.get("format") != FORMAT:
            raise PackageError("it is not a configuration package")
        if sealed.get("version") != VERSION:
            raise PackageError(f"it has version {sealed.get('version')!r}, this suite reads {VERSION}")
        body = {name: sealed[name] for name in ("format", "version", "content")}
        signature = sealed["signature"]
        signer = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"], validate=True))
        signer.verify(base64.b64decode(signature["value"], validate=True), canonical(body))
    except PackageError:
        raise
    except InvalidSignature:
        raise PackageError("its signature does not match: it was altered after it was exported") from None
    except (KeyError, TypeError, ValueError, RecursionError):
        raise PackageError("it is damaged or incomplete") from None
    if sealed.get("checksum") != digest(body):
        raise PackageError("its checksum does not match: it was altered after it was exported")
    if not isinstance(body["content"], dict) or not isinstance(body["content"].get("records"), list):
        raise PackageError("it is damaged or incomplete")
    return Opened(body["content"], sealed["checksum"], signature["public_key"])


# === Compare ===#


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that applying a package would change.

    :param kind: of the record, a key of the content.
    :param name: of the record, as people know it.
    :param operation: create or update.
    :param path: what of it, "max_attempts" or "rules › Email › policy"; empty for a record
        that is created.
    :param before: as text, empty where there was nothing.
    :param after: as text, empty where it goes away.
    """

    kind: str
    name: str
    operation: str
    path: str
    before: str
    after: str


def differences(record: Mapping[str, Any], current: Mapping[str, Any] | None) -> list[Difference]:
    """Return what a record of a package has other than the present one.

    :param record: `{"kind", "name", "values"}`.
    :param current: the values of the present record, None when there is none.
    """
    kind, name = record["kind"], record["name"]
    if current is None:
        return [Difference(kind, name, CREATE, path, "", after) for path, after in _leaves(record["values"])]
    rows = _compare(record["values"], current, ())
    return [Difference(kind, name, UPDATE, path, before, after) for path, before, after in rows]


def _compare(after: Any, before: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str, str]]:
    rows = isinstance(after, list) and isinstance(before, list) and _is_rows(after + before)
    if rows:
        after, before = _by_label(after), _by_label(before)
    if isinstance(after, dict) and isinstance(before, dict) and not (_is_ref(after) or _is_ref(before)):
        names = dict.fromkeys([*after, *before])
        # Rows have an order of their own. That of fields depends on where they were stored:
        # the same differences must read the same whenever they are computed.
        for name in names if rows else sorted(names):
            yield from _compare(after.get(name), before.get(name), (*path, name))
    elif after != before:
        yield " › ".join(path), text(before), text(after)


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a new record consists of; what is empty is not worth a line."""
    for path, _before, after in _compare(values, {}, ()):
        if after:
            yield path, after


def _is_rows(rows: list[Any]) -> bool:
    return bool(rows) and all(isinstance(row, dict) and "label" in row for row in rows)


def _by_label(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return rows by what they are called; equal names are numbered."""
    found: dict[str, Any] = {}
    for row in rows:
        label, number = str(row["label"]), 2
        while label in found:
            label, number = f"{row['label']} ({number})", number + 1
        found[label] = {name: value for name, value in row.items() if name != "label"}
    return found


def _is_ref(value: Any) -> bool:
    return isinstance(value, dict) and "model" in value and "name" in value


def text(value: Any) -> str:
    """Return a value as people read it; what is empty is an empty text."""
    if value is None or value is False or value == "" or value == [] or value == {}:
        return ""
    if value is True:
        return "yes"
    if _is_ref(value):
        return str(value["name"])
    if isinstance(value, list):
        return ", ".join(text(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {text(each)}" for name, each in sorted(value.items()) if text(each))
    return str(value)
