"""What needs no model: sentences that hold no identifier for certain, and words that are never one by themselves."""

from __future__ import annotations

import re
from functools import cache

from policies.files import table_of
from privacy.tagger.words import Words, common_words
from privacy.text.names import words as listed

_NAMED = ("NAME", "HOSPITAL", "ADDRESS")
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


def is_clinical(words: Words, span: range, label: str) -> bool:
    """Whether a finding is made of headings, abbreviations and marks alone, of common words in small letters, or of
    words for wards; or is the eponym of what comes next, or one word before the name."""
    return (
        all(_never(words.word(index)) for index in span)
        or (label in _NAMED and all(_is_small(words, index) for index in span))
        or (label == "HOSPITAL" and all(words.word(index).lower() in _words("never", "wards") for index in span))
        or (label == "NAME" and len(span) == 1 and _comes_before(words, span.start))
        or _names_a_thing(words, span)
    )


def trimmed(words: Words, span: range, label: str) -> range:
    """A finding without the abbreviations at its ends: "Elm Hospital ED" is a hospital, and ED no part of its name.

    It also loses common words of the sentence: "Seeing Ada Byron", "at Elm Hospital on". Only abbreviations of persons
    and organisations go: LA is a state in an address.
    """
    first, last = span.start, span.stop
    while last - first > 1 and (_is_cut(words, last - 1, label) or (label == "NAME" and _goes_on(words, last - 1))):
        last -= 1
    while last - first > 1 and (_is_cut(words, first, label) or (label == "NAME" and _comes_before(words, first))):
        first += 1
    return range(first, last)


def _is_cut(words: Words, index: int, label: str) -> bool:
    """Whether a word is cut from either end."""
    short = label in ("NAME", "HOSPITAL") and _short(words.word(index))
    return short or (label in _NAMED and _is_small(words, index))


def _short(word: str) -> bool:
    heading = word[0].isalpha() and (word.isupper() or len(word) > 3) and len(word) > 1
    return (heading and _never(word)) or word in "(|&/,:;-"


def _is_small(words: Words, index: int) -> bool:
    """Whether a common word that is nobody's name is written small where names have their capitals."""
    word = words.word(index)
    small = words.has(index, "lower") and not words.has(index, "lower-case line")
    return small and len(word) > 1 and word in common_words().plain and word not in listed("names", "particles")


def _goes_on(words: Words, index: int) -> bool:
    """Whether the sentence goes on after a name with this word: no name ends with a common word in small letters."""
    word = words.word(index)
    return len(word) > 3 and word in common_words().plain


def _comes_before(words: Words, index: int) -> bool:
    """Whether a name begins after this word: one of kin, or a common word that has its capital from its place alone."""
    word, after = words.word(index).lower(), index + 1
    if after == len(words) or not words.has(after, "title") or words.has(after, "begins line"):
        return False
    due = any(words.has(index, place) for place in ("begins line", "begins sentence", "after colon"))
    common = due and len(word) > 1 and word in common_words().plain and word not in _words("eponyms", "titles")
    return common or word in _words("never", "kin")


def _names_a_thing(words: Words, span: range) -> bool:
    if len(span) > 3 or words.word(span.start).lower() in _words("eponyms", "titles"):
        return False
    after = [words.word(index).lower() for index in range(span.stop, min(span.stop + 3, len(words)))]
    noun = next((word for word in after if word not in ("'", "’", "s")), "")
    names = [words.word(index).lower() for index in span if words.word(index).isalpha()]
    aged = any(word in ("m", "f", "y", "yo", "yr", "year", "years", "male", "female") for word in after)
    graded = bool(_GRADE.fullmatch(noun)) and not aged and _words("eponyms", "scales").issuperset(names)
    owned = after[1:2] == ["s"] and (not noun[:1].isalpha() or noun in _words("eponyms", "after_a_disease"))
    disease = owned and _words("eponyms", "diseases").issuperset(names)
    return (
        graded
        or disease
        or (len(span) < 3 and not {noun, noun.removesuffix("s")}.isdisjoint(_words("eponyms", "nouns")))
    )


def _never(word: str) -> bool:
    short = len(word) <= 3 and word.istitle()  # "Pa" and "Ra" may be names, "PA" and "RA" are none
    known = _words("never", "short") if short else _words("never", "words")
    return not word[0].isalpha() or word.lower() in known or (len(word) == 1 and word.islower() and word != "s")


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
