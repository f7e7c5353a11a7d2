"""Which written headings open which kind of section: the names of tables/sections.toml, and names made of their words.

"Prior operations" stands in no table, but both words do: a heading that is put together from known words is given the
row that its words point to, if they point to one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from clinical.extraction.mentions import Status
from clinical.extraction.words import table

_NOISE = re.compile(r"[^a-z0-9&/']+")
_PART = re.compile(r"[a-z0-9']+")
_MOST_WORDS = 6
_SURE = 0.6  # what the words of a made-up heading must give one row on average


@dataclass(frozen=True)
class Heading:
    """One row of the table: the label of its section, what it says of the content, and whether it is one line long."""

    label: str
    status: Status
    one_line: bool


@dataclass(frozen=True)
class _Names:
    known: Mapping[str, Heading]
    rows: tuple[Heading, ...]
    words: Mapping[str, Counter[int]]
    inherit: frozenset[str]


_UNSURE = Heading("", "present", False)


def normal(heading: str) -> str:
    """A heading in small letters, marks and spaces reduced to one space."""
    return _NOISE.sub(" ", heading.lower()).strip()


@cache
def _names() -> _Names:
    rows = table("sections")["section"]
    headings = tuple(Heading(row["label"], row.get("status", "present"), row.get("one_line", False)) for row in rows)
    words: dict[str, Counter[int]] = defaultdict(Counter)
    known = {}
    for number, row in enumerate(rows):
        for name in map(normal, row["names"]):
            known[name] = headings[number]
            for word in set(_PART.findall(name)):
                words[word][number] += 1
    for word in table("sections")["modifiers"]:
        words[word] = Counter()  # may stand in any heading and points nowhere
    return _Names(known, headings, words, frozenset(map(normal, table("sections")["inherit"])))


def known_heading(heading: str) -> Heading | None:
    """The row of a heading that stands in the table."""
    return _names().known.get(normal(heading))


def is_part(heading: str) -> bool:
    """Whether a heading only names a part of the section it stands in ("lungs" of an examination)."""
    return normal(heading) in _names().inherit


def composed_heading(heading: str) -> Heading | None:
    """The row that the words of a heading of two to six known words point to; one without a label where they differ."""
    names, name = _names(), normal(heading)
    words = _PART.findall(name)
    if not 2 <= len(words) <= _MOST_WORDS or name in names.inherit or not all(word in names.words for word in words):
        return None
    telling = [names.words[word] for word in words if names.words[word]]
    if not telling:
        return None
    points: dict[int, float] = defaultdict(float)
    for counts in telling:
        for row, count in counts.items():
            points[row] += count / counts.total()
    row, most = max(points.items(), key=lambda point: point[1])
    return names.rows[row] if most >= _SURE * len(telling) else _UNSURE
