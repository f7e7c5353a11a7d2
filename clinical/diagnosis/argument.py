"""For, against and not asked: the basis of a suggestion, laid open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clinical.diagnosis.attribution import Stretch, group_of, occluded, weights, words_of
from clinical.diagnosis.located import AGAINST, FOR, findings, side
from clinical.diagnosis.model import ConditionModel, Floats, Reading
from clinical.extraction import Mention, NoteFacts

MOST = 3  # of each kind
_WORDS = 5  # that are marked in a sentence
_LEAST_WEIGHT, _LEAST_SHARE = 0.1, 0.1  # log-odds, and share of the strongest sentence's; less is no evidence
_LEAST_GAIN = 0.05  # log-odds; a finding that would add less is not worth a question
_NEAREST = 3  # labels that the model thinks of first where it reads a finding alone: what it may speak for


@dataclass(frozen=True)
class Evidence:
    """A stretch of the note at `[start, end)`.

    Attributes:
        weight: what the log-odds of the condition would lose without it; of what the note denies, less than nothing:
            what they would gain were it so.
        words: those within it that weigh most, as (start, end).
        because: the words of the note that deny it, or nothing.
    """

    start: int
    end: int
    weight: float
    words: tuple[Stretch, ...] = ()
    because: str = ""


@dataclass(frozen=True)
class NotAsked:
    """A finding of which the note says nothing.

    Attributes:
        weight: what the log-odds would gain were it there.
        first: whether the condition would then rank first, which it does not now.
    """

    concept: str
    weight: float
    first: bool


@dataclass(frozen=True)
class Argument:
    """What speaks for a condition, what against it, and what was not asked."""

    evidence: tuple[Evidence, ...]
    against: tuple[Evidence, ...]
    not_asked: tuple[NotAsked, ...]


class Arguments:
    """What a reading of one note says for and against any of the labels, worked out for all of them at once."""

    def __init__(self, model: ConditionModel, reading: Reading, text: str, facts: NoteFacts) -> None:
        self.model, self.reading, self.facts, self.text = model, reading, facts, text
        self.odds: Floats = model.log_odds(reading.whole)[0]

    @cached_property
    def _words(self) -> tuple[tuple[Stretch, ...], Floats]:
        words = words_of(self.text)
        return words, weights(self.model, self.reading, words)

    @cached_property
    def _sentences(self) -> Floats:
        return weights(self.model, self.reading, self.facts.sentences)

    @cached_property
    def _with_finding(self) -> Floats:
        """The log-odds of each label were each finding added as a sentence in a window of its own: `[F, K]`."""
        return self.model.log_odds(self.reading.whole + self.model.findings)

    @cached_property
    def _gains(self) -> Floats:
        """What each finding would add to each label that it may speak for, `[F, K]`; 0 where it may not."""
        ranks = (-self.model.log_odds(self.model.findings)).argsort(1).argsort(1)
        return np.where(ranks < _NEAREST, self._with_finding - self.odds, 0.0)

    @cached_property
    def _silent(self) -> NDArray[np.bool_]:
        """Which sentences name things, none of which speaks for anything."""
        found = [{side(m.assertion.status) for m in named} for named in self._named()]
        return np.array([bool(sides) and FOR not in sides for sides in found], bool)

    def _named(self) -> list[list[Mention]]:
        """The mentions of each sentence."""
        places = group_of(np.array([m.start for m in self.facts.mentions], np.int64), self.facts.sentences)
        named: list[list[Mention]] = [[] for _ in self.facts.sentences]
        for place, mention in zip(places, self.facts.mentions, strict=True):
            if place >= 0:
                named[place].append(mention)
        return named

    def of(self, labels: Sequence[int]) -> list[Argument]:
        """The argument for and against each of some labels, by their numbers.

        The sentences that seem to weigh most for any of them are weighed again by reading their windows without them.
        """
        chosen = {label: self._heaviest(label) for label in labels}
        places = sorted(set().union(*chosen.values()))
        lost = occluded(self.model, self.reading, [self.facts.sentences[place] for place in places])
        return [
            self._argument(label, {place: float(lost[places.index(place), label]) for place in chosen[label]})
            for label in labels
        ]

    def _heaviest(self, label: int) -> list[int]:
        seeming = np.where(self._silent, 0.0, self._sentences[:, label])
        return [int(place) for place in np.argsort(-np.abs(seeming))[: MOST + 1] if seeming[place]]

    def _argument(self, label: int, weighed: Mapping[int, float]) -> Argument:
        least = max(_LEAST_WEIGHT, _LEAST_SHARE * max(weighed.values(), default=0.0))
        best = sorted((self._quoted(place, w, label) for place, w in weighed.items() if w >= least), key=_weight)
        worst = [self._quoted(place, w, label) for place, w in weighed.items() if w <= -least]
        against = sorted([*worst, *self._denied(label)], key=_weight)
        return Argument(tuple(best[::-1][:MOST]), tuple(against[:MOST]), tuple(self._not_asked(label)))

    def _quoted(self, place: int, weight: float, label: int) -> Evidence:
        start, end = self.facts.sentences[place]
        words, weighs = self._words
        inside = [n for n, (first, last) in enumerate(words) if start <= first and last <= end]
        towards = sorted(inside, key=lambda n: -weighs[n, label] * np.sign(weight))[:_WORDS]
        marked = tuple(sorted(words[n] for n in towards if weighs[n, label] * weight > 0))
        return Evidence(start, end, weight, marked)

    def _denied(self, label: int) -> Iterator[Evidence]:
        """What the note denies, and what would speak for the label were it so; each finding once."""
        gains = dict(zip(findings(), self._gains[:, label], strict=True))
        seen: set[str] = set()
        for mention in self.facts.mentions:
            gain = float(gains.get(mention.concept, 0.0))
            if side(mention.assertion.status) == AGAINST and gain >= _LEAST_GAIN and mention.concept not in seen:
                seen.add(mention.concept)
                yield Evidence(mention.start, mention.end, -gain, (), mention.assertion.cue or mention.assertion.status)

    def _not_asked(self, label: int) -> list[NotAsked]:
        first = (self._with_finding.argmax(1) == label) & (self.odds.argmax() != label)
        said = [frozenset(mention.concept.split()) for mention in self.facts.mentions]
        found = [
            NotAsked(concept, float(gain), bool(leads))
            for concept, gain, leads in zip(findings(), self._gains[:, label], first, strict=True)
            if gain >= _LEAST_GAIN and not _spoken_of(frozenset(concept.split()), said)
        ]
        return sorted(found, key=lambda one: (-one.first, -one.weight))[:MOST]


def _spoken_of(concept: frozenset[str], said: Sequence[frozenset[str]]) -> bool:
    """Whether the note names the finding, one that is more general, or one that is more special."""
    return any(concept <= own or own <= concept for own in said)


def _weight(evidence: Evidence) -> float:
    return evidence.weight
