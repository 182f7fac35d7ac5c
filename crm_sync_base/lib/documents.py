"""A remote document at rest and in a person's hands.

Stored documents are JSON with exact numbers: what a client parsed as `Decimal` comes
back as the same `Decimal`. Places in a document are JSON Pointers (RFC 6901), so that
keys may contain anything.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from .declarations import Document
from .masking import MASK, is_secret

ABSENT = object()  #: nothing is at a place, which is not the same as null

#: how a `Decimal` passes through the encoder before its quotes are taken away
_NUMBER = re.compile(r'"\\u0000([^"]*)"')


class EditProblem(ValueError):
    """What a person typed cannot be used; the message says what and where."""


class DocumentUnreadable(ValueError):
    """A stored text is not what `dump` makes; only a new fetch helps."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of a document that people can edit on its own."""

    pointer: str
    value: Any

    @property
    def path(self) -> str:
        """The place in the notation of mappings, with dots."""
        return ".".join(parts(self.pointer))


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that a job keeps, with the prerequisites that were fetched for it."""

    document: Document
    brought: tuple[tuple[str, Document], ...] = ()  #: (remote object, document)

    @property
    def by_key(self) -> dict[tuple[str, str], Document]:
        """The prerequisites by remote object and id."""
        return {(name, document.external_id): document for name, document in self.brought}


# --- JSON with exact numbers ---


def to_json(data: Any, indent: int | None = None) -> str:
    """Return JSON in which a `Decimal` keeps every digit.

    :raises TypeError: for anything that JSON and `Decimal` cannot say.
    """
    text = json.dumps(data, default=_encode, indent=indent, ensure_ascii=False)
    return _NUMBER.sub(r"\1", text)


def _encode(value: Any) -> str:
    if isinstance(value, Decimal) and value.is_finite():
        return f"\0{value}"
    raise TypeError(f"a document cannot hold {type(value).__name__}")


def from_json(text: str) -> Any:
    """Return the data of a JSON text; fractions are `Decimal`.

    :raises EditProblem: with line and column, when it is no JSON.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise EditProblem(f"line {error.lineno}, column {error.colno}: {error.msg}") from None


def _refuse_constant(name: str) -> None:
    raise EditProblem(f"{name} is not a number")


# --- At rest ---


def dump(kept: Kept) -> str | None:
    """Return documents as text, or None when they hold something that is no JSON."""
    brought = [[name, asdict(document)] for name, document in kept.brought]
    try:
        return to_json({"document": asdict(kept.document), "brought": brought})
    except TypeError:
        return None


def load(text: str) -> Kept:
    """Return the documents of a text made by `dump`.

    :raises DocumentUnreadable: for any other text.
    """
    try:
        data = from_json(text)
        brought = tuple((name, _document(document)) for name, document in data["brought"])
        return Kept(_document(data["document"]), brought)
    except (EditProblem, KeyError, TypeError, ValueError) as error:
        # Without the original, which may quote the document.
        raise DocumentUnreadable(type(error).__name__) from None


def _document(data: dict[str, Any]) -> Document:
    return Document(**{**data, "merged_from": tuple(data.get("merged_from") or ())})


def edited_version(version: str, moment: datetime) -> str:
    """Return the version of a document that a person edited.

    It sorts after the version that was edited and before any later one of the
    source: what the source says next wins, what it said before does not return.

    :param moment: of the edit, in UTC.
    """
    base = version.partition("~")[0]
    return f"{base}~{moment:%Y%m%dT%H%M%S.%f}" if base else ""


# --- Places ---


def parts(pointer: str) -> list[str]:
    """Return the keys of a JSON Pointer."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def pointer_of(keys: list[Any] | tuple[Any, ...]) -> str:
    """Return the JSON Pointer of some keys."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def at(data: Any, pointer: str) -> Any:
    """Return what is at a place, or `ABSENT`."""
    for part in parts(pointer):
        if isinstance(data, dict) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return ABSENT
    return data


def _put(data: Any, pointer: str, value: Any) -> None:
    *parents, last = parts(pointer)
    for part in parents:
        data = data[int(part)] if isinstance(data, list) else data.setdefault(part, {})
    if isinstance(data, list):
        data[int(last)] = value
    elif isinstance(data, dict):
        data[last] = value
    else:
        raise EditProblem(f"{'.'.join(parts(pointer))}: there is no such place")


def leaves(data: Any, keys: tuple[Any, ...] = ()) -> Iterator[Leaf]:
    """Yield every value of a document that is no container, in its order."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from leaves(value, (*keys, key))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from leaves(value, (*keys, position))
    else:
        yield Leaf(pointer_of(keys), data)


# --- Edits ---


def shown(value: Any) -> str:
    """Return a value as it stands in an input."""
    if value is None or value is ABSENT:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def typed(text: str, before: Any) -> Any:
    """Return what a person typed as the kind of value that was there before.

    :raises EditProblem: when it is not of that kind.
    """
    if before is None or before is ABSENT:
        return text or before
    if isinstance(before, bool):
        if text.lower() not in ("true", "false"):
            raise EditProblem(f"“{text}” is neither true nor false")
        return text.lower() == "true"
    if isinstance(before, int | float | Decimal):
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise EditProblem(f"“{text}” is not a number") from None
        whole = isinstance(before, int) and number == number.to_integral_value()
        return int(number) if whole else number
    return text


def edited(data: Any, texts: dict[str, str]) -> Any:
    """Return a copy of a document with other values at some places.

    :param texts: `{pointer: what was typed}`.
    :raises EditProblem: naming the place.
    """
    result = copy.deepcopy(data)
    for pointer, text in texts.items():
        try:
            value = typed(text, at(data, pointer))
            if value is not ABSENT:
                _put(result, pointer, value)
        except (EditProblem, IndexError, ValueError) as error:
            raise EditProblem(f"{'.'.join(parts(pointer))}: {error}") from None
    return result


def veiled(data: Any, name: str = "") -> Any:
    """Return a copy with secrets (not personal data) masked."""
    if isinstance(data, dict):
        return {key: veiled(value, key) for key, value in data.items()}
    if isinstance(data, list):
        return [veiled(value, name) for value in data]
    return MASK if data not in (None, "", True, False) and is_secret(name) else data


def unveiled(data: Any, original: Any) -> Any:
    """Return a copy in which masks are the original's values again."""
    result = copy.deepcopy(data)
    for leaf in leaves(data):
        before = at(original, leaf.pointer)
        if leaf.value == MASK and before is not ABSENT:
            _put(result, leaf.pointer, before)
    return result


def differences(before: Any, after: Any) -> dict[str, list[Any]]:
    """Return `{path: [before, after]}` of every value that differs; None where there is none."""
    old = {leaf.pointer: leaf.value for leaf in leaves(before)}
    new = {leaf.pointer: leaf.value for leaf in leaves(after)}
    found = {}
    for pointer in dict.fromkeys([*old, *new]):
        pair = [old.get(pointer), new.get(pointer)]
        if pair[0] != pair[1] or type(pair[0]) is not type(pair[1]):
            found[".".join(parts(pointer))] = pair
    return found
