"""What the encoder reads of a note: its clinical lines, in windows of a fixed number of tokens.

Each window depends on its own note and on public constants alone, as differential privacy per patient asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAG = re.compile(r"\[[A-Z][A-Z_]*(?: \d{4})?\]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 4
MARGIN = 2  # [CLS] and [SEP]


@dataclass(frozen=True)
class Windows:
    """Token ids and mask of one note, each `[W, L]`."""

    ids: NDArray[np.int32]
    mask: NDArray[np.uint8]


def clinical_lines(text: str) -> str:
    """A de-identified note without its administrative lines (those that are little more than tags), tags removed."""
    return "".join(piece for _, piece in clinical_pieces(text)).strip()


def clinical_pieces(text: str) -> Iterator[tuple[int, str]]:
    """The clinical lines piece by piece, each with where it begins in the text.

    A space that stands for a tag, or a line break between lines that are kept, is a piece of its own, one long.
    """
    place, kept = 0, 0
    for whole in text.splitlines(keepends=True):
        (line,) = whole.splitlines()
        if not _administrative(line):
            if kept:
                yield place, "\n"
            kept, end = kept + 1, 0
            for tag in _TAG.finditer(line):
                yield place + end, line[end : tag.start()]
                yield place + tag.start(), " "
                end = tag.end()
            yield place + end, line[end:]
        place += len(whole)


def _administrative(line: str) -> bool:
    without, tags = _TAG.subn(" ", line)
    return tags > 0 and len(_WORD.findall(without)) < _FEWEST_WORDS + tags


def cut(tokenizer: Any, text: str, length: int, most: int) -> Windows:
    """Cut a de-identified note into windows.

    Args:
        length: tokens of a window, L, with its two special tokens.
        most: windows of a note; the rest of a longer note is not read.

    Returns:
        At least one window, even of an empty note.
    """
    body = length - MARGIN
    tokens = tokenizer.encode(clinical_lines(text), add_special_tokens=False, truncation=True, max_length=body * most)
    return arranged(tokenizer, tokens, length)


def arranged(tokenizer: Any, tokens: Sequence[int], length: int) -> Windows:
    """Tokens in windows, `length - 2` in each between the two special ones; at least one window."""
    body = length - MARGIN
    parts = [tokens[start : start + body] for start in range(0, len(tokens), body)] or [[]]
    ids = np.full((len(parts), length), tokenizer.pad_token_id, np.int32)
    mask = np.zeros((len(parts), length), np.uint8)
    for row, part in enumerate(parts):
        whole = [tokenizer.cls_token_id, *part, tokenizer.sep_token_id]
        ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
    return Windows(ids, mask)
