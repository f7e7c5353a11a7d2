"""What a test was made on, and which part of it: "urine" sodium is not sodium, "ionized" calcium not calcium."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cache

from clinical.extraction.mentions import Mention, NoteFacts
from clinical.extraction.units import any_of
from clinical.extraction.words import table

_BEFORE = 80  # characters of a sentence
_NEAR = 6  # mentions before a test that may hold the word, and mean something else: "urine culture"


def specimens_of(text: str, facts: NoteFacts) -> dict[int, str]:
    """The words that set tests apart from others of their name, by where each begins; "" where none does."""
    begins = [own.start for own in facts.mentions]
    found: dict[int, str] = {}
    for low, high in facts.sentences:
        for place in range(bisect_left(begins, low), bisect_left(begins, high)):
            own = facts.mentions[place]
            if own.kind == "test":
                near = facts.mentions[max(0, place - _NEAR) : place]
                found[own.start] = " ".join(filter(None, _words(text, max(low, own.start - _BEFORE), own, near)))
    return found


def _words(text: str, low: int, own: Mention, near: Sequence[Mention]) -> Iterator[str]:
    """The specimen that is named last in front of a test, and the part that is named right in front of it."""
    specimen, part = _patterns()
    words = [found for found in specimen.finditer(text, low, own.start) if not _is_part(found, near)]
    yield from (_name("specimen", found[0]) for found in words[-1:])
    yield from (_name("part", found[1]) for found in [part.search(text, low, own.start)] if found)


def _is_part(found: re.Match[str], near: Sequence[Mention]) -> bool:
    return any(own.start <= found.start() and found.end() <= own.end and found[0] != own.text for own in near)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    specimen, part = (
        "|".join(any_of(words) for words in table("tests")[name].values()) for name in ("specimen", "part")
    )
    return re.compile(rf"(?<!\w)(?:{specimen})(?!\w)", re.I), re.compile(rf"(?<!\w)({part})\s+\Z", re.I)


def _name(kind: str, written: str) -> str:
    words = " ".join(written.lower().split())
    return next((name for name, own in table("tests")[kind].items() if words in own), "")
