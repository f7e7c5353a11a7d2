"""Open loops: what a note leaves to be done or known, and no later note comes back to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from clinical.extraction.mentions import Mention
from clinical.extraction.times import find_times
from clinical.record.cues import Cue, any_of, cues_in
from clinical.record.passages import stem, stems, topic
from clinical.record.quotation import Quotation
from clinical.record.told import Told
from policies.files import table_of

_OPEN = ("uncertain", "hypothetical", "conditional", "family")  # a note that says only this of a thing settles nothing
_WORDS = 4  # of what follows a cue


@dataclass(frozen=True)
class Loop:
    """Something that is open since a note: `kind` is "uncertain", "ordered", "follow up" or "pending".

    `about` is a concept, or the words of what is to be followed up.
    """

    kind: str
    about: str
    quotation: Quotation


_Key = tuple[Literal["concept", "word"], str]  # a concept, or the stem of a word


@dataclass(frozen=True)
class _Raised:
    note: int
    loop: Loop
    closing: frozenset[_Key]  # any of which in a later note closes it


def open_loops(told: Sequence[Told]) -> tuple[Loop, ...]:
    """What notes in the order of time leave open, by the first note that raised it."""
    raised: list[_Raised] = []
    settled: dict[_Key, int] = {}  # the last note that settles a concept, or holds a word
    for number, own in enumerate(told):
        mine = list(_raised(own, number))
        raised += mine
        again = {key for one in mine for key in one.closing}
        words: set[_Key] = {("word", word) for word in stems(own.note.text)}
        settled |= dict.fromkeys((_settled(own) | words) - again, number)
    still = [one for one in raised if all(settled.get(key, -1) <= one.note for key in one.closing)]
    first: dict[tuple[str, str], Loop] = {}
    for one in still:
        first.setdefault((one.loop.kind, one.loop.about), one.loop)
    return tuple(first.values())


def _settled(told: Told) -> set[_Key]:
    """The concepts of which a note says something certain."""
    return {_concept(own.concept) for own in told.facts.mentions if own.assertion.status not in _OPEN}


def _concept(name: str) -> _Key:
    return "concept", name


def _word(word: str) -> _Key:
    return "word", stem(word)


def _raised(told: Told, number: int) -> Iterator[_Raised]:
    """The loops of one note."""
    settled = _settled(told)
    for mention in told.facts.mentions:
        if mention.assertion.status == "uncertain" and _concept(mention.concept) not in settled:
            loop = Loop("uncertain", mention.concept, told.quote(mention.start, mention.end))
            yield _Raised(number, loop, frozenset({_concept(mention.concept)}))
    for start, end in told.facts.sentences:
        cue = min(cues_in("loop", told.note.text, start, end), key=lambda own: own.start, default=None)
        if cue:
            yield from _of_cue(told, number, cue, start, end)


def _of_cue(told: Told, number: int, cue: Cue, start: int, end: int) -> Iterator[_Raised]:
    """What a cue leaves open, in its sentence."""
    quotation = told.quote(cue.start, cue.end)
    for mention in (own for own in _mentions(told, cue.end, end) if _awaits(told, cue, own)):
        loop = Loop(cue.row["says"], mention.concept, quotation)
        yield _Raised(number, loop, frozenset({_concept(mention.concept)}))
    if "kinds" in cue.row:
        return
    text = told.note.text
    words = list(islice(_matter(text[start : cue.start] if cue.row["before"] else text[cue.end : end]), _WORDS))
    yield _Raised(number, Loop(cue.row["says"], " ".join(words), quotation), frozenset(map(_word, words)))


def is_awaited(told: Told, mention: Mention) -> bool:
    """Whether a test or a procedure is only to be done: "repeat CT in six weeks"."""
    low, _ = told.sentence(mention.start)
    return any(_awaits(told, cue, mention) for cue in cues_in("loop", told.note.text, low, mention.start))


def _awaits(told: Told, cue: Cue, mention: Mention) -> bool:
    """Whether a cue in front of a mention speaks of such a thing, and no words behind it say that it was done."""
    behind = told.note.text[mention.end : told.sentence(mention.start)[1]]
    return mention.kind in cue.row.get("kinds", ()) and not any_of(cue.row.get("done", ()), behind)


def _matter(text: str) -> Iterator[str]:
    """The words that say what is open, without those that say when."""
    for time in reversed(find_times(text)):
        text = text[: time.start] + " " + text[time.end :]
    when = table_of("clinical", "tables/record")["when"]["words"]
    return (word.lower() for word in topic(text) if not word.isdigit() and word.lower() not in when)


def _mentions(told: Told, start: int, end: int) -> Iterator[Mention]:
    return (own for own in told.facts.mentions if start <= own.start < end)
