"""Named things of a note, by the dictionary in tables/entities.toml.

A row is "canonical | synonym | ...". A name in small letters is found in any case and in the plural; one with a capital
("RA", "Na") only as it is written; one that ends in "#" ("K#") only in front of a number, and of one within the bounds
that follow ("P#30-250"): the P of "G2P1" and of "P1 priority" is no pulse.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import get_args

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.headings import is_part
from clinical.extraction.mentions import Kind, Mention
from clinical.extraction.sections import heading_end, section_at, sections_of
from clinical.extraction.sentences import sentences_of
from clinical.extraction.words import Words, longest_matches, not_yet, phrase_matcher, table, text_of, words_of

# Not the number of a record, nor a date, a ratio, an ordinal, or an amount of something else
_VALUE_FOLLOWS = re.compile(
    r"\s*[:=]?\s*(?:of\s+|is\s+|was\s+)?(\d{1,4}(?:\.\d+)?)(?!\d|\.\d|,\d{3})"
    r"(?!\s?(?:/\s?\d|(?:st|nd|rd|th|cm|mm|y/?o|gauge|fr|min(?:ute)?s?|(?:hou|yea)rs?|days?|weeks?|months?)\b))"
)
_WRITTEN = re.compile(r"(?P<spelling>.*\w)#(?P<bounds>(?:\d+-\d+,?)*)")
_BOUNDS = re.compile(r"(\d+)-(\d+)")
_ZIP_FOLLOWS = re.compile(r",?\s\d{5}(?!\d)")  # "MI 48109" is Michigan


@dataclass(frozen=True)
class Name:
    """One way to write a concept.

    Attributes:
        exact: the required spelling, or "".
        needs_value: whether a number must follow, within one of `bounds` if there are any.
    """

    phrase: str
    kind: Kind
    concept: str
    exact: str
    needs_value: bool
    bounds: tuple[tuple[float, float], ...] = ()


def _plurals(phrase: str) -> Iterator[str]:
    yield phrase
    last = phrase[-3:]
    if not last[-1:].isalpha() or last.endswith(("s", "ed", "ing")):
        if last.endswith("sis"):
            yield phrase[:-2] + "es"
        elif last.endswith("ss"):
            yield phrase + "es"
        return
    if last.endswith("y") and last[-2:-1] not in "aeiou":
        yield phrase[:-1] + "ies"
    elif last.endswith(("x", "ch", "sh")):
        yield phrase + "es"
    else:
        yield phrase + "s"


def _names(kind: Kind, row: str) -> Iterator[Name]:
    concept = row.split("|", 1)[0].strip().rstrip("#").lower()
    for written in map(str.strip, row.split("|")):
        valued = _WRITTEN.fullmatch(written)
        spelling = valued["spelling"] if valued else written
        bounds = tuple((float(low), float(high)) for low, high in _BOUNDS.findall(valued["bounds"] if valued else ""))
        exact = spelling if spelling != spelling.lower() else ""
        for phrase in (spelling, spelling + "s") if exact else _plurals(spelling):
            yield Name(phrase, kind, concept, phrase if exact else "", valued is not None, bounds)


@cache
def dictionary() -> dict[str, Name]:
    """Every phrase of the dictionary in lower case; where a plural meets a name of its own, the name stands."""
    found: dict[str, Name] = {}
    for kind in get_args(Kind):
        for row in table("entities")[kind]:
            for name in _names(kind, row):
                found.setdefault(name.phrase.lower(), name)
    return found


@cache
def concepts() -> frozenset[str]:
    """The canonical names of the dictionary."""
    return frozenset(name.concept for name in dictionary().values())


class EntityFinder:
    """Sets `doc._.mentions`: the longest dictionary names that lie within one sentence and outside headings."""

    def __init__(self, nlp: Language) -> None:
        names = dictionary()
        self.matcher = phrase_matcher(nlp.vocab, ((phrase, phrase) for phrase in names))
        self.words = frozenset(table("entities")["words"])

    def __call__(self, doc: Doc) -> Doc:
        not_yet(doc, "attributes_read")
        text = text_of(doc)
        sections, sentences = sections_of(doc), sentences_of(doc)
        sentence_starts = [start for start, _ in sentences]
        mentions = []
        for name, start, end in self._spans(text, words_of(doc)):
            place = bisect_right(sentence_starts, start) - 1
            section = section_at(sections, start)
            label = section.label if section else ""
            in_heading = section is not None and label != "" and start < heading_end(section)
            if place < 0 or end > sentences[place][1] or in_heading:
                continue
            if (
                name.exact
                and not name.needs_value
                and name.phrase.lower() in self.words
                and _shouted(text, *sentences[place])
            ):
                continue
            mentions.append(Mention(start, end, text[start:end], name.kind, name.concept, label))
        doc._.mentions = tuple(mentions)
        return doc

    def _spans(self, text: str, words: Words) -> Iterator[tuple[Name, int, int]]:
        for phrase, first, last in longest_matches(self.matcher, words):
            name = dictionary()[phrase]
            start, end = words.offsets[first][0], words.offsets[last - 1][1]
            if _is_name(text, start, end, name):
                yield name, start, end


def _is_name(text: str, start: int, end: int, name: Name) -> bool:
    """Whether a match is written as its name asks, and is not the letters of a number such as "MR2128"."""
    if name.exact and text[start:end] != name.exact:
        return False
    if name.needs_value:
        value = None if text[start - 1 : start].isalnum() else _VALUE_FOLLOWS.match(text, end)
        if value is None or not name.bounds:
            return value is not None
        return any(low <= float(value[1]) <= high for low, high in name.bounds)
    if name.exact and (_ZIP_FOLLOWS.match(text, end) or (text[end : end + 1] == ":" and is_part(text[start:end]))):
        return False  # "MS: no weakness" is the muscles' part of a review of systems
    return not text[end : end + 1].isdigit()


def _shouted(text: str, start: int, end: int) -> bool:
    """Whether capitals say nothing here: a sentence without small letters, where OR may be a word."""
    return not any(map(str.islower, text[start : min(end, start + 200)]))


def _make(nlp: Language, name: str) -> EntityFinder:
    return EntityFinder(nlp)


Language.factory(
    "clinical_entities", requires=["doc._.sections", "doc._.sentences"], assigns=["doc._.mentions"], func=_make
)
