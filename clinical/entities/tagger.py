"""Entities of a text by the trained tagger: every head's spans, each tag sequence the likeliest that is well formed.

F1 with its 95 % interval by document, spans and labels exact, in 8-bit integers, before the weights saw these texts
(weights/entities.md has each label):

    BC5CDR development   0.848 (0.837-0.857)
    NCBI development     0.838 (0.804-0.867)
    MACCROBAT, 5 folds   0.565 (0.549-0.581)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from clinical.entities.marks import marks_of
from policies.files import table_of
from privacy.tagger.design import OUTSIDE, spans_of
from privacy.tagger.runtime import Runtime, open_runtime
from privacy.tagger.words import Common, Words, batch_of, spelling_of, windows_of, words_of

LENGTH = 128  # tokens of a window
_BATCH = 16
_NONE = Common(frozenset(), frozenset())  # which words are common says nothing here: diseases are written small

Span = tuple[int, int, str]


class EntityTagger:
    """Finds entities by a trained token classifier with one head for each corpus that it learned from.

    Args:
        cache: a folder for the model in the form that runs fast; it is made there at first use.
        threads: of one process.
        quantized: whether to run in 8-bit integers; in single precision otherwise.
        weights: what was trained; the file that ships if not given.
        runtime: an open model, instead of all of these.
        least: by label, the confidence that a span has at least; others are left out.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        threads: int = 1,
        quantized: bool = True,
        weights: Path | None = None,
        runtime: Runtime | None = None,
        least: Mapping[str, float] | None = None,
    ) -> None:
        self._open = (weights or shipped_weights(), cache, threads)
        self._quantized, self._runtime, self._least = quantized, runtime, least or {}

    def find(self, text: str) -> dict[str, list[Span]]:
        """By head, the spans (start, end, "head:label") in order; those of one head do not overlap."""
        return {
            head: [span for span, sure in spans if sure >= self._least.get(span[2], 0.0)]
            for head, spans in self.find_scored(text).items()
        }

    def find_scored(self, text: str) -> dict[str, list[tuple[Span, float]]]:
        """The same, whatever is sure enough, each with its confidence: the least share that one of its words gives."""
        if self._runtime is None:
            self._runtime = open_runtime(*self._open, quantized=self._quantized)
        words = entity_words(text)
        tags = {head: [OUTSIDE] * len(words) for head in self._runtime.design.heads}
        sure = {head: np.ones(len(words)) for head in tags}
        for word, logits in self._logits(self._runtime, words):
            for head, own in tags.items():
                columns = self._runtime.design.columns(head)
                names = self._runtime.design.tags[columns]
                best = best_tags(logits[:, columns], names)
                sure[head][word] = softmax(logits[:, columns], 1)[np.arange(len(best)), best]
                for index, tag in zip(word, best, strict=True):
                    own[index] = names[tag]
        return {head: _in_text(words, own, sure[head]) for head, own in tags.items()}

    def _logits(self, runtime: Runtime, words: Words) -> list[tuple[list[int], NDArray[np.float32]]]:
        """For each window the words that it holds, and the logits of each `[W, K]`."""
        features, spelling = features_of(words), spelling_of(words)
        windows = sorted(windows_of(runtime.subwords, words, LENGTH), key=lambda window: len(window.ids))
        found = []
        for start in range(0, len(windows), _BATCH):
            own = windows[start : start + _BATCH]
            batch = batch_of(own, [features] * len(own), runtime.subwords.padding, [spelling] * len(own))
            for window, logits in zip(own, runtime.run(batch), strict=True):
                found.append((window.word[window.first].tolist(), logits[window.first]))
        return found


def shipped_weights() -> Path:
    """The weights file of this installation."""
    with as_file(files("clinical.entities").joinpath("weights/entities.safetensors")) as path:
        return path


def shipped_confidences() -> dict[str, float]:
    """By label of this installation's weights, the confidence from which on its spans are worth showing."""
    return {label: float(least) for label, least in table_of("clinical.entities", "weights/confidence").items()}


def entity_words(text: str) -> Words:
    """The words of a text as this tagger reads them."""
    return words_of(text, _NONE)


def features_of(words: Words) -> NDArray[np.uint8]:
    """Shapes and marks of every word, side by side."""
    return np.concatenate((words.shapes, marks_of(words)), axis=1)


def best_tags(logits: NDArray[np.float32], tags: Sequence[str]) -> list[int]:
    """The likeliest sequence in which no I- tag stands without its label before it (Viterbi 1967), for `[W, K]`."""
    before = np.array([[_may_follow(a, b) for b in tags] for a in tags])
    barred = np.where(before, 0.0, -np.inf).astype(np.float32)
    score = np.where([tag.startswith("I-") for tag in tags], -np.inf, 0.0).astype(np.float32)
    back = np.zeros(logits.shape, np.int64)
    for index, own in enumerate(logits):
        paths = score[:, None] + barred if index else np.broadcast_to(score, before.shape)
        back[index] = paths.argmax(0)
        score = paths.max(0) + own
    best = [int(score.argmax())] if len(logits) else []
    for row in back[:0:-1]:
        best.append(int(row[best[-1]]))
    return best[::-1]


def _may_follow(before: str, tag: str) -> bool:
    return not tag.startswith("I-") or before[2:] == tag[2:]


def _in_text(words: Words, tags: Sequence[str], sure: NDArray[np.float64]) -> list[tuple[Span, float]]:
    return [
        ((int(words.starts[first]), int(words.ends[last - 1]), label), float(sure[first:last].min()))
        for first, last, label in spans_of(tags)
    ]
