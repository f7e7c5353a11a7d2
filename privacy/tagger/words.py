"""A text as the tagger reads it: words with offsets and shapes, units of a sentence or a line, windows of subwords.

The base encoder is uncased and strips accents, so what a capital or an accent says reaches the model as shape features.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from policies.errors import InputError

_WORD = re.compile(r"\w+|[^\w\s]")
# A sentence ends after three small letters, digits or a bracket: "Dr." and "J." end none.
_BREAK = re.compile(r"\s*\n\s*|(?<=[a-z0-9)]{3}[.!?;])\s+")
_MOST_PIECES = 8  # subwords that are read of one word
_LETTERS = 16  # that are read of one word: of a longer one the first and the last half
ALPHABET = 128  # code points with a number of their own; all others share the last
_SPECIAL = (("[PAD]", "<pad>"), ("[UNK]", "<unk>"), ("[CLS]", "<s>"), ("[SEP]", "</s>"))  # of BERT, of RoBERTa

SHAPES = (
    "lower",
    "title",
    "upper",
    "mixed",
    "capital",
    "digits",
    "code",
    "punctuation",
    "accent",
    "common",
    "begins line",
    "ends line",
    "after blank line",
    "begins sentence",
    "after colon",
    "before colon",
    "after comma",
    "before comma",
    "before full stop",
    "after wide space",
    "before wide space",
    "glued to the last",
    "upper-case line",
    "lower-case line",
)
_NUMBER = {name: number for number, name in enumerate(SHAPES)}


@dataclass(frozen=True)
class Words:
    """The words of a text; `shapes` is `[W, len(SHAPES)]` of 0 and 1, `text[starts[i]:ends[i]]` is word i."""

    text: str
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    shapes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.starts)

    def word(self, index: int) -> str:
        """Word number `index` as it is written."""
        return self.text[self.starts[index] : self.ends[index]]

    def has(self, index: int, shape: str) -> bool:
        """Whether a word has one of the `SHAPES`."""
        return bool(self.shapes[index, _NUMBER[shape]])


@dataclass(frozen=True)
class Common:
    """Words that stand in small letters in clinical text, in small letters.

    Attributes:
        plain: those that are nobody's name in the lists of the recipe.
        names: those that are somebody's, as "may" and "grace": common only while they are written small.
    """

    plain: frozenset[str]
    names: frozenset[str]

    def holds(self, word: str) -> bool:
        """Whether a word, as it is written, is common."""
        lowered = word.lower()
        return lowered in self.plain or (word == lowered and word in self.names)


@cache
def common_words() -> Common:
    """The common words that ship with the tagger; in the file a star follows those that are also names."""
    entries = files("privacy.tagger").joinpath("weights/common.txt").read_text("utf-8").split()
    names = frozenset(entry[:-1] for entry in entries if entry.endswith("*"))
    return Common(frozenset(entry for entry in entries if not entry.endswith("*")), names)


def words_of(text: str, common: Common | None = None) -> Words:
    """Cut a text into runs of letters and digits, and single marks; white space is in no word."""
    known = common or common_words()
    spans = [match.span() for match in _WORD.finditer(text)]
    shapes = np.zeros((len(spans), len(SHAPES)), np.uint8)
    for row, (start, end) in zip(shapes, spans, strict=True):
        word = text[start:end]
        row[_NUMBER[_case(word)]] = 1
        row[_NUMBER["accent"]] = not word.isascii()
        row[_NUMBER["common"]] = known.holds(word)
    _add_places(text, spans, shapes)
    edges = np.array(spans, np.int64).reshape(-1, 2)
    return Words(text, edges[:, 0], edges[:, 1], shapes)


def _case(word: str) -> str:
    if not word[0].isalnum():
        return "punctuation"
    if word.isalpha():
        if len(word) == 1 and word.isupper():
            return "capital"
        return "lower" if word.islower() else "upper" if word.isupper() else "title" if word.istitle() else "mixed"
    return "digits" if word.isdigit() else "code"


def _add_places(text: str, spans: Sequence[tuple[int, int]], shapes: NDArray[np.uint8]) -> None:
    """Fill in what the neighbours and the line say of each word."""
    words = [text[start:end] for start, end in spans]
    gaps = [text[a[1] : b[0]] for a, b in zip([(0, 0), *spans], spans, strict=False)]
    line = 0
    for i, gap in enumerate(gaps):
        row, before = shapes[i], words[i - 1] if i else ""
        if i == 0 or "\n" in gap:
            row[_NUMBER["begins line"]] = 1
            row[_NUMBER["after blank line"]] = gap.count("\n") > 1 or i == 0
            if i:
                shapes[i - 1][_NUMBER["ends line"]] = 1
            _add_case(words, line, i, shapes)
            line = i
        elif len(gap) > 1 or "\t" in gap or before == "|":
            row[_NUMBER["after wide space"]] = 1
            shapes[i - 1][_NUMBER["before wide space"]] = 1
        if i:
            row[_NUMBER["glued to the last"]] = not gap
            row[_NUMBER["begins sentence"]] = before in (".", "!", "?")
            row[_NUMBER["after colon"]] = before == ":"
            row[_NUMBER["after comma"]] = before == ","
            last = shapes[i - 1]
            last[_NUMBER["before colon"]] = words[i] == ":"
            last[_NUMBER["before comma"]] = words[i] == ","
            last[_NUMBER["before full stop"]] = words[i] == "."
    if words:
        shapes[-1][_NUMBER["ends line"]] = 1
        _add_case(words, line, len(words), shapes)


def _add_case(words: Sequence[str], start: int, end: int, shapes: NDArray[np.uint8]) -> None:
    letters = "".join(words[start:end])
    shapes[start:end, _NUMBER["upper-case line"]] = letters.isupper()
    shapes[start:end, _NUMBER["lower-case line"]] = letters.islower()


def spelling_of(words: Words) -> NDArray[np.uint8]:
    """The characters of every word as numbers, `[W, 16]`, 0 behind the last; case and accents are seen here."""
    spelling = np.zeros((len(words), _LETTERS), np.uint8)
    for index, row in enumerate(spelling):
        word = words.word(index)
        read = word if len(word) <= _LETTERS else word[: _LETTERS // 2] + word[-_LETTERS // 2 :]
        row[: len(read)] = [min(ord(letter), ALPHABET - 1) for letter in read]
    return spelling


def units_of(words: Words) -> list[range]:
    """The sentences of a text, each within one line, as ranges of words."""
    breaks = np.array([match.end() for match in _BREAK.finditer(words.text)], np.int64)
    edges = [0, *np.unique(np.searchsorted(words.starts, breaks)).tolist(), len(words)]
    return [range(a, b) for a, b in pairwise(edges) if b > a]


class Subwords:
    """The subword vocabulary of an encoder, without the weight of transformers.

    Args:
        folder: of the encoder; holds tokenizer.json.

    Raises:
        InputError: there is none.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "tokenizer.json"
        if not file.is_file():
            raise InputError("no tokenizer.json here", "Save the encoder's fast tokenizer beside it.", file=folder)
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.padding, self.unknown, self.first, self.last = (self._id(*names) for names in _SPECIAL)

    def _id(self, *names: str) -> int:
        return next(number for name in names if (number := self._tokenizer.token_to_id(name)) is not None)

    def of(self, words: Words) -> list[list[int]]:
        """The subword ids of every word, at most eight for one."""
        written = [words.word(index) for index in range(len(words))]
        kinds = list(dict.fromkeys(written))
        coded = self._tokenizer.encode_batch(kinds, add_special_tokens=False)
        table = {word: own.ids[:_MOST_PIECES] or [self.unknown] for word, own in zip(kinds, coded, strict=True)}
        return [table[word] for word in written]


