"""Dates and durations as they are written in a note: "for 2 days", "since Tuesday", "in 2015"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from clinical.extraction.words import table

TimeKind = Literal["duration", "date"]
_PIECE = re.compile(r"\{([a-z]+)\}")  # of a row; a count such as {1,2} is none
_UP_TO = r"\s?(?:-|–|to|or)\s?"


@dataclass(frozen=True)
class Time:
    """A date or a duration at `text[start:end]`; `value` is "3 days", or the date in small letters."""

    start: int
    end: int
    kind: TimeKind
    value: str = field(repr=False)


def find_times(text: str) -> list[Time]:
    """The dates and durations of a text in order; of those that overlap the longest, then the first."""
    lower = _small(text)
    found = [
        Time(match.start(), match.end(), kind, _value(match)) for kind, row in _rows() for match in row.finditer(lower)
    ]
    kept: list[Time] = []
    for own in sorted(found, key=lambda one: (one.start, -one.end)):
        if not kept or own.start >= kept[-1].end:
            kept.append(own)
        elif own.end - own.start > kept[-1].end - kept[-1].start:
            kept[-1] = own
    return kept


def _small(text: str) -> str:
    """A text in small letters and as long as before: case costs a pattern half of its speed."""
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(letter.lower()[:1] for letter in text)


@cache
def _rows() -> tuple[tuple[TimeKind, re.Pattern[str]], ...]:
    return tuple((row["says"], _compiled(row["written"])) for row in table("relations")["time"])


def _compiled(written: str) -> re.Pattern[str]:
    """The pattern of a row, its pieces put in, for small letters, over line breaks, of whole words alone."""
    words = table("relations")["amount"]
    count = rf"(?:{_number()}[\s-]?(?:{_one_of(words['units'])}))"
    amount = rf"(?:(?:{_one_of(words['roughly'])}) ){{0,3}}{count}"
    pieces = {**table("relations")["pieces"], "count": count, "amount": amount}
    while _PIECE.search(written):
        written = _PIECE.sub(lambda match: pieces[match[1]], written)
    return re.compile(rf"(?<!\w)(?:{written})(?!\w)".replace(" ", r"\s"))


def _number() -> str:
    return rf"(?:\d+(?:\.\d+)?(?:{_UP_TO}\d+)?|{_one_of(table('relations')['amount']['numbers'])})"


def _one_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True))).replace(r"\ ", " ")


@cache
def _counted() -> re.Pattern[str]:
    units = _one_of(table("relations")["amount"]["units"])
    return re.compile(rf"(?<![a-z])(?P<number>{_number()})[\s-]?(?P<unit>{units})$")


def _value(match: re.Match[str]) -> str:
    """What a row puts in parentheses, else what it found; an amount that ends it is written in full."""
    written = " ".join(match[match.lastindex or 0].split())
    amount = _counted().search(written)
    if not amount:
        return written
    words = table("relations")["amount"]
    number = words["numbers"].get(amount["number"], re.sub(_UP_TO, "-", amount["number"]))
    unit = words["units"][amount["unit"]]
    return f"{number} {unit}" if number == "1" else f"{number} {unit}s"
