"""What the encoder reads of a note: its clinical lines, in windows of a fixed number of tokens.

Each window depends on its own note and on public constants alone, as differential privacy per patient asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAG = re.compile(r"\[[A-Z][A-Z_]*(?: \d{4})?\]")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FEWEST_WORDS = 4
_MARGIN = 2  # [CLS] and [SEP]


@dataclass(frozen=True)
class Windows:
    """Token ids and mask of one note, each `[W, L]`."""

    ids: NDArray[np.int32]
    mask: NDArray[np.uint8]


def clinical_lines(text: str) -> str:
    """A de-identified note without its administrative lines (those that are little more than tags), tags removed."""
    lines = (line for line in text.splitlines() if not _administrative(line))
    return "\n".join(_TAG.sub(" ", line) for line in lines).strip()


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
    body = length - _MARGIN
    tokens = tokenizer.encode(clinical_lines(text), add_special_tokens=False, truncation=True, max_length=body * most)
    parts = [tokens[start : start + body] for start in range(0, len(tokens), body)] or [[]]
    ids = np.full((len(parts), length), tokenizer.pad_token_id, np.int32)
    mask = np.zeros((len(parts), length), np.uint8)
    for row, part in enumerate(parts):
        whole = [tokenizer.cls_token_id, *part, tokenizer.sep_token_id]
        ids[row, : len(whole)], mask[row, : len(whole)] = whole, 1
    return Windows(ids, mask)