@dataclass(frozen=True)
class Window:
    """What the model reads at once: token ids `[L]`, the word of each token `[L]` (-1 for the two special ones)."""

    ids: NDArray[np.int64]
    word: NDArray[np.int64]

    @property
    def first(self) -> NDArray[np.int64]:
        """Where each word's first token stands; that token speaks for the word."""
        places = np.flatnonzero(np.diff(self.word, prepend=-1) != 0)
        return places[self.word[places] >= 0]


def windows_of(
    subwords: Subwords, words: Words, length: int, keep: Callable[[Words, range], bool] | None = None
) -> list[Window]:
    """Pack the units of a text, in order, into windows.

    Args:
        length: tokens of a window at most, L, with its two special tokens.
        keep: which units are read; all of them if not given.
    """
    pieces = subwords.of(words)
    room, packed = length - 2, list[list[int]]()
    used = room + 1
    for unit in units_of(words):
        if keep is not None and not keep(words, unit):
            continue
        size = sum(len(pieces[index]) for index in unit)
        if used + size > room:
            packed.append([])
            used = 0
        for index in unit:
            if used + len(pieces[index]) > room:  # a unit longer than a window
                packed.append([])
                used = 0
            packed[-1].append(index)
            used += len(pieces[index])
    return [_window(subwords, indices, pieces) for indices in packed]


def _window(subwords: Subwords, indices: Sequence[int], pieces: Sequence[Sequence[int]]) -> Window:
    ids = [subwords.first, *(piece for index in indices for piece in pieces[index]), subwords.last]
    owner = [-1, *(index for index in indices for _ in pieces[index]), -1]
    return Window(np.array(ids, np.int64), np.array(owner, np.int64))


@dataclass(frozen=True)
class Batch:
    """Windows side by side: ids and mask `[B, L]`, shapes `[B, L, S]`, spelling `[B, L, 16]` where it is read."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    shapes: NDArray[np.float32]
    spelling: NDArray[np.int64] | None = None

    def inputs(self) -> dict[str, NDArray[Any]]:
        """What the network takes, by name."""
        given: dict[str, NDArray[Any]] = {"ids": self.ids, "mask": self.mask, "shapes": self.shapes}
        return given if self.spelling is None else {**given, "spelling": self.spelling}


def batch_of(
    windows: Sequence[Window],
    shapes: Sequence[NDArray[np.uint8]],
    padding: int,
    spellings: Sequence[NDArray[np.uint8]] | None = None,
) -> Batch:
    """Stack windows, each with the shapes (and marks, and spelling) of its own text's words."""
    longest = max(len(window.ids) for window in windows)
    ids = np.full((len(windows), longest), padding, np.int64)
    mask = np.zeros((len(windows), longest), np.int64)
    marks = np.zeros((len(windows), longest, shapes[0].shape[1]), np.float32)
    letters = None if spellings is None else np.zeros((len(windows), longest, _LETTERS), np.int64)
    for row, (window, own) in enumerate(zip(windows, shapes, strict=True)):
        size = len(window.ids)
        ids[row, :size], mask[row, :size] = window.ids, 1
        marks[row, 1 : size - 1] = own[window.word[1:-1]]
        if letters is not None and spellings is not None:
            letters[row, 1 : size - 1] = spellings[row][window.word[1:-1]]
    return Batch(ids, mask, marks, letters)
