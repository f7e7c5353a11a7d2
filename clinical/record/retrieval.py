"""The passages of a record that a question is about: words by BM25 (Robertson and Zaragoza 2009), meaning by vectors.

The default encoder was made to give question and answer like vectors; a passage is as near as its mean and its nearest
sentence.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinical.record.passages import Note, Passage, Sentence, passages_of, sentences_of, stem, stems, topic

Floats = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Floats]  # texts to vectors `[N, D]` of unit length

_K1, _B = 1.2, 0.75
_WORDS = 2.0  # weight of words beside meaning; see the figures in reading.py
_NEWER = 0.1  # of the newest note before the oldest: decides where they say much the same


@dataclass(frozen=True)
class Search:
    """What a question finds in a record.

    Attributes:
        order: numbers of passages, the best first.
        scores: of the passages, `[P]`.
        nearness: cosine of each sentence with the question, `[S]`.
        coverage: share of the question's words, by weight, that each sentence has, `[S]`.
        weights: of the words of the question, by stem; a word that is rare in the record weighs more.
    """

    order: tuple[int, ...]
    scores: Floats
    nearness: Floats
    coverage: Floats
    weights: dict[str, float]


class Index:
    """The notes of one patient, ready to be searched; building it is linear in their length.

    Args:
        notes: all that may be quoted.
        embed: gives texts vectors.
    """

    def __init__(self, notes: Sequence[Note], embed: Embed) -> None:
        self.notes = tuple(notes)
        self.sentences: list[Sentence] = sentences_of(notes)
        self.passages: list[Passage] = passages_of(notes, self.sentences)
        days = sorted({note.date for note in notes})
        self.newness = [days.index(note.date) / max(1, len(days) - 1) for note in notes]  # 0 the oldest, 1 the newest
        self._embed = embed
        texts = [self.text_of(own) for own in self.sentences]
        different = {text: number for number, text in enumerate(dict.fromkeys(texts))}  # notes repeat each other
        vectors = embed(list(different)) if different else np.zeros((0, 1), np.float32)
        self._vectors = vectors[[different[text] for text in texts]]
        self._words = [Counter(stems(text)) for text in texts]
        self._counts = [sum(self._words[own.first : own.last], Counter()) for own in self.passages]
        self._sizes = np.array([count.total() for count in self._counts], np.float32)
        self._places: dict[str, list[int]] = defaultdict(list)
        for number, count in enumerate(self._counts):
            for word in count:
                self._places[word].append(number)

    def text_of(self, place: Sentence | Passage) -> str:
        """The words of a sentence or a passage."""
        return self.notes[place.note].text[place.start : place.end]

    def search(self, question: str, context: Sequence[str] = ()) -> Search:
        """Rank the passages for a question; `context` are words of earlier questions that this one goes on from."""
        if not self.passages:
            none = np.zeros(0, np.float32)
            return Search((), none, none, none, {})
        weights = {word: self._weight(word) for word in map(stem, (*topic(question), *context))}
        total = sum(weights.values()) or 1.0
        nearness = self._vectors @ self._embed([" ".join((question, *context))])[0]
        coverage = np.array([sum(v for w, v in weights.items() if w in own) / total for own in self._words], np.float32)
        words = self._bm25(weights) / (total * (_K1 + 1))
        meaning = np.array([self._meaning(own, nearness) for own in self.passages], np.float32)
        newness = np.array([self.newness[own.note] for own in self.passages], np.float32)
        scores = _WORDS * words + meaning + _NEWER * newness
        order = np.argsort(-scores, kind="stable").tolist()
        return Search(tuple(order), scores, nearness, coverage, weights)

    def _weight(self, word: str) -> float:
        held = len(self._places.get(word, ()))
        return math.log(1 + (len(self.passages) - held + 0.5) / (held + 0.5))

    def _bm25(self, weights: dict[str, float]) -> Floats:
        found = np.zeros(len(self.passages), np.float32)
        mean = float(self._sizes.mean()) or 1.0
        for word, weight in weights.items():
            for number in self._places.get(word, ()):
                times = self._counts[number][word]
                length = 1 - _B + _B * self._sizes[number] / mean
                found[number] += weight * times * (_K1 + 1) / (times + _K1 * length)
        return found

    def _meaning(self, passage: Passage, nearness: Floats) -> float:
        own = slice(passage.first, passage.last)
        mean = self._vectors[own].mean(0)
        # The mean vector's cosine from the sentences' own: the question's vector is of unit length.
        return float(nearness[own].max() + nearness[own].mean() / (np.linalg.norm(mean) or 1.0))
