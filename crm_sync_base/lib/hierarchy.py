"""Hierarchies: who is above whom, and whether that ever ends."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def circles(parents: Mapping[Node, Node | None]) -> list[tuple[Node, ...]]:
    """Return each circle once: its members, each followed by its parent.

    :param parents: node → its parent; None, or a parent that is not in it, is the top.
    """
    found: list[tuple[Node, ...]] = []
    done: set[Node] = set()
    for start in parents:
        path: dict[Node, None] = {}
        node: Node | None = start
        while node is not None and node not in done and node not in path:
            path[node] = None
            node = parents.get(node)
        if node is not None and node in path:
            members = list(path)
            found.append(tuple(members[members.index(node):]))
        done.update(path)
    return found
