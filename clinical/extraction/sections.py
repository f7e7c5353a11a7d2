"""Headings and sections, by the table of heading names (labels as in MTS-Dialog, Ben Abacha et al., EACL 2023).

F1 of headings with its 95 % interval by note, as `confide evaluate sections --corpus CORPUS` prints it: 20 notes with
169 headings, and 67 with 534, each typed in six layouts (capitals or not; with a colon, a dash, or on a line of their
own; inline).

    aci_bench/valid.csv  headings  0.968 (0.924-1.000)
    aci_bench/train.csv  headings  0.982 (0.971-0.991)
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.headings import Heading, composed_heading, is_part, known_heading
from clinical.extraction.mentions import Section, Status
from clinical.extraction.words import BREAK, LINE, required, text_of

_LONGEST = 70  # characters of a heading; what is longer is a sentence with a colon
_MOST_WORDS = 8
_WORD = re.compile(r"[^\s:]+")
_LEAD = re.compile(r"[\s*_>]*(?:#{1,6}\s+|\d{1,2}[.)]\s+|[•◦▪●·+-]\s*)?[\s*_]*")
# What may stand between a heading and its content in one line, where there is no colon.
_GAP = re.compile(r"\s+[-–—]+\s+|\t+| {2,}")
_MARKS = " \t:*_-–—"
_CLOSES = ".;!?,)"


@dataclass(frozen=True)
class _Found:
    """A heading at `start` to `end` of the note, colon included; `known` is the row that it stands for, if any."""

    start: int
    end: int
    line_end: int
    known: Heading | None


@dataclass(frozen=True)
class _Line:
    """A line of a note from its first word; `apart` where no text stands in the line before it."""

    start: int
    end: int
    hashed: bool
    bulleted: bool
    apart: bool


def section_status(section: Section) -> Status:
    """What the heading alone says of everything under it: a family history, a past history, allergies, or
    nothing ("present").
    """
    known = known_heading(section.heading) or (composed_heading(section.heading) if section.label else None)
    return known.status if known else "present"


def section_at(sections: Sequence[Section], offset: int) -> Section | None:
    """The section that holds `offset`; sections are in order."""
    index = bisect_right(sections, offset, key=lambda section: section.start)
    return sections[index - 1] if index and offset < sections[index - 1].end else None


def find_sections(text: str) -> tuple[Section, ...]:
    """The sections of a note, in order; what stands before the first heading belongs to none.

    A heading of no known kind ends a section that says something of its content (family, past), so that nobody
    inherits a disease from an unknown heading; elsewhere it is a part of the section it stands in.
    """
    kept: list[_Found] = []
    for line in _lines(text):
        for found in _in_line(text, line):
            last = kept[-1].known if kept else None
            item = line.bulleted and last is not None and last == found.known  # "- Examination of the knee:"
            if (found.known and not item) or line.hashed or (last and last.status != "present"):
                kept.append(found)
    following = [*(found.start for found in kept), len(text)][1:]
    return tuple(_section(text, found, end) for found, end in zip(kept, following, strict=True))


def _lines(text: str) -> Iterator[_Line]:
    last = 0
    for line in LINE.finditer(text):
        lead = _LEAD.match(text, *line.span())
        start = lead.end() if lead else line.start()
        before = text[line.start() : start]
        if start < line.end():
            apart = last == 0 or len(BREAK.findall(text, last, line.start())) > 1
            yield _Line(start, line.end(), "#" in before, any(mark in before for mark in "•◦▪●·+-"), apart)
            last = line.end()


def _in_line(text: str, line: _Line) -> Iterator[_Found]:
    """The headings of a line: the whole of it, one at its start, and any in front of a colon."""
    colon = text.find(":", line.start, line.end)
    found = _whole_line(text, line) if colon < 0 else None
    found = found or _before_gap(text, line, colon if colon >= 0 else line.end)
    if found:
        yield found
    floor = found.end if found else line.start
    colon = text.find(":", floor, line.end)
    while colon >= 0:
        found = _before_colon(text, line, floor, colon)
        if found:
            yield found
        floor = colon + 1
        colon = text.find(":", floor, line.end)


def _whole_line(text: str, line: _Line) -> _Found | None:
    """A line that is nothing but a heading."""
    heading = text[line.start : line.end].rstrip()
    if len(heading) > _LONGEST or heading.endswith((".", ",", ";")) or not heading.strip(_MARKS):
        return None
    known = known_heading(heading)
    if line.hashed:
        return _Found(line.start, line.end, line.end, known or composed_heading(heading))
    if known and (heading[0].isupper() or (line.apart and " " in heading)):
        return _Found(line.start, line.end, line.end, known)
    if line.apart and not line.bulleted and _titled(heading) and (known := composed_heading(heading)):
        return _Found(line.start, line.end, line.end, known)
    return None


def _before_gap(text: str, line: _Line, end: int) -> _Found | None:
    """A known heading at the start of a line, with a dash, a tab or wide space behind it."""
    gap = _GAP.search(text, line.start, min(end, line.start + _LONGEST))
    known = known_heading(text[line.start : gap.start()]) if gap and text[line.start].isupper() else None
    return _Found(line.start, gap.end(), line.end, known) if known and gap else None


def _before_colon(text: str, line: _Line, floor: int, colon: int) -> _Found | None:
    """The longest known heading that ends at a colon: where its line begins in any case, where a sentence may, capital.

    Where a line begins, names made of known words, and any name in capitals, are headings too.
    """
    words = list(_WORD.finditer(text, max(floor, colon - _LONGEST), colon))[-_MOST_WORDS:]
    for word in words:
        begins = word.start() == line.start
        if begins or (text[word.start()].isupper() and _may_begin(text, floor, word.start())):
            known = known_heading(text[word.start() : colon])
            if known:
                return _Found(word.start(), colon + 1, line.end, known)
    if floor != line.start or colon - floor > _LONGEST or line.bulleted:
        return None
    heading = text[floor:colon]
    if heading[:1].isupper() and (known := composed_heading(heading)):
        return _Found(floor, colon + 1, line.end, known)
    shouted = heading.isupper() and len(heading) > 3 and not is_part(heading)
    return _Found(floor, colon + 1, line.end, None) if shouted else None


def _may_begin(text: str, floor: int, start: int) -> bool:
    """Whether a sentence may begin here: behind a mark that closes one, wide space, or the heading before."""
    before = text[floor:start]
    bare = before.rstrip()
    return not bare or bare[-1] in _CLOSES or before.endswith(("  ", "\t"))


def _titled(heading: str) -> bool:
    """Whether every longer word of a heading has a capital, as in a title."""
    return all(word[0].isupper() for word in heading.split() if len(word) > 3 and word[0].isalpha())


def _section(text: str, found: _Found, following: int) -> Section:
    written = text[found.start : found.end]
    start = found.start + len(written) - len(written.lstrip(_MARKS))
    if found.known is None:
        return Section(start, following, written.strip(_MARKS), "")
    end = min(following, found.line_end) if found.known.one_line else following
    return Section(start, end, written.strip(_MARKS), found.known.label)


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
