"""Headings and sections, by the table of heading names (labels as in MTS-Dialog, Ben Abacha et al., EACL 2023)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.mentions import Section, Status
from clinical.extraction.words import required, table, text_of

_LONGEST = 70  # characters of a heading; what is longer is a sentence with a colon
_MOST_WORDS = 8
_WORD = re.compile(r"[^\s:]+")
_LINE = re.compile(r"[^\r\n]+")
_LEAD = re.compile(r"[\s*_>]*(?:#{1,6}\s+|\d{1,2}[.)]\s+)?[\s*_]*")
_NOISE = re.compile(r"[^a-z0-9&/']+")


@dataclass(frozen=True)
class _Heading:
    label: str
    status: Status
    one_line: bool


@dataclass(frozen=True)
class _Found:
    start: int
    end: int
    line_end: int
    known: _Heading | None


def _normal(heading: str) -> str:
    return _NOISE.sub(" ", heading.lower()).strip()


@cache
def _known() -> dict[str, _Heading]:
    return {
        _normal(name): _Heading(row["label"], row.get("status", "present"), row.get("one_line", False))
        for row in table("sections")["section"]
        for name in row["names"]
    }


@cache
def _inherit() -> frozenset[str]:
    return frozenset(map(_normal, table("sections")["inherit"]))


def section_status(section: Section) -> Status:
    """What the heading alone says of everything under it: a family history, a past history, or nothing ("present")."""
    known = _known().get(_normal(section.heading))
    return known.status if known else "present"


def section_at(sections: tuple[Section, ...], starts: list[int], offset: int, index: int) -> Section | None:
    """The section that holds `offset`, given `index = bisect_right(starts, offset)`."""
    return sections[index - 1] if index and offset < sections[index - 1].end else None


def _before_colon(text: str, floor: int, colon: int, end: int) -> _Found | None:
    """The longest known heading that ends at a colon: at the start of its line in any case, elsewhere capitalised."""
    words = list(_WORD.finditer(text, max(floor, colon - _LONGEST), colon))[-_MOST_WORDS:]
    for word in words:
        known = _known().get(_normal(text[word.start() : colon]))
        if known and (word.start() == floor or text[word.start()].isupper()):
            return _Found(word.start(), colon + 1, end, known)
    return None


def _whole_line(text: str, start: int, end: int, marked: bool) -> _Found | None:
    """A line that is nothing but a heading, or one that opens with a capitalised heading and a dash."""
    heading = text[start:end]
    known = _known().get(_normal(heading))
    if marked or (known and heading[:1].isupper()):
        return _Found(start, end, end, known)
    dash = heading[:_LONGEST].find(" - ")
    known = _known().get(_normal(heading[:dash])) if dash > 0 else None
    return _Found(start, start + dash + 2, end, known) if known and heading[0].isupper() else None


def _in_line(text: str, line: re.Match[str]) -> Iterator[_Found]:
    lead = _LEAD.match(text, *line.span())
    start = lead.end() if lead else line.start()
    end = line.end()
    colon = text.find(":", start, end)
    if colon < 0:
        if 0 < end - start <= _LONGEST or "#" in text[line.start() : start]:
            found = _whole_line(text, start, end, "#" in text[line.start() : start])
            if found:
                yield found
        return
    first = True
    floor = start
    while colon >= 0:
        found = _before_colon(text, floor, colon, end)
        if found:
            yield found
        elif first and _is_shouted(text[start:colon]):
            yield _Found(start, colon + 1, end, None)
        first, floor = False, colon + 1
        colon = text.find(":", floor, end)


def _is_shouted(heading: str) -> bool:
    return heading.isupper() and 3 < len(heading) <= _LONGEST and _normal(heading) not in _inherit()


def find_sections(text: str) -> tuple[Section, ...]:
    """The sections of a note, in order; what stands before the first heading belongs to none.

    A heading of no known kind ends a section that says something of its content (family, past), so that nobody
    inherits a disease from an unknown heading; elsewhere it is a part of the section it stands in.
    """
    kept: list[_Found] = []
    for line in _LINE.finditer(text):
        for found in _in_line(text, line):
            last = kept[-1].known if kept else None
            marked = text[max(0, found.start - 7) : found.start].rstrip(" \t*_").endswith("#")
            if found.known or marked or (last and last.status != "present"):
                kept.append(found)
    following = [*(found.start for found in kept), len(text)][1:]
    return tuple(_section(text, found, end) for found, end in zip(kept, following, strict=True))


def _section(text: str, found: _Found, following: int) -> Section:
    heading = text[found.start : found.end].strip(" \t:*_-")
    if found.known is None:
        return Section(found.start, following, heading, "")
    end = min(following, found.line_end) if found.known.one_line else following
    return Section(found.start, end, heading, found.known.label)


def heading_end(section: Section) -> int:
    """Where the heading of a section ends and its content begins."""
    return section.start + len(section.heading)


def clinical_sections(doc: Doc) -> Doc:
    """Sets `doc._.sections`."""
    doc._.sections = find_sections(text_of(doc))
    return doc


def sections_of(doc: Doc) -> tuple[Section, ...]:
    """The sections that were found before."""
    found: tuple[Section, ...] = required(doc, "sections")
    return found


Language.component("clinical_sections", assigns=["doc._.sections"], func=clinical_sections)
