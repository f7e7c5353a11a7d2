"""Notes of one patient, cut into sentences and overlapping passages; the words by which they are searched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from clinical.extraction.sentences import find_sentences
from policies.files import table_of

PASSAGE, STRIDE = 120, 60  # words of a passage, and from the beginning of one to the next
_LONGEST = 60  # words of a sentence; a longer one is cut
WORD = re.compile(r"\w+")
_SPACED = re.compile(r"\S+")
_STEM = 4  # characters that an ending must leave


@dataclass(frozen=True)
class Note:
    """One note of a patient: its pseudonym or file name, its date (ISO 8601, "" where none is known) and its text."""

    record: str
    date: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class Sentence:
    """`text[start:end]` of the note with this number."""

    note: int
    start: int
    end: int


@dataclass(frozen=True)
class Passage:
    """Sentences `first` to `last` (not included) of a record, at `text[start:end]` of one note."""

    note: int
    first: int
    last: int
    start: int
    end: int


def sentences_of(notes: Sequence[Note]) -> list[Sentence]:
    """The sentences of all notes in order, none longer than 60 words; linear in their length."""
    return [
        Sentence(number, start, end)
        for number, note in enumerate(notes)
        for sentence in find_sentences(note.text)
        for start, end in _short(note.text, *sentence)
    ]


def _short(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    words = [match.span() for match in _SPACED.finditer(text, start, end)]
    for first in range(0, len(words), _LONGEST):
        own = words[first : first + _LONGEST]
        yield own[0][0], own[-1][1]


def passages_of(notes: Sequence[Note], sentences: Sequence[Sentence]) -> list[Passage]:
    """Passages of whole sentences, at most 120 words each, a new one about every 60 words; none crosses notes."""
    sizes = [len(notes[own.note].text[own.start : own.end].split()) for own in sentences]
    found: list[Passage] = []
    first = last = words = 0
    while last < len(sentences):
        note = sentences[first].note
        while last < len(sentences) and sentences[last].note == note and words + sizes[last] <= PASSAGE:
            words, last = words + sizes[last], last + 1
        found.append(Passage(note, first, last, sentences[first].start, sentences[last - 1].end))
        if last < len(sentences) and sentences[last].note != note:
            first, words = last, 0
        gone = 0
        while first < last and gone < STRIDE:  # what is left has at most 60 words: the next passage goes further
            gone, words, first = gone + sizes[first], words - sizes[first], first + 1
    return found


def stems(text: str) -> list[str]:
    """The words of a text in small letters, their endings taken off."""
    return [stem(match[0]) for match in WORD.finditer(text)]


def stem(word: str) -> str:
    """A word in small letters without its ending."""
    lower = word.lower()
    ending = next((own for own in _endings() if lower.endswith(own) and len(lower) - len(own) >= _STEM), "")
    return lower[: len(lower) - len(ending)]


def topic(question: str) -> list[str]:
    """What a question is about: its words without those that every question has."""
    return [match[0] for match in WORD.finditer(question) if match[0].lower() not in _function()]


@cache
def _endings() -> tuple[str, ...]:
    return tuple(table_of("clinical", "tables/record")["questions"]["endings"])


@cache
def _function() -> frozenset[str]:
    return frozenset(table_of("clinical", "tables/record")["questions"]["function"])
