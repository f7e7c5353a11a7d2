"""Marked text: an identifier carries its category inside the string, so that a page may be reshaped around it."""

from __future__ import annotations

import re
import textwrap
from random import Random

CATEGORIES = (
    *("NAME", "DATE", "AGE", "PHONE", "FAX", "EMAIL", "SSN", "MRN", "HEALTH_PLAN", "ACCOUNT", "LICENSE", "VEHICLE"),
    *("DEVICE", "URL", "IP", "ID", "ADDRESS", "HOSPITAL", "BIOMETRIC", "PHOTO"),
)
Spans = list[tuple[int, int, str]]
# Characters of the private use area open a mark, one per category; one more closes it.
_OPEN, _CLOSE = 0xE000, "\uf8ff"
_MARKED = re.compile(rf"([{chr(_OPEN)}-{chr(_OPEN + len(CATEGORIES) - 1)}])([^{_CLOSE}]*){_CLOSE}")
_LINES_PER_PAGE = 14


def mark(category: str, value: str) -> str:
    """A value as an identifier of a category."""
    return f"{chr(_OPEN + CATEGORIES.index(category))}{value}{_CLOSE}"


def change(marked: str, how: str) -> str:
    """Marked text in "upper" or "lower" case."""
    return marked.upper() if how == "upper" else marked.lower()


def pad(marked: str, width: int) -> str:
    """Fill a marked value with blanks to a width in characters that will be seen; one blank at the least."""
    return marked + " " * max(1, width - len(_MARKED.sub(r"\2", marked)))


def wrapped(marked: str, width: int) -> str:
    """Break lines at a width, wherever that falls."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, replace_whitespace=False, drop_whitespace=True)
        if len(line) > width + 20
        else line
        for line in marked.splitlines()
    )


def scanned(rng: Random, marked: str) -> str:
    """Noise of a scanner: words broken by a hyphen at the end of a line, two blanks for one."""

    def broken(match: re.Match[str]) -> str:
        word, cut = match[0], rng.randrange(2, len(match[0]) - 2)
        return f"{word[:cut]}-\n{word[cut:]}" if rng.random() < 0.07 else word

    text = re.sub(r"[^\W\d_]{6,}", broken, marked)
    return re.sub(r"(?<=\S) (?=\S)", lambda _: "  " if rng.random() < 0.12 else " ", text)


def paged(marked: str, header: str) -> str:
    """Repeat a page header between lines, never inside an identifier."""
    pages: list[str] = []
    since = depth = 0
    for line in marked.splitlines():
        if since >= _LINES_PER_PAGE and not depth:
            pages.append(f"{header} {len([p for p in pages if p.startswith(header)]) + 2}")
            since = 0
        pages.append(line)
        since += 1
        depth += len(re.findall(rf"[{chr(_OPEN)}-{chr(_OPEN + 99)}]", line)) - line.count(_CLOSE)
    return "\n".join(pages)


def unmarked(marked: str) -> tuple[str, Spans]:
    """The plain text and its spans (start, end, category) in order."""
    text, spans, last = "", [], 0
    for match in _MARKED.finditer(marked):
        text += marked[last : match.start()]
        spans.append((len(text), len(text) + len(match[2]), CATEGORIES[ord(match[1]) - _OPEN]))
        text += match[2]
        last = match.end()
    return text + marked[last:], spans
