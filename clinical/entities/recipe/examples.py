"""Documents of corpora as examples of the tagger, and how they are split."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clinical.entities.corpora import Document, labels_of, read_corpus
from clinical.entities.tagger import Span, entity_words, features_of
from privacy.tagger.design import OUTSIDE
from privacy.tagger.model import Model
from privacy.tagger.recipe.training import Example, targets_of
from privacy.tagger.words import Words, spelling_of, windows_of

FOLDS = 5
CORPORA = ("bc5cdr", "ncbi", "maccrobat")
LABELS = tuple(f"{name}:{label}" for name in CORPORA for label in dict.fromkeys(labels_of(name).values()))
# Tokens of a window, for each corpus: a document is read once in an epoch for each of them, cut at other places.
_LENGTHS = {"bc5cdr": (96, 144), "ncbi": (112,), "maccrobat": (96, 120, 144)}


@dataclass(frozen=True)
class Corpora:
    """The documents by corpus: those to train on, those held back, and case reports, which are split by fold.

    Attributes:
        past: by name of a report, the spans of what is past.
    """

    training: dict[str, list[Document]]
    held: dict[str, list[Document]]
    reports: list[Document]
    past: dict[str, tuple[Span, ...]]

    def without(self, fold: int) -> list[Document]:
        """The case reports of the other folds."""
        return [document for document in self.reports if fold_of(document) != fold]

    def within(self, fold: int) -> list[Document]:
        """The case reports of one fold."""
        return [document for document in self.reports if fold_of(document) == fold]


def read_all(folder: Path) -> Corpora:
    """Read BC5CDR, NCBI Disease and MACCROBAT below a folder.

    Raises:
        InputError: one is missing.
    """
    places = {"bc5cdr": folder / "bc5cdr", "ncbi": folder / "ncbi_disease"}
    return Corpora(
        {name: read_corpus(name, place / "train.tsv") for name, place in places.items()},
        {name: read_corpus(name, place / "devel.tsv") for name, place in places.items()},
        read_corpus("maccrobat", folder / "maccrobat2020"),
        {own.name: own.spans for own in read_corpus("maccrobat_past", folder / "maccrobat2020")},
    )


def fold_of(document: Document) -> int:
    """The fold of a document, from its name alone."""
    return int(hashlib.sha256(document.name.encode()).hexdigest(), 16) % FOLDS


def examples_of(model: Model, head: str, documents: Sequence[Document]) -> list[Example]:
    """The windows of documents, for the head of their corpus."""
    tags = model.design.tags[model.design.columns(head)]
    number = {tag: index for index, tag in enumerate(tags)}
    examples = []
    for document in documents:
        words = entity_words(document.text)
        features, spelling = features_of(words), spelling_of(words)
        targets = np.array([number[tag] for tag in tags_of(words, head, document)], np.int64)
        for length in _LENGTHS[head]:
            for window in windows_of(model.subwords, words, length):
                examples.append(Example(window, features, targets_of(window, targets), spelling, head))
    return examples


def tags_of(words: Words, head: str, document: Document) -> list[str]:
    """The tag of every word of a document; spans that touch stay apart."""
    tags = [OUTSIDE] * len(words)
    for start, end, label in document.spans:
        for place, index in enumerate(np.flatnonzero((words.ends > start) & (words.starts < end))):
            tags[index] = f"{'I' if place else 'B'}-{head}:{label}"
    return tags
