"""The little Markdown of our own runbooks, as HTML: headings, lists, emphasis, code, links."""

from __future__ import annotations

import re
from html import escape

_INLINE = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*([^*]+)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*([^*]+)\*"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([\w./#:-]+)\)"), r'<a href="\2">\1</a>'),
)
_HEADING = re.compile(r"(#{1,4}) +(.*)")
_ITEM = re.compile(r"(?:([-*])|\d+\.) +(.*)")


def to_html(text: str) -> str:
    """Return the HTML of a Markdown text; everything in it is escaped first."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(_block(block.splitlines()) for block in blocks)


def _block(lines: list[str]) -> str:
    heading = _HEADING.match(lines[0])
    if heading:
        level = len(heading[1])
        title = f"<h{level}>{_inline(heading[2])}</h{level}>"
        rest = lines[1:]
        return f"{title}\n{_block(rest)}" if rest else title
    if _ITEM.match(lines[0]):
        return _list(lines)
    return f"<p>{_inline(' '.join(line.strip() for line in lines))}</p>"


def _list(lines: list[str]) -> str:
    items: list[str] = []
    for line in lines:
        item = _ITEM.match(line.strip())
        if item:
            items.append(item[2])
        else:
            items[-1] += " " + line.strip()  # goes on on the next line
    tag = "ul" if _ITEM.match(lines[0])[1] else "ol"
    rows = "".join(f"<li>{_inline(item)}</li>" for item in items)
    return f"<{tag}>{rows}</{tag}>"


def _inline(text: str) -> str:
    html = escape(text, quote=False)
    for pattern, replacement in _INLINE:
        html = pattern.sub(replacement, html)
    return html
