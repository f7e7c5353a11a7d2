"""Phrases and titles as words that can be compared: one form of each, without those that say nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

from policies.files import table_of

_WORD = re.compile(r"[a-z0-9]+")
_BRITISH = re.compile(r"[ao]e")
_ENDING = re.compile(r"(?<=\w{4})(?:oses|osis|otic|ous|ies|ic|es|is|us|al|ia|ar|um|a|s|e|y)$")
_POSSESSIVE = re.compile(r"['’]s\b")


def words_of(phrase: str) -> tuple[str, ...]:
    """The words of a phrase, each once, in the one form in which they are compared."""
    return tuple(spelled(phrase))


def spelled(phrase: str) -> dict[str, str]:
    """The same, each with the word as it was written."""
    plain = _POSSESSIVE.sub("", phrase.lower())
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    found: dict[str, str] = {}
    for written in _WORD.findall(plain):
        for word in _forms(written):
            found.setdefault(word, written)
    return found


@cache
def _forms(written: str) -> tuple[str, ...]:
    """No word for one that says nothing, two for "cancer", which titles call a malignant neoplasm."""
    means, stop = _tables()
    if written in stop:
        return ()
    return tuple(_stem(word) for word in means.get(written, written).split())


@cache
def _tables() -> tuple[dict[str, str], frozenset[str]]:
    rows = table_of("clinical", "tables/coding")
    return rows["means"], frozenset(rows["stop"])


def _stem(word: str) -> str:
    """A word without its ending, American ("anaemia" is "anemia"): "tuberculous" and "tuberculosis" are one."""
    word = _BRITISH.sub("e", word) if len(word) > 4 else word
    return _ENDING.sub("", word) if len(word) > 5 else word


def light() -> Iterator[str]:
    """The words that a title may have and a phrase need not."""
    for word in table_of("clinical", "tables/coding")["leaves_out"]["words"]:
        yield from _forms(word)
