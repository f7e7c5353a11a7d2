"""Which sentences hold no name, place, organisation or profession for certain: those need no model."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from privacy.tagger.words import Words, common_words


@cache
def cues() -> frozenset[str]:
    """Words beside which an identifier may stand that is itself a common word: titles, kin, work, home."""
    table = tomllib.loads(files("privacy").joinpath("tables/tagger.toml").read_text("utf-8"))
    return frozenset(table["cues"]["words"].split())


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
