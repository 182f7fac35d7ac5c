"""Record ids: 15 case-sensitive characters, or 18 that survive a change of case.

The last three characters of the long form encode which of the first fifteen are
upper case: for each block of five, bit i (lowest = first) is set for A-Z, and the
suffix character is ``ABCDEFGHIJKLMNOPQRSTUVWXYZ012345[value]``. The API answers with
18 characters; reports, URLs, formulas and outbound messages may carry 15. Every id is
brought to 18 before it is stored or compared.
"""

from __future__ import annotations

import functools
import re

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_SHAPE = re.compile(r"[0-9A-Za-z]{15}(?:[A-Za-z0-5]{3})?", re.ASCII)


class InvalidId(ValueError):
    """A text that cannot be a Salesforce id."""


def is_id(value: object) -> bool:
    """Tell whether a value has the shape of an id, short or long."""
    return isinstance(value, str) and _SHAPE.fullmatch(value) is not None


def suffix(short: str) -> str:
    """Return the three suffix characters of a 15-character id."""
    characters = []
    for start in (0, 5, 10):
        block = short[start:start + 5]
        value = sum(1 << i for i, character in enumerate(block) if "A" <= character <= "Z")
        characters.append(_SUFFIX[value])
    return "".join(characters)


def to18(value: str) -> str:
    """Return the 18-character form of an id.

    A long id whose case was lost (a case-insensitive column, a spreadsheet) is
    repaired from its suffix.

    :raises InvalidId: when the text is no id, or its suffix cannot be right.
    """
    text = value.strip() if isinstance(value, str) else value
    if not is_id(text):
        raise InvalidId("not a Salesforce id: 15 or 18 letters and digits are expected")
    if len(text) == 15:
        return text + suffix(text)
    return _repaired(text)


@functools.lru_cache(maxsize=10_000)  # each record's id comes here several times in a batch
def _repaired(text: str) -> str:
    characters = []
    for block, mark in enumerate(text[15:].upper()):
        bits = _SUFFIX.index(mark)
        for i, character in enumerate(text[block * 5:block * 5 + 5]):
            is_upper = bool(bits >> i & 1)
            if is_upper and not character.isalpha():
                raise InvalidId("not a Salesforce id: its last three characters do not fit the rest")
            characters.append(character.upper() if is_upper else character.lower())
    return "".join(characters) + text[15:].upper()


def to15(value: str) -> str:
    """Return the case-sensitive 15-character form of an id.

    :raises InvalidId: when the text is no id.
    """
    return to18(value)[:15]


def same(one: str, other: str) -> bool:
    """Tell whether two ids, short or long, name the same record; bad ids never do."""
    try:
        return to18(one) == to18(other)
    except InvalidId:
        return False


def key_prefix(value: str) -> str:
    """Return the three characters that tell the object type, ``001`` for Account."""
    return value[:3]
