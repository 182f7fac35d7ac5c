"""Dotted paths into a provider's document."""

from __future__ import annotations

from typing import Any

MISSING = object()  #: the path does not exist, which is not the same as null


def get(document: Any, path: str) -> Any:
    """Return the value at a dotted path, or `MISSING`.

    A null on the way (a relation that is not set) makes the rest null, too: the
    field exists, its parent is empty. A number picks an element of a list.

    >>> get({"Account": {"Name": "Acme"}}, "Account.Name")
    'Acme'
    """
    if isinstance(document, dict) and path in document and "." not in path:
        return document[path]  # what most paths are
    current = document
    for part in path.split("."):
        if current is None:
            return None
        if isinstance(current, dict):
            if part not in current:
                return MISSING
            current = current[part]
        elif isinstance(current, (list, tuple)) and part.isdigit():
            if int(part) >= len(current):
                return MISSING
            current = current[int(part)]
        else:
            return MISSING
    return current


def put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the value at a dotted path, making the dictionaries on the way."""
    *parents, last = path.split(".")
    for part in parents:
        document = document.setdefault(part, {})
    document[last] = value
