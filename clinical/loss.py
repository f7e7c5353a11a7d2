"""The clinical-loss report: which drugs, doses, parts of the body and eponyms went away with the identifiers.

Only words of our own public tables are counted, never other words of the note, so that the report holds nothing of a
record. A name that is such a word (a patient called Iris) counts too: the report says where to look.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from privacy.guards.vocabulary import eponym_follows, vocabulary
from privacy.text.spans import Span

KINDS = {"medication": "drug", "anatomy": "anatomy"}  # kinds of the dictionary, and what the report calls them
_WORD = re.compile(r"[^\W_]+")
_NUMBER = r"(?<![\w./])\d{1,3}(?:,\d{3})*(?:\.\d+)?"


def clinical_loss(original: str, spans: Sequence[Span]) -> Counter[tuple[str, str]]:
    """How often each clinical word of the public vocabulary stood in what was replaced.

    Args:
        original: the text before; spans: what was replaced in it.

    Returns: counts of (kind, word): ("drug", "warfarin"), ("dose", "mg"), ("anatomy", "iris"), ("eponym", "parkinson").
    """
    lowered = original.lower()
    return Counter(found for span in spans for found in _lost(lowered, original[span.start : span.end], span.start))


def _lost(lowered: str, piece: str, offset: int) -> Iterator[tuple[str, str]]:
    """The clinical words of a piece that begins at `offset` of a note in small letters."""
    if known := _names().get(piece.strip()):  # an abbreviation counts only where it is all, for initials look like it
        yield known
        return
    yield from (("dose", _dose_units()[match[1].lower()]) for match in _dose().finditer(piece))
    words = [(match.group().lower(), offset + match.end()) for match in _WORD.finditer(piece)]
    place = 0
    while place < len(words):
        # The longest name that begins here.
        for end in range(min(len(words), place + _longest()), place, -1):
            if found := _names().get(" ".join(word for word, _ in words[place:end])):
                yield found
                place = end - 1
                break
        else:
            word, stop = words[place]
            # Alone it is somebody's name, and the report must not say whose records there are.
            if word in vocabulary()["eponyms"] and eponym_follows().match(lowered, stop):
                yield "eponym", word
        place += 1


@cache
def _names() -> Mapping[str, tuple[str, str]]:
    """Every phrase of the vocabulary with what the report calls it: in small letters, abbreviations as written."""
    from clinical.extraction.entities import dictionary  # brings spaCy

    return {
        name.exact or " ".join(_WORD.findall(phrase)): (KINDS[name.kind], name.concept)
        for phrase, name in dictionary().items()
        if name.kind in KINDS
    }


@cache
def _longest() -> int:
    return max(phrase.count(" ") + 1 for phrase in _names())


@cache
def _dose_units() -> Mapping[str, str]:
    from clinical.extraction.words import table

    return {written.lower(): unit for unit, spellings in table("units")["dose"].items() for written in spellings}


@cache
def _dose() -> re.Pattern[str]:
    units = "|".join(map(re.escape, sorted(_dose_units(), key=len, reverse=True)))
    return re.compile(rf"{_NUMBER}\s?-?({units})(?!\w)", re.IGNORECASE)
