"""Words of sentences as answers: where retrieval and reader agree, and of the words there those most agreed on."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clinical.record.reader import Pair, Reader
from clinical.record.retrieval import Index, Search

_LONGEST = 96  # tokens of an answer
_EACH = 30  # spans of a passage that are weighed
_COVERED, _NEAR = 20.0, 20.0  # log-odds of a sentence for its coverage and its nearness
_NEWER = 2.0  # log-odds of the newest note before the oldest
_SPANS, _EVEN = 0.8, 2.0  # weight of the reader's spans beside the whole sentence, and what their log-odds are cut by

_LOOSE = " \t\r\n:;,.)]"

Span = tuple[int, int]


@dataclass(frozen=True)
class Found:
    """An answer at `text[start:end]` of the note with this number; `score` from 0 to 1, 0.5 is the line."""

    note: int
    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Candidate:
    """Words of one sentence that may answer; `odds` are the reader's log-odds, `rank` those with retrieval's."""

    note: int
    start: int
    end: int
    odds: float
    rank: float


def find_answers(reader: Reader, index: Index, search: Search, question: str, most: int) -> list[Found]:
    """An answer in each sentence of the `most` best passages of a search that may hold one, the best first."""
    return ordered(candidates_of(reader, index, search, question, most), reader.design.threshold)


def ordered(candidates: Sequence[Candidate], threshold: float) -> list[Found]:
    """Those of which the reader is sure, then the others; among them by reader and retrieval together."""
    order = sorted(candidates, key=lambda own: (own.odds < threshold, -own.rank))
    return [Found(own.note, own.start, own.end, _logistic(own.odds - threshold)) for own in order]


def candidates_of(reader: Reader, index: Index, search: Search, question: str, most: int) -> list[Candidate]:
    """What may answer, sentence by sentence.

    Of a sentence's spans and the whole of it, that one is taken which shares most with all of them (minimum Bayes risk,
    Kumar and Byrne 2004), and not the single likeliest: it may be cut short or begin too early.
    """
    found = []
    for number, spans in _spans_of(reader, index, search, question, most).items():
        sentence = index.sentences[number]
        odds = max(spans.values())
        rank = odds + _COVERED * float(search.coverage[number]) + _NEAR * float(search.nearness[number])
        rank += _NEWER * index.newness[sentence.note]
        span = whole_words(index.notes[sentence.note].text, *agreed((sentence.start, sentence.end), spans))
        found.append(Candidate(sentence.note, *span, odds, rank))
    return found


def _spans_of(
    reader: Reader, index: Index, search: Search, question: str, most: int
) -> Mapping[int, dict[Span, float]]:
    """The likeliest spans of the best passages by sentence, each with its log-odds against "not here"."""
    found: dict[int, dict[Span, float]] = defaultdict(dict)
    pairs = [reader.pair(question, index, search, number) for number in search.order[:most]]
    if pairs:
        with torch.inference_mode():
            logits = reader.logits(pairs)
        for row, pair in enumerate(pairs):
            for sentence, span, odds in _likeliest(logits[row, : len(pair.ids)], pair):
                found[sentence][span] = max(odds, found[sentence].get(span, odds))  # passages overlap
    return found


def _likeliest(logits: Tensor, pair: Pair) -> list[tuple[int, Span, float]]:
    """Spans of one passage that lie in one sentence: its number, start and end, log-odds; from logits `[L, 2]`."""
    size = len(pair.ids)
    place, sentence = torch.arange(size), torch.from_numpy(pair.sentences)
    length = place[None] - place[:, None]
    apart = (sentence[:, None] != sentence[None]) | (sentence[:, None] < 0)
    both = logits[:, None, 0] + logits[None, :, 1]
    both = both.masked_fill((length < 0) | (length >= _LONGEST) | apart, float("-inf"))
    values, cells = both.flatten().topk(min(_EACH, both.numel()))
    absent = float(logits[0].sum())
    return [
        (
            int(pair.sentences[cell // size]),
            (int(pair.offsets[cell // size, 0]), int(pair.offsets[cell % size, 1])),
            value - absent,
        )
        for value, cell in zip(values.tolist(), cells.tolist(), strict=True)
        if value > float("-inf")
    ]


def agreed(sentence: Span, spans: Mapping[Span, float]) -> Span:
    """The span, or the whole sentence, that shares most with all spans, each weighed by its log-odds."""
    odds = np.array(list(spans.values()))
    weights = np.exp((odds - odds.max()) / _EVEN)
    shares = [1 - _SPANS, *(_SPANS * weights / weights.sum())]
    choices = [sentence, *spans]
    return max(choices, key=lambda one: sum(w * _f1(one, own) for w, own in zip(shares, choices, strict=True)))


def _f1(one: Span, other: Span) -> float:
    shared = max(0, min(one[1], other[1]) - max(one[0], other[0]))
    return 2 * shared / (one[1] - one[0] + other[1] - other[0])


def whole_words(text: str, start: int, end: int) -> Span:
    """A span widened to whole words, without the marks before the first."""
    inner = text[start:end].lstrip(_LOOSE)
    start = end - len(inner) if inner else start
    while start and text[start - 1].isalnum() and text[start].isalnum():
        start -= 1
    while end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
        end += 1
    return start, end


def _logistic(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, odds))))
