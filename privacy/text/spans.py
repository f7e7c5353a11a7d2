"""Where identifiers stand in a text, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Span:
    """One identifier, `text[start:end]`, and the mark that stands for it."""

    start: int
    end: int
    category: str
    recognizer: str
    score: float
    replacement: str = ""


@dataclass(frozen=True)
class TextChange:
    """A text as it was read, what became of it, and the spans in between; stays on the machine."""

    original: str = field(repr=False)
    output: str = field(repr=False)
    spans: tuple[Span, ...] = field(repr=False)
