"""What would solve one problem: a value that the exception desk turns into a button."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MAP = "map"  #: a remote value has no line in a value map
MAP_OUT = "map_out"  #: an Odoo value has no line in a value map
IDENTIFY = "identify"  #: no Odoo record has this value in its identifying field
CHOOSE = "choose"  #: several Odoo records have it: one of them must change
OPEN = "open"  #: one Odoo record must be corrected
CREATE = "create"  #: a record with these values must exist
MATCH = "match"  #: a person must say which Odoo record it is; `res_id` is the flow

KINDS = (MAP, MAP_OUT, IDENTIFY, CHOOSE, OPEN, CREATE, MATCH)


@dataclass(frozen=True, slots=True)
class Remedy:
    """One thing that a person can do about one problem.

    :param kind: one of `KINDS`.
    :param label: how people call the place of the value ("Tax", "Product").
    :param model: of the Odoo record to choose, open or create; empty for a plain value.
    :param field: identifying field of `model`.
    :param value: the value at the source (or, for `MAP_OUT`, a plain one in Odoo).
    :param map_id: id of the value map that lacks the line.
    :param res_id: id of the Odoo record (for `MAP_OUT`, of the one that lacks a counterpart).
    """

    kind: str
    label: str = ""
    model: str = ""
    field: str = ""
    value: str = ""
    map_id: int = 0
    res_id: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` takes; empty parts are left out."""
        return {key: value for key, value in asdict(self).items() if value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Remedy:
        """Return the remedy that `to_json` gave; unknown parts are left out."""
        return cls(**{key: value for key, value in data.items() if key in cls.__slots__})


def once(remedies: Any) -> tuple[Remedy, ...]:
    """Return remedies in their order, each once, without the empty ones."""
    return tuple(dict.fromkeys(remedy for remedy in remedies if remedy))
