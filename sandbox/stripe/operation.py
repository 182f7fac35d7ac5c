"""What one endpoint of the API is: method, path, parameters, answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .params import Arr, Int, Param, Str

_EXPAND = {"expand": Arr(Str(), size=20)}
#: Every list takes these.
PAGING: dict[str, Param] = {
    "limit": Int(1, 100),
    "starting_after": Str(),
    "ending_before": Str(),
}


@dataclass(frozen=True)
class Operation:
    """One endpoint.

    :param path: the specification's path template, `/v1/charges/{charge}`.
    :param handler: `handler(account, params, *path ids) -> document`.
    :param returns: object type of the answer, `list:charge` for a list: what
        `expand` may follow.
    :param params: declared parameters; nothing else is accepted.
    """

    method: str
    path: str
    handler: Callable
    returns: str
    params: dict[str, Param] = field(default_factory=dict)

    @property
    def resource(self) -> str:
        """First part of the path after the version, `charges`."""
        return self.path.split("/")[2]

    def declared(self) -> dict[str, Param]:
        """:return: the parameters, with those that every endpoint has."""
        paging = PAGING if self.returns.startswith("list:") else {}
        return {**self.params, **paging, **_EXPAND}


class Routes:
    """Finds the operation of a request."""

    def __init__(self, operations: Iterable[Operation]):
        self.operations = list(operations)
        self._patterns = [(self._pattern(op.path), op) for op in self.operations]

    def match(self, method: str, path: str) -> tuple[Operation, tuple[str, ...]] | None:
        """:return: (operation, ids in the path), or None."""
        for pattern, operation in self._patterns:
            found = pattern.fullmatch(path)
            if found and operation.method == method:
                return operation, found.groups()
        return None

    @staticmethod
    def _pattern(path: str) -> re.Pattern:
        return re.compile(re.sub(r"\{\w+\}", r"([\\w.-]+)", path))
