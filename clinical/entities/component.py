"""Tagged entities as mentions of a note, beside those of the dictionary, and what was written of their attributes."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from spacy.language import Language
from spacy.tokens import Doc

from clinical.entities.tagger import EntityTagger, Span, shipped_confidences
from clinical.extraction.attributes import begins_dose
from clinical.extraction.headings import is_part, known_heading
from clinical.extraction.mentions import Kind, Mention, Section
from clinical.extraction.sections import heading_end, section_at, sections_of
from clinical.extraction.sentences import sentences_of
from clinical.extraction.words import not_yet, required, table, text_of
from policies.files import table_of


@dataclass(frozen=True)
class Tagged:
    """A dosage, route, frequency, duration, value, date or severity at `text[start:end]` of the note."""

    start: int
    end: int
    text: str = field(repr=False)
    kind: str


class TaggedEntities:
    """Adds what the tagger finds to `doc._.mentions`, and sets `doc._.attributes_found`.

    Args:
        tagger: what finds the spans of each head.
    """

    def __init__(self, tagger: EntityTagger) -> None:
        self.tagger = tagger
        labels = table_of("clinical.entities", "labels")
        self.kinds: dict[str, Kind] = labels["mentions"]
        self.attributes: dict[str, str] = labels["attributes"]

    def __call__(self, doc: Doc) -> Doc:
        known: tuple[Mention, ...] = required(doc, "mentions")
        not_yet(doc, "attributes_read")
        text, sections, sentences = text_of(doc), sections_of(doc), sentences_of(doc)
        spans = [span for own in self.tagger.find(text).values() for span in own]
        tagged = [
            Mention(start, end, text[start:end], kind, _concept(text[start:end]), section.label)
            for start, whole, label in _surest(spans, list(self.kinds))
            if not _is_nothing(text[start : (end := _without_dose(text, start, whole))], kind := self.kinds[label])
            if (section := _place(start, end, sections, sentences)) is not None
        ]
        doc._.mentions = joined(known, tagged)
        doc._.attributes_found = tuple(
            Tagged(start, end, text[start:end], self.attributes[label])
            for start, end, label in sorted(spans)
            if label in self.attributes
        )
        return doc


_SHORTEST = 3  # letters; of two the dictionary knows those that name a thing ("MI")
_NOWHERE = Section(0, 0, "", "")
_LAST_NUMBER = re.compile(r"(?<=\w)\s+(\d[\d.,]*)\Z")


def _place(
    start: int, end: int, sections: tuple[Section, ...], sentences: tuple[tuple[int, int], ...]
) -> Section | None:
    """The section of a span; None where it crosses a sentence's end or stands in a known heading."""
    place = bisect_right(sentences, start, key=lambda sentence: sentence[0]) - 1
    if place < 0 or end > sentences[place][1]:
        return None
    section = section_at(sections, start) or _NOWHERE
    return None if section.label and start < heading_end(section) else section


def _is_nothing(written: str, kind: Kind) -> bool:
    """Whether words name no thing: a heading, what is part of one, a unit, or an abbreviation of the table."""
    name = _concept(written).strip(".:")
    part = kind != "anatomy" and is_part(written)
    return len(name) < _SHORTEST or part or known_heading(written) is not None or name in _nothing()


@cache
def _nothing() -> frozenset[str]:
    units = table("units")
    measures = (
        word for group in ("dose", "route", "frequency") for written in units[group].values() for word in written
    )
    return frozenset((*measures, *table_of("clinical.entities", "labels")["nothing"]["words"]))


def _without_dose(text: str, start: int, end: int) -> int:
    """The end of a span without the number of a dose that goes on behind it: the 2000 of "vitamin D 2000 IU"."""
    number = _LAST_NUMBER.search(text, start, end)
    return number.start() if number and begins_dose(text, number.start(1)) else end


def _concept(written: str) -> str:
    return " ".join(written.lower().split())


def _surest(spans: Iterable[Span], labels: Sequence[str]) -> list[Span]:
    """Spans of these labels without overlaps: of those that overlap the one whose label stands first."""
    kept: list[Span] = []
    taken: set[int] = set()
    for span in sorted((own for own in spans if own[2] in labels), key=lambda own: labels.index(own[2])):
        if taken.isdisjoint(range(span[0], span[1])):
            taken.update(range(span[0], span[1]))
            kept.append(span)
    return kept


def joined(known: Sequence[Mention], tagged: Iterable[Mention]) -> tuple[Mention, ...]:
    """Mentions of the dictionary and of the tagger in one order, without overlaps; those given have none of their own.

    Of two that overlap the longer stands, the dictionary's if they are equal, and what the dictionary names inside a
    longer tagged span gives it its concept and kind. A tagged span that holds several such names is a list: they stand.
    """
    kept = dict(enumerate(known))
    starts, ends = [own.start for own in kept.values()], [own.end for own in kept.values()]
    added = []
    for mention in tagged:
        over = range(bisect_right(ends, mention.start), bisect_left(starts, mention.end))
        if not over:
            added.append(mention)
        elif len(over) == 1 and over[0] in kept and _length(mention) > _length(kept[over[0]]):
            own = kept.pop(over[0])
            inside = mention.start <= own.start and own.end <= mention.end
            added.append(replace(mention, concept=own.concept, kind=own.kind) if inside else mention)
    return tuple(sorted((*kept.values(), *added), key=lambda own: own.start))


def _length(mention: Mention) -> int:
    return mention.end - mention.start


def _make(nlp: Language, name: str, threads: int) -> TaggedEntities:
    return TaggedEntities(EntityTagger(threads=threads, least=shipped_confidences()))


Language.factory(
    "clinical_tagger",
    requires=["doc._.mentions", "doc._.sections", "doc._.sentences"],
    assigns=["doc._.mentions", "doc._.attributes_found"],
    default_config={"threads": 1},
    func=_make,
)
