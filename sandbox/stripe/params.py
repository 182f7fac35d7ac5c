"""Declared types of request parameters, and their strict reading.

An operation declares its parameters as a dict of these types. What is not
declared is refused with `parameter_unknown`, what does not parse is refused with
the vendor's message and the full name of the parameter (`items[0][price]`).

A leaf with `blank=True` may be unset with an empty string (read as None); any
other empty string is an error, as it is at the vendor.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from .errors import invalid_request

METADATA_KEYS, METADATA_KEY_LENGTH, METADATA_VALUE_LENGTH = 50, 40, 500


class Param:
    """Base type. `parse(raw, path)` returns the value or raises `StripeError`."""

    def __init__(self, *, required: bool = False, blank: bool = False):
        self.required = required
        self.blank = blank

    def read(self, raw: Any, path: str) -> Any:
        """Parse one value, handling the empty string."""
        if raw == "" and self.blank:
            return None
        if raw == "":
            raise invalid_request(
                f"You passed an empty string for '{path}'. We assume empty values "
                f"are an attempt to unset a parameter; however '{path}' cannot be "
                f"unset. You should remove '{path}' from your request or supply a "
                "non-empty value.",
                code="parameter_invalid_empty",
                param=path,
            )
        return self.parse(raw, path)

    def parse(self, raw: Any, path: str) -> Any:
        raise NotImplementedError


class Str(Param):
    """Text of at most `size` characters, or one of `choices`."""

    def __init__(self, size: int = 5000, choices: tuple[str, ...] = (), **options):
        super().__init__(**options)
        self.size = size
        self.choices = choices

    def parse(self, raw, path):
        if not isinstance(raw, str):
            raise invalid_request(f"Invalid string: {path}", param=path)
        if len(raw) > self.size:
            raise invalid_request(
                f"Invalid string: {raw[:8]}...{raw[-4:]}; must be at most "
                f"{self.size} characters",
                param=path,
            )
        if self.choices and raw not in self.choices:
            allowed = ", ".join(self.choices[:-1])
            last = self.choices[-1]
            raise invalid_request(
                f"Invalid {path}: must be one of {allowed}, or {last}"
                if allowed
                else f"Invalid {path}: must be {last}",
                param=path,
            )
        return raw


class Int(Param):
    """A whole number within limits."""

    def __init__(self, low: int | None = None, high: int | None = None, **options):
        super().__init__(**options)
        self.low = low
        self.high = high

    def parse(self, raw, path):
        if not isinstance(raw, str) or not re.fullmatch(r"[+-]?\d{1,18}", raw):
            raise invalid_request(
                f"Invalid integer: {raw if isinstance(raw, str) else path}",
                code="parameter_invalid_integer",
                param=path,
            )
        value = int(raw)
        for bound, wrong, word in (
            (self.low, lambda v, b: v < b, "greater"),
            (self.high, lambda v, b: v > b, "less"),
        ):
            if bound is not None and wrong(value, bound):
                raise invalid_request(
                    f"This value must be {word} than or equal to {bound}.",
                    code="parameter_invalid_integer",
                    param=path,
                )
        return value


class Bool(Param):
    """`true` or `false`."""

    def parse(self, raw, path):
        if raw not in ("true", "false"):
            raise invalid_request(f"Invalid boolean: {raw}", param=path)
        return raw == "true"


class Num(Param):
    """A decimal number, kept exact; at most `places` digits after the point."""

    def __init__(self, places: int = 12, **options):
        super().__init__(**options)
        self.places = places

    def parse(self, raw, path):
        try:
            value = Decimal(raw)
        except (InvalidOperation, TypeError):
            value = None
        if value is None or not value.is_finite():
            raise invalid_request(f"Invalid decimal: {raw}", param=path)
        if -value.as_tuple().exponent > self.places:
            raise invalid_request(
                f"Invalid decimal: {raw}; must contain at maximum {self.places} "
                "decimal places.",
                param=path,
            )
        return value


class Currency(Str):
    """A supported currency, given in either case, returned in lower case."""

    def __init__(self, known: frozenset[str], **options):
        super().__init__(size=3, **options)
        self.known = known

    def parse(self, raw, path):
        value = super().parse(raw, path).lower()
        if value not in self.known:
            raise invalid_request(
                f"Invalid currency: {value}. Stripe currently supports these "
                f"currencies: {', '.join(sorted(self.known))}",
                param=path,
            )
        return value


class Map(Param):
    """`metadata`: text by text. An empty value deletes the key (returned as "")."""

    def parse(self, raw, path):
        if not isinstance(raw, dict):
            raise invalid_request(
                "Invalid object: metadata must be a set of key-value pairs", param=path
            )
        for key, value in raw.items():
            self._check(key, value, path)
        return dict(raw)

    def _check(self, key, value, path):
        if not isinstance(value, str):
            raise invalid_request(
                "Metadata values must be strings", param=f"{path}[{key}]"
            )
        if len(key) > METADATA_KEY_LENGTH:
            raise invalid_request(
                f"Metadata keys can be up to {METADATA_KEY_LENGTH} characters; the "
                f"key '{key}' is longer.",
                param=path,
            )
        if len(value) > METADATA_VALUE_LENGTH:
            raise invalid_request(
                f"Metadata values must have up to {METADATA_VALUE_LENGTH} characters, "
                f"but you passed in a value that is {len(value)} characters. Invalid "
                f"value: {value[:8]}...",
                param=f"{path}[{key}]",
            )


class Obj(Param):
    """A nested object with declared members."""

    def __init__(self, members: dict[str, Param], **options):
        super().__init__(**options)
        self.members = members

    def parse(self, raw, path):
        if not isinstance(raw, dict):
            raise invalid_request("Invalid object", param=path)
        return read_members(self.members, raw, path)


class Arr(Param):
    """A list, sent as `a[]=` or with numbered keys `a[0]=`."""

    def __init__(self, item: Param, size: int | None = None, **options):
        super().__init__(**options)
        self.item = item
        self.size = size

    def parse(self, raw, path):
        if isinstance(raw, dict) and all(re.fullmatch(r"\d{1,4}", k) for k in raw):
            raw = [raw[key] for key in sorted(raw, key=int)]
        if not isinstance(raw, list):
            raise invalid_request("Invalid array", param=path)
        if self.size is not None and len(raw) > self.size:
            raise invalid_request(
                f"Array {path} exceeded maximum {self.size} allowed elements.",
                param=path,
            )
        return [
            self.item.read(value, f"{path}[{index}]") for index, value in enumerate(raw)
        ]


class Range(Param):
    """A time filter: one epoch second, or an object of gt, gte, lt, lte.

    :return: always the object form (`{"gte": n, "lte": n}` for one second).
    """

    _bounds = {name: Int() for name in ("gt", "gte", "lt", "lte")}

    def parse(self, raw, path):
        if isinstance(raw, dict):
            return read_members(self._bounds, raw, path)
        second = Int().parse(raw, path)
        return {"gte": second, "lte": second}


class OneOf(Param):
    """A fixed word, or a value of another type (`trial_end=now`)."""

    def __init__(self, words: tuple[str, ...], other: Param, **options):
        super().__init__(**options)
        self.words = words
        self.other = other

    def parse(self, raw, path):
        return raw if raw in self.words else self.other.parse(raw, path)


def read_members(members: dict[str, Param], raw: dict, path: str = "") -> dict:
    """Read the members of an object (or of the whole request).

    :return: the values of what was sent, by name; what was not sent is absent.
    :raise StripeError: unknown names first (all of them), then each value.
    """

    def full(name: str) -> str:
        return f"{path}[{name}]" if path else name

    unknown = [full(name) for name in raw if name not in members]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        raise invalid_request(
            f"Received unknown parameter{plural}: {', '.join(unknown)}",
            code="parameter_unknown",
            param=unknown[0],
        )
    values = {name: members[name].read(raw[name], full(name)) for name in raw}
    for name, member in members.items():
        if member.required and name not in raw:
            raise invalid_request(
                f"Missing required param: {full(name)}.",
                code="parameter_missing",
                param=full(name),
            )
    return values


def merge_metadata(current: dict, sent: dict | None) -> dict:
    """Apply a metadata parameter: empty values delete, None (sent empty) clears.

    :raise StripeError: more than 50 keys would remain.
    """
    if sent is None:
        return {}
    merged = {**current, **sent}
    merged = {key: value for key, value in merged.items() if value != ""}
    if len(merged) > METADATA_KEYS:
        raise invalid_request(
            f"You can only have up to {METADATA_KEYS} metadata keys.", param="metadata"
        )
    return merged
