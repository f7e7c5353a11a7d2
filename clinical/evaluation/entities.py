"""How many marked entities the tagger finds exactly, per label, with intervals by document."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from clinical.entities.corpora import Document, labels_of, read_corpus
from clinical.evaluation.counts import Score, score

Span = tuple[int, int, str]


@dataclass(frozen=True)
class EntityScores:
    """Scores over a corpus: all labels together (micro average), and each by itself."""

    corpus: str
    documents: int
    overall: Score
    labels: Mapping[str, Score]
    documents_per_second: float

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)


def evaluate_entities(corpus: str, path: Path, *, quantized: bool = True) -> EntityScores:
    """Tag a corpus with the head that learned from its kind, and compare.

    Args:
        corpus: "bc5cdr", "ncbi" or "maccrobat".
        path: a two-column IOB file, or a folder in brat's format.
        quantized: whether to run in 8-bit integers, as extraction does.

    Raises:
        InputError: the corpus cannot be read.
    """
    from clinical.entities.tagger import EntityTagger

    documents = read_corpus(corpus, path)
    tagger = EntityTagger(threads=2, quantized=quantized)
    tagger.find("Ada Byron has asthma.")  # open the model before the clock runs

    def find(text: str) -> list[Span]:
        return tagger.find(text)[corpus]

    return score_documents(corpus, documents, find)


def score_documents(corpus: str, documents: Sequence[Document], find: Callable[[str], Iterable[Span]]) -> EntityScores:
    """Compare what `find` gives, with labels "corpus:label", with what is marked."""
    names = tuple(dict.fromkeys(labels_of(corpus).values()))
    counts = np.zeros((len(documents), len(names), 3), np.int64)  # marked, found, right
    seconds = 0.0
    for row, document in zip(counts, documents, strict=True):
        started = time.perf_counter()
        found = {(start, end, label.rpartition(":")[2]) for start, end, label in find(document.text)}
        seconds += time.perf_counter() - started
        for kind, spans in enumerate((set(document.spans), found, set(document.spans) & found)):
            for _, _, label in spans:
                row[names.index(label), kind] += 1
    return EntityScores(
        corpus,
        len(documents),
        score(counts.sum(axis=1)),
        {name: score(counts[:, index]) for index, name in enumerate(names)},
        len(documents) / seconds if seconds else 0.0,
    )
