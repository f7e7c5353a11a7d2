"""HTML to the lines that a reader sees, and lines to the XHTML of a FHIR Narrative."""

from __future__ import annotations

import re
from html import escape
from html.parser import HTMLParser

# fmt: off
_BLOCKS = frozenset((
    "address", "article", "br", "dd", "div", "dl", "dt", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p",
    "pre", "section", "table", "tr", "ul",
))
# fmt: on
_CELLS = frozenset(("td", "th"))
_SILENT = frozenset(("script", "style", "title", "template"))
_TAG = re.compile(r"<[A-Za-z/!?]")
_LONGEST_TAG = 10_000  # characters; for tags that do not end, the parser takes the square of their length


def html_text(html: str) -> str:
    """What a browser would show: a line for each block, a tab before each cell, no scripts and no attributes.

    Raises:
        ValueError: the HTML holds a declaration that cannot be read, or tags that do not end.
    """
    if any(_unended(piece) for piece in html.split(">")):
        raise ValueError("HTML with tags that do not end")
    parser = _Text()
    try:
        parser.feed(html)
        parser.close()
    except AssertionError:  # what html.parser says of a declaration that it does not know
        raise ValueError("HTML with an unknown declaration") from None
    return "".join(parser.pieces).replace("\xa0", " ")


def _unended(piece: str) -> bool:
    """Whether several tags begin and none ends over more than the longest; a picture within a tag is one tag."""
    first = _TAG.search(piece) if len(piece) > _LONGEST_TAG else None
    return first is not None and len(piece) - first.start() > _LONGEST_TAG and bool(_TAG.search(piece, first.end()))


def xhtml(text: str) -> str:
    """One paragraph for each line, in the `div` of a Narrative (FHIR R4, 2.4.0); no other tag and no attribute."""
    lines = "".join(f"<p>{escape(line.strip(), quote=False)}</p>" for line in text.splitlines() if line.strip())
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{lines}</div>'


class _Text(HTMLParser):
    """Collects text; scripts and styles say nothing."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._silent += tag in _SILENT
        if tag in _BLOCKS or tag in _CELLS:
            self.pieces.append("\t" if tag in _CELLS else "\n")

    def handle_endtag(self, tag: str) -> None:
        self._silent = max(0, self._silent - (tag in _SILENT))
        if tag in _BLOCKS:
            self.pieces.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)
