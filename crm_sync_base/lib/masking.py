"""What people see of a payload: structure yes, secrets and persons no."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from lxml import etree

MASK = "•••"

_SENSITIVE = re.compile(
    r"(e-?mail|phone|mobile|fax|street|address|postal|zip|city|first_?name|last_?name"
    r"|birth|iban|account_?number|routing|card|cvc|secret|token|password|authori[sz]ation"
    r"|session|signature|api_?key|client_secret)",
    re.IGNORECASE,
)
_SECRET = re.compile(
    r"(secret|token|password|authori[sz]ation|session|signature|api[_-]?key|cookie|credential|cvc)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
_XML_ELEMENT = re.compile(r"<((?:\w+:)?(\w+))(\s[^>]*)?>([^<]+)</\1>")


def is_sensitive(name: str) -> bool:
    """Return whether a field of that name may hold a secret or personal data."""
    return bool(_SENSITIVE.search(name))


@functools.lru_cache(maxsize=512)  # the same headers come with every webhook
def is_secret(name: str) -> bool:
    """Return whether a field of that name holds a secret: something nobody has to see."""
    return bool(_SECRET.search(name))


def mask_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers of a request, credentials and signatures masked."""
    return {name: MASK if is_secret(name) else value for name, value in sorted(headers.items())}


def mask(value: Any, name: str = "") -> Any:
    """Return a copy of JSON-like data with sensitive leaves masked."""
    if isinstance(value, dict):
        return {key: mask(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [mask(item, name) for item in value]
    if value in (None, "", True, False):
        return value
    if name and is_sensitive(name):
        return MASK
    if isinstance(value, str):
        return _EMAIL.sub(MASK, value)
    return value


def mask_text(text: str) -> str:
    """Return a payload (JSON, XML or anything else) as people may see it."""
    try:
        return json.dumps(mask(json.loads(text)), indent=2, ensure_ascii=False)
    except ValueError:
        masked = _XML_ELEMENT.sub(_mask_element, text)
        return _pretty_xml(_EMAIL.sub(MASK, masked))


def _pretty_xml(text: str) -> str:
    """Return XML with one element a line; anything else, and what is odd, as it is."""
    if not text.lstrip().startswith("<"):
        return text
    # Strangers may have written it: no entities, no network, no huge trees.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    try:
        tree = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return text
    return etree.tostring(tree, pretty_print=True, encoding="unicode").rstrip()


def _mask_element(match: re.Match[str]) -> str:
    tag, name, attributes, _content = match.groups()
    if not is_sensitive(name):
        return match.group(0)
    return f"<{tag}{attributes or ''}>{MASK}</{tag}>"
