"""Ranks the terms of a code system by the words that they share with a phrase."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinical.coding.words import light
from policies.files import table_of

_Floats = NDArray[np.floating[Any]]
_OF_PHRASE = 0.5  # how much words of the phrase that a term lacks count, beside words of the term that the phrase lacks
_LONG, _CLOSE = 6, 0.85  # a word of so many letters that no term has is taken for one that is this close


@dataclass(frozen=True)
class Match:
    """The row of a term, how alike it is, and the words asked for that it has, the rarest first."""

    row: int
    score: float
    words: tuple[str, ...]


class TermIndex:
    """Terms by their words.

    The score is Tversky's index (1977) over words weighted by their rarity: the weight of the shared words, divided by
    that weight plus half of what either side has alone. 1 says that the words are the same, 0 that none is shared.

    Args:
        terms: the words that a phrase should have, and those that it may have, of each term.
    """

    def __init__(self, terms: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
        rows: dict[str, list[int]] = {}
        optional: dict[str, list[int]] = {}
        for row, (needed, allowed) in enumerate(terms):
            for word in needed:
                rows.setdefault(word, []).append(row)
            for word in allowed:
                optional.setdefault(word, []).append(row)
        self.terms = terms
        self.rows = {word: np.array(own, np.int32) for word, own in rows.items()}
        self.optional = {word: np.array(own, np.int32) for word, own in optional.items()}
        counts = {word: len(rows.get(word, ())) + len(optional.get(word, ())) for word in (*rows, *optional)}
        self.weights = {word: float(np.log(1 + len(terms) / count)) for word, count in counts.items()}
        self.unknown = float(np.log(1 + len(terms)))  # of a word that no term has
        self.near: dict[tuple[str, int], list[str]] = {}  # words by their first letter and their length
        for word in self.weights:
            self.near.setdefault((word[0], len(word)), []).append(word)
        self.lengths = np.zeros(len(terms), np.float32)  # the weight of the words that a phrase should have
        for word, own in self.rows.items():
            self.lengths[own] += self._weight(word) * _part(word)

    def _weight(self, word: str) -> float:
        return self.weights.get(word, self.unknown)

    def best(self, words: Iterable[str], most: int) -> list[Match]:
        """The terms that are most like some words, best first, at most `most`; those of equal score in their order."""
        written = {self._nearest(word): word for word in words}
        shared = np.zeros(len(self.terms), np.float32)
        missed = self.lengths.copy()
        for word in written:
            weight = self._weight(word)
            if word in self.rows:
                shared[self.rows[word]] += weight
                missed[self.rows[word]] -= weight * _part(word)
            if word in self.optional:
                shared[self.optional[word]] += weight
        whole = sum(map(self._weight, written))
        scores = _tversky(shared, whole - shared, missed)
        count = min(most, int((shared > 0).sum()))
        if not count:
            return []
        chosen = np.argpartition(-scores, count - 1)[:count]
        chosen = chosen[np.lexsort((chosen, -scores[chosen]))]
        return [Match(int(row), _rounded(scores[row]), self._shared(written, int(row))) for row in chosen]

    def _nearest(self, word: str) -> str:
        """A word of the terms; one that they do not have as the one that is most like it, if any is."""
        if word in self.weights or len(word) < _LONG:
            return word
        alike = [own for size in (-1, 0, 1) for own in self.near.get((word[0], len(word) + size), ())]
        near = get_close_matches(word, alike, 1, _CLOSE)
        return near[0] if near else word

    def _shared(self, written: Mapping[str, str], row: int) -> tuple[str, ...]:
        own = {*self.terms[row][0], *self.terms[row][1]}
        return tuple(written[word] for word in sorted(written, key=self._weight, reverse=True) if word in own)


def alike(row: int, asked: Collection[str], own: Sequence[str], weigh: Callable[[str], float]) -> Match:
    """The same for one term, where there is no index of all of them; `weigh` gives the rarity of a word."""
    shared = sorted((word for word in asked if word in own), key=weigh, reverse=True)
    lacking = sum(weigh(word) for word in asked if word not in own)
    missed = sum(weigh(word) * _part(word) for word in own if word not in asked)
    score = _tversky(np.array([sum(map(weigh, shared))]), np.array([lacking]), np.array([missed]))
    return Match(row, _rounded(score[0]), tuple(shared))


def _part(word: str) -> float:
    """How much of its weight a word of a term counts where the phrase lacks it."""
    weight: float = table_of("clinical", "tables/coding")["leaves_out"]["weight"]
    return weight if word in _light() else 1.0


@cache
def _light() -> frozenset[str]:
    return frozenset(light())


def _rounded(score: float) -> float:
    return min(1.0, round(float(score), 4))


def _tversky(shared: _Floats, lacking: _Floats, missed: _Floats) -> _Floats:
    whole = shared + _OF_PHRASE * np.maximum(lacking, 0) + (1 - _OF_PHRASE) * np.maximum(missed, 0)
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
