"""Form bodies and query strings with nested keys (`items[0][price]=...`)."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from .errors import invalid_request

MAX_DEPTH = 10
MAX_FIELDS = 1000


def decode(text: str) -> dict:
    """Decode `application/x-www-form-urlencoded` text into a tree.

    :param text: the raw query string or body.
    :return: nested dicts with string leaves. `a[]=1&a[]=2` gives
        `{"a": ["1", "2"]}`, `a[0]=1` gives `{"a": {"0": "1"}}`: whether numbered
        keys mean a list is decided by the parameter's declared type, because
        only it can tell a list from an object with numeric names.
    :raise StripeError: the nesting is broken or contradicts itself.
    """
    pairs = parse_qsl(
        text, keep_blank_values=True, encoding="utf-8", max_num_fields=MAX_FIELDS
    )
    return decode_pairs(pairs)


def decode_pairs(pairs: Iterable[tuple[str, str]]) -> dict:
    """Decode key/value pairs; see :func:`decode`."""
    tree: dict = {}
    for key, value in pairs:
        _insert(tree, _split(key), value)
    return tree


def _split(key: str) -> list[str]:
    """`a[b][]` -> `["a", "b", ""]`."""
    name, bracket, rest = key.partition("[")
    if not bracket:
        return [name]
    if not rest.endswith("]") or not name:
        raise invalid_request(f"Invalid parameter name: {key}", param=key)
    parts = [name, *rest[:-1].split("][")]
    if len(parts) > MAX_DEPTH or any("[" in p or "]" in p for p in parts):
        raise invalid_request(f"Invalid parameter name: {key}", param=key)
    return parts


def _insert(tree: dict, parts: list[str], value: str) -> None:
    """Put one leaf into the tree, refusing a key that is both leaf and branch."""
    node = tree
    for index, part in enumerate(parts[:-1]):
        if part == "":
            raise invalid_request(
                "Invalid array: nested lists need numbered keys", param=name_of(parts)
            )
        last_is_append = parts[index + 1] == "" and index + 2 == len(parts)
        child = node.setdefault(part, [] if last_is_append else {})
        if last_is_append and isinstance(child, list):
            child.append(value)
            return
        if not isinstance(child, dict):
            raise invalid_request("Invalid object", param=name_of(parts[: index + 1]))
        node = child
    if isinstance(node.get(parts[-1]), (dict, list)):
        raise invalid_request("Invalid string: {}", param=name_of(parts))
    node[parts[-1]] = value


def name_of(parts: Iterable[str]) -> str:
    """`["items", "0", "price"]` -> `items[0][price]`."""
    first, *rest = parts
    return first + "".join(f"[{part}]" for part in rest)
