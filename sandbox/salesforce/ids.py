"""Record ids: 15 case-sensitive characters, plus 3 that encode their case.

For each block of five characters, bit i (lowest = first) is set when the character
is A-Z; the suffix character is ``ALPHABET[value]``.
"""

import string

_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ALLOWED = frozenset(_BASE62)

#: Instance part of every id made here.
_POD = "Q20"


def checksum(short):
    """Return the three suffix characters of a 15-character id."""
    suffix = ""
    for start in (0, 5, 10):
        block = short[start:start + 5]
        value = sum(1 << i for i, character in enumerate(block) if "A" <= character <= "Z")
        suffix += _SUFFIX[value]
    return suffix


def make(prefix, number):
    """Return the 18-character id of the ``number``-th record of a key prefix."""
    digits = ""
    for _place in range(9):
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    short = prefix + _POD + digits
    return short + checksum(short)


def normalise(value):
    """Return the 18-character form of an id, or None when it cannot be an id.

    An 18-character id with spoilt case is repaired from its suffix, as Salesforce does.
    """
    if not isinstance(value, str) or not _ALLOWED.issuperset(value):
        return None
    if len(value) == 15:
        return value + checksum(value)
    if len(value) != 18:
        return None
    return _recase(value)


def _recase(value):
    characters = []
    for block, mark in enumerate(value[15:].upper()):
        bits = _SUFFIX.find(mark)
        if bits < 0:
            return None
        for i, character in enumerate(value[block * 5:block * 5 + 5]):
            if bits >> i & 1:
                if not character.isalpha():
                    return None
                characters.append(character.upper())
            else:
                characters.append(character.lower())
    return "".join(characters) + value[15:].upper()
