"""Lists: newest first, 1 to 100 a page, continued from an object's id."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import islice
from typing import Any

from .account import Account

DEFAULT_LIMIT = 10
_COMPARE = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


def page(
    account: Account,
    object_type: str,
    params: dict[str, Any],
    url: str,
    equal: tuple[str, ...] = (),
    ranges: tuple[str, ...] = ("created",),
    documents: list[dict] | None = None,
    where: Callable[[dict], bool] = lambda _doc: True,
) -> dict:
    """One page of a list.

    :param params: the request's parameters (limit, starting_after, filters).
    :param equal: names of filters that must equal the member of the same name.
    :param ranges: names of time filters.
    :param documents: candidates in the list's order, when the caller has narrowed them.
    :param where: one more condition.
    :return: the list object, not rendered.
    :raise StripeError: the object to continue from does not exist.
    """
    filters = {name: params[name] for name in equal if name in params}
    if documents is None:
        documents = _candidates(account, object_type, filters)

    def matches(doc: dict) -> bool:
        return (
            not doc.get("deleted")
            and all(doc.get(name) == value for name, value in filters.items())
            and all(_in_range(doc, name, params.get(name)) for name in ranges)
            and where(doc)
        )

    return list_object(*_cut(account, object_type, documents, params, matches), url)


def list_object(documents: list[dict], has_more: bool, url: str) -> dict:
    """:return: the wrapper that every list has."""
    return {"object": "list", "data": documents, "has_more": has_more, "url": url}


def _candidates(account: Account, object_type: str, filters: dict) -> list[dict]:
    """Use an index where one of the filters has it."""
    for name in account.indexes(object_type):
        if name in filters:
            return account.by(object_type, name, filters[name])
    return account.newest(object_type)


def _in_range(doc: dict, name: str, bounds: dict | None) -> bool:
    if not bounds:
        return True
    value = doc.get(name)
    return value is not None and all(
        _COMPARE[word](value, bound) for word, bound in bounds.items()
    )


def _cut(
    account: Account,
    object_type: str,
    documents: list[dict],
    params: dict,
    matches: Callable[[dict], bool],
) -> tuple[list[dict], bool]:
    """Look only as far as the page reaches. :return: (documents, has_more)."""
    limit = params.get("limit", DEFAULT_LIMIT)
    if "ending_before" in params:
        edge = account.need(object_type, params["ending_before"], "ending_before")
        candidates = reversed(documents[: _position(documents, edge, after=False)])
        found = list(islice(filter(matches, candidates), limit + 1))
        return found[:limit][::-1], len(found) > limit
    start = 0
    if "starting_after" in params:
        edge = account.need(object_type, params["starting_after"], "starting_after")
        start = _position(documents, edge, after=True)
    candidates = (documents[index] for index in range(start, len(documents)))
    found = list(islice(filter(matches, candidates), limit + 1))
    return found[:limit], len(found) > limit


def _position(documents: list[dict], edge: dict, after: bool) -> int:
    """:return: where the list continues; the edge itself may not be among them.

    Lists are ordered by sequence, either way round.
    """
    sign = 1 if len(documents) > 1 and documents[0]["_seq"] < documents[-1]["_seq"] else -1
    find = bisect_right if after else bisect_left
    return find(documents, sign * edge["_seq"], key=lambda doc: sign * doc["_seq"])
