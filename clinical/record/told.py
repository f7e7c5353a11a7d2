"""A note with what was read in it, and the sentence that a line of a summary quotes."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from clinical.extraction.mentions import Mention, NoteFacts
from clinical.extraction.sections import heading_end, section_at
from clinical.record.passages import Note
from clinical.record.quotation import Quotation, quote
from policies.files import table_of

_LONGEST = 240  # characters of a quotation
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Told:
    """A note and its facts."""

    note: Note
    facts: NoteFacts

    def sentence(self, offset: int) -> tuple[int, int]:
        """The sentence that holds a character; the character alone where none does."""
        sentences = self.facts.sentences
        place = bisect_right(sentences, offset, key=lambda own: own[0]) - 1
        inside = place >= 0 and offset < sentences[place][1]
        return sentences[place] if inside else (offset, offset + 1)

    def with_cue(self, mention: Mention) -> tuple[int, int]:
        """From where to where a mention stands with the words of its sentence that decide whether it is so."""
        low, high = self.sentence(mention.start)
        cue = mention.assertion
        if cue.cue_start is None or cue.cue_end is None or not low <= cue.cue_start < high:
            return mention.start, mention.end
        return min(mention.start, cue.cue_start), max(mention.end, cue.cue_end)

    def is_heading(self, mention: Mention) -> bool:
        """Whether a mention is no more than a part of a known heading: "MENTAL HEALTH AND SUBSTANCE ABUSE"."""
        section = section_at(self.facts.sections, mention.start)
        return section is not None and section.label != "" and mention.end <= heading_end(section)

    def quote(self, start: int, end: int) -> Quotation:
        """The sentence around `text[start:end]`, and of a long one the words nearest to it."""
        low, high = self.sentence(start)
        low, high = min(low, start), max(high, end)
        spare = max(0, _LONGEST - (end - start)) // 2
        text = self.note.text
        if start - low > spare and (gap := _SPACE.search(text, start - spare, start)):
            low = gap.end()
        if high - end > spare:
            high = max((own.start() for own in _SPACE.finditer(text, end, end + spare)), default=end)
        return quote(self.note, low, high)


def in_time(notes: Iterable[Told]) -> tuple[Told, ...]:
    """Notes by date, the oldest first; those without a date, of which nobody knows when, before all others."""
    return tuple(sorted(notes, key=lambda own: own.note.date))


def widened(mention: Mention) -> tuple[int, int]:
    """From where to where a mention and its attributes stand."""
    spans = [(mention.start, mention.end), *((own.start, own.end) for own in mention.attributes)]
    return min(start for start, _ in spans), max(end for _, end in spans)


def is_wider(concept: str, than: str) -> bool:
    """Whether another concept is one of its kind, as its last words say: "inguinal hernia" is a "hernia"."""
    return than.endswith(f" {concept}")


@cache
def group(name: str) -> frozenset[str]:
    """The labels of a group of sections: "complaint", "operation" or "no result"."""
    return frozenset(table_of("clinical", "tables/record")["sections"][name])


@cache
def empty(kind: str) -> frozenset[str]:
    """Concepts of this kind ("problems", "findings") that are no line of a summary."""
    return frozenset(table_of("clinical", "tables/record")["empty"][kind])
