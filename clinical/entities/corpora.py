"""Corpora of marked entities: two-column IOB files and folders of brat, read into text with character spans."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from policies.errors import InputError
from policies.files import table_of

_SENTENCES = 10  # of one document where a file does not say where documents begin: the length of an abstract
_GLUED_BEFORE = frozenset(",.;:)%]}?!'-/")
_GLUED_BEHIND = frozenset("([{-/")
_BRAT = re.compile(r"T\d+\t(\S+) (\d+)[ \d;]* (\d+)\t")


@dataclass(frozen=True)
class Document:
    """A text and its marked spans, (start, end, label), in order and without overlaps."""

    name: str
    text: str
    spans: tuple[tuple[int, int, str], ...]


def labels_of(corpus: str) -> dict[str, str]:
    """How each type of a corpus is read; a type that is not named is not."""
    table: dict[str, str] = table_of("clinical.entities", "labels")["corpora"][corpus]
    return table


def read_corpus(corpus: str, path: Path) -> list[Document]:
    """Read `corpus` ("bc5cdr", "ncbi" or "maccrobat") from a folder in brat's format or a two-column IOB file.

    Raises:
        InputError: it cannot be read, or holds no document.
    """
    labels = labels_of(corpus)
    try:
        documents = _read_brat(path, labels) if path.is_dir() else _read_iob(path, labels)
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", file=path) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8", "Save it as UTF-8.", file=path) from None
    if not documents:
        raise InputError("no marked document here", "Name a folder of .txt and .ann, or an IOB file.", file=path)
    return documents


def _read_brat(folder: Path, labels: dict[str, str]) -> list[Document]:
    documents = []
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text("utf-8")
        found = (_BRAT.match(line) for line in path.with_suffix(".ann").read_text("utf-8").splitlines())
        spans = [(int(m[2]), int(m[3]), labels[m[1]]) for m in found if m and m[1] in labels]
        documents.append(Document(path.stem, text, _apart(spans)))
    return documents


def _apart(spans: Iterable[tuple[int, int, str]]) -> tuple[tuple[int, int, str], ...]:
    """Spans in order; of those that overlap the first, and of those that begin together the longest."""
    kept: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda own: (own[0], -own[1])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return tuple(kept)


def _read_iob(path: Path, labels: dict[str, str]) -> list[Document]:
    sentences: list[list[tuple[str, str]]] = [[]]
    starts: list[int] = []  # the sentences that begin a document
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        word, _, tag = line.partition("\t")
        if not line.strip():
            sentences.append([])
        elif word == "-DOCSTART-":
            starts.append(len(sentences))
        elif not re.fullmatch(r"O|[BI]-\S+", tag.split("\t")[0]):
            raise InputError("not a word, a tab and an IOB tag", file=path, line=number)
        else:
            sentences[-1].append((word, tag.split("\t")[0]))
    starts = starts or list(range(0, len(sentences), _SENTENCES))
    own = [[s for s in sentences[a:b] if s] for a, b in zip(starts, [*starts[1:], len(sentences)], strict=True)]
    return [_joined(f"{path.stem}/{number}", sentences, labels) for number, sentences in enumerate(own) if sentences]


def _joined(name: str, sentences: Sequence[Sequence[tuple[str, str]]], labels: dict[str, str]) -> Document:
    """Sentences as lines, their words spaced as they are written."""
    text = ""
    spans: list[tuple[int, int, str]] = []
    for sentence in sentences:
        last, glued = "O", True
        for word, tag in sentence:
            text += "" if glued or word in _GLUED_BEFORE else " "
            start, kind = len(text), labels.get(tag[2:])
            text += word
            if kind and tag[0] == "I" and last[2:] == tag[2:]:
                spans[-1] = (spans[-1][0], len(text), kind)
            elif kind:
                spans.append((start, len(text), kind))
            last, glued = tag, word in _GLUED_BEHIND
        text += "\n"
    return Document(name, text, tuple(spans))
