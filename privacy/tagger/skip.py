"""What needs no model: sentences that hold no identifier for certain, and words that are never one by themselves."""

from __future__ import annotations

from functools import cache

from policies.files import table_of
from privacy.tagger.words import Words, common_words


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


def _names_a_thing(words: Words, span: range) -> bool:
    if len(span) > 2 or words.word(span.start).lower() in _words("eponyms", "titles"):
        return False
    after = (words.word(index) for index in range(span.stop, min(span.stop + 3, len(words))))
    noun = next((word for word in after if word not in ("'", "’", "s")), "")
    return noun.lower() in _words("eponyms", "nouns")


def _never(word: str) -> bool:
    short = len(word) <= 3 and word.istitle()  # "Pa" and "Ra" may be names, "PA" and "RA" are none
    return not word[0].isalnum() or (word.lower() in _words("never", "words") and not short)


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
