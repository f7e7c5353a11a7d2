"""Cues of the record's tables in sentences: which words say that a drug was stopped, or that something is open."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from policies.files import table_of


@dataclass(frozen=True)
class Cue:
    """Words at `text[start:end]` that are a cue of this row of the table."""

    start: int
    end: int
    row: dict[str, Any]


def cues_in(table: str, text: str, start: int, end: int) -> Iterator[Cue]:
    """The cues of a table ("change" or "loop") in `text[start:end]`, in order; of each row the longest at a place."""
    for row, pattern in _rows(table):
        yield from (Cue(*match.span(), row) for match in pattern.finditer(text, start, end))


def any_of(cues: Sequence[str], text: str) -> list[int]:
    """Where one of these cues stands in a text, in order."""
    return [found.start() for found in _pattern(tuple(cues)).finditer(text)] if cues else []


@cache
def _rows(table: str) -> Sequence[tuple[dict[str, Any], re.Pattern[str]]]:
    return [(row, _pattern(tuple(row["cues"]))) for row in table_of("clinical", "tables/record")[table]]


@cache
def _pattern(cues: tuple[str, ...]) -> re.Pattern[str]:
    longest = sorted(cues, key=len, reverse=True)
    words = "|".join(re.escape(cue).replace(r"\ ", r"\s+") for cue in longest)
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
