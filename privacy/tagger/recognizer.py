"""The tagger as a Presidio recognizer: names, places, organisations and professions that no table or roster knows."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from privacy.tagger.design import OUTSIDE, read_design, spans_of
from privacy.tagger.runtime import Runtime, open_runtime
from privacy.tagger.skip import is_clinical, may_hold_name, trimmed
from privacy.tagger.words import Window, Words, batch_of, windows_of, words_of
from privacy.text.presidio import EntityRecognizer, RecognizerResult

SCORE = 0.6  # below the tables: where both find something, the table's category holds
_LENGTH = 96  # tokens of a window, as in training
_BATCH = 16
# An identifier missed costs more than a word lost: "outside" has to be this much likelier than a label.
_OUTSIDE_PENALTY = 1.5


class Tagger(EntityRecognizer):  # type: ignore[misc]
    """Finds names, places, organisations and professions by a trained token classifier.

    The model is opened at the first text, so that the recognizer can be sent to a worker process.

    Args:
        cache: a folder for the model in the form that runs fast; it is made there at first use.
        threads: of one process.
        skip: whether sentences that cannot hold an identifier are left out.
        quantized: whether to run in 8-bit integers; in single precision otherwise.
        weights: what was trained; the file that ships if not given.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        threads: int = 1,
        skip: bool = True,
        quantized: bool = True,
        weights: Path | None = None,
    ) -> None:
        self._cache, self._threads, self._skip, self._quantized = cache, threads, skip, quantized
        self._weights = weights or shipped_weights()
        self._runtime: Runtime | None = None
        super().__init__(list(read_design(self._weights).labels), name="tagger")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_runtime": None}

    def load(self) -> None:
        """Nothing is read before the first text."""

    def analyze(self, text: str, entities: Sequence[str] = (), nlp_artifacts: object = None) -> list[RecognizerResult]:
        """Findings in `text`; of the labels in `entities`, or of all if it is empty."""
        words = words_of(text)
        if self._runtime is None:
            self._runtime = open_runtime(self._weights, self._cache, self._threads, quantized=self._quantized)
        windows = windows_of(self._runtime.subwords, words, _LENGTH, may_hold_name if self._skip else None)
        tags = [OUTSIDE] * len(words)
        for index, tag in self._tagged(self._runtime, words, windows):
            tags[index] = tag
        return [
            RecognizerResult(label, start, end, SCORE)
            for start, end, label in _in_text(words, tags)
            if not entities or label in entities
        ]

    def _tagged(self, runtime: Runtime, words: Words, windows: Sequence[Window]) -> list[tuple[int, str]]:
        """Words that are part of an identifier, with their tags."""
        names = runtime.design.tags
        found = []
        order = sorted(windows, key=lambda window: len(window.ids))
        for start in range(0, len(order), _BATCH):
            own = order[start : start + _BATCH]
            logits = runtime.run(batch_of(own, [words.shapes] * len(own), runtime.subwords.padding))
            logits[:, :, 0] -= _OUTSIDE_PENALTY
            for window, best in zip(own, logits.argmax(-1), strict=True):
                found += [(int(window.word[place]), names[best[place]]) for place in window.first if best[place]]
        return found


def shipped_weights() -> Path:
    """The weights file of this installation."""
    with as_file(files("privacy.tagger").joinpath("weights/phi.safetensors")) as path:
        return path


def _in_text(words: Words, tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Tagged words as spans of the text, without those that are clinical words and without such words at the ends."""
    kept = ((trimmed(words, range(first, end), label), label) for first, end, label in spans_of(tags))
    return [
        (int(words.starts[span.start]), int(words.ends[span.stop - 1]), label)
        for span, label in kept
        if span and not is_clinical(words, span, label)
    ]
