"""What needs no model: sentences that hold no identifier for certain, and words that are never one by themselves."""

from __future__ import annotations

import re
from functools import cache

from policies.files import table_of
from privacy.tagger.words import Words, common_words

_GRADE = re.compile(
    r"\d+|i{1,3}[abc]?|iv[abc]?|vi?|[abcd]|c\d+m\d+|neg(?:ative)?|pos(?:itive)?|scores?|stage|grade|out"
)


@cache
def cues() -> frozenset[str]:
    """Words beside which an identifier may stand that is itself a common word: titles, kin, work, home."""
    return _words("cues", "words")


@cache
def _words(table: str, row: str) -> frozenset[str]:
    tables = table_of("privacy", "tables/tagger")
    return frozenset(tables[table][row].split())


def is_clinical(words: Words, span: range) -> bool:
    """Whether a finding is made of headings, abbreviations and marks alone, or is the eponym of what comes next."""
    return all(_never(words.word(index)) for index in span) or _names_a_thing(words, span)


def trimmed(words: Words, span: range, label: str) -> range:
    """A finding without the abbreviations at its ends: "Elm Hospital ED" is a hospital, and ED no part of its name.

    Only abbreviations go, and only from persons and organisations: LA is a state in an address.
    """
    first, last = span.start, span.stop
    if label in ("NAME", "HOSPITAL"):
        while last - first > 1 and (_short(words.word(last - 1)) or _goes_on(words, last - 1, label)):
            last -= 1
        while last - first > 1 and _short(words.word(first)):
            first += 1
    return range(first, last)


def _short(word: str) -> bool:
    return (word.isupper() and len(word) > 1 and _never(word)) or word in "(|&/,:;-"


def _goes_on(words: Words, index: int, label: str) -> bool:
    """Whether the sentence goes on after a name with this word: no name ends with a common word in small letters."""
    word = words.word(index)
    return label == "NAME" and word in common_words().plain and len(word) > 3


def _names_a_thing(words: Words, span: range) -> bool:
    if len(span) > 3 or words.word(span.start).lower() in _words("eponyms", "titles"):
        return False
    after = [words.word(index) for index in range(span.stop, min(span.stop + 3, len(words)))]
    noun = next((word.lower() for word in after if word not in ("'", "’", "s")), "")
    names = [words.word(index).lower() for index in span if words.word(index).isalpha()]
    aged = any(word.lower() in ("m", "f", "y", "yo", "yr", "year", "years", "male", "female") for word in after)
    graded = bool(_GRADE.fullmatch(noun)) and not aged and _words("eponyms", "scales").issuperset(names)
    return graded or (len(span) < 3 and noun in _words("eponyms", "nouns"))


def _never(word: str) -> bool:
    short = len(word) <= 3 and word.istitle()  # "Pa" and "Ra" may be names, "PA" and "RA" are none
    return not word[0].isalpha() or (word.lower() in _words("never", "words") and not short)


def may_hold_name(words: Words, unit: range) -> bool:
    """Whether a sentence has a word that is not common, a capital where none is due, or a cue.

    In a line without any capital the words that are also names count as names.
    """
    return any(_may_be_name(words, unit, index) for index in unit)


def _may_be_name(words: Words, unit: range, index: int) -> bool:
    if not words.has(index, "common"):
        return not (words.has(index, "punctuation") or words.has(index, "digits"))
    word = words.word(index).lower()
    if word in cues() or (word in common_words().names and words.has(index, "lower-case line")):
        return True
    due = index == unit.start or words.has(index, "after colon") or words.has(index, "begins sentence")
    return words.has(index, "title") and not due
