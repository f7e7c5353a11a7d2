"""What a question asks for, where rules can tell: a list of a kind of thing, or one thing by its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from clinical.extraction import read_note
from clinical.extraction.mentions import Mention
from clinical.record.passages import stem, stems, topic
from policies.files import table_of


@dataclass(frozen=True)
class ListAsked:
    """A row of the table of questions, and the stems of further words that an answer must hold."""

    row: Mapping[str, Any]
    words: frozenset[str] = frozenset()

    @property
    def settled(self) -> bool:
        """Whether what the rules find is all: nothing is left for a reader to understand."""
        return not self.words or bool(self.row.get("closed"))


@dataclass(frozen=True)
class ThingAsked:
    """Things that a question names; `plain` where they are of one kind and it asks only whether, when or how much."""

    mentions: tuple[Mention, ...] = field(repr=False)
    plain: bool = True

    @property
    def concepts(self) -> frozenset[str]:
        """Their canonical names."""
        return frozenset(own.concept for own in self.mentions)


def asked_of(question: str) -> ListAsked | ThingAsked | None:
    """What a question asks for; None where neither a kind of thing nor a thing is named."""
    named = [own for own in read_note(question).mentions if own.kind != "anatomy"]
    words = [word.lower() for word in topic(question)]
    row = next((own for own in _rows() if not set(own["words"]).isdisjoint(words)), None)
    if row:
        more = [own for own in named if not set(own.text.lower().split()) <= set(row["words"])]
        if row.get("closed") or not any(own.kind in row.get("kinds", ()) for own in more):
            rest = set(words) - set(row["words"]) - _plain()
            return ListAsked(row, frozenset(map(stem, rest)))
        named = more
    if not named:
        return None
    rest = set(map(stem, words)) - {word for own in named for word in stems(own.text)} - set(map(stem, _plain()))
    return ThingAsked(tuple(named), not rest and len({own.kind for own in named}) == 1)


@cache
def _rows() -> tuple[Mapping[str, Any], ...]:
    return tuple(table_of("clinical", "tables/questions")["list"])


@cache
def _plain() -> frozenset[str]:
    return frozenset(table_of("clinical", "tables/questions")["plain"]["words"])
