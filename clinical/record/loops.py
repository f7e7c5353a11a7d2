"""Open loops: what a note leaves to be done or known, and no later note settles.

It is a screen for what was forgotten: what a later note merely names stays open, and is shown with that note.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from clinical.extraction.mentions import Mention
from clinical.extraction.times import find_times
from clinical.record.cues import Cue, any_of, cues_in
from clinical.record.passages import stem, stems, topic
from clinical.record.quotation import Quotation
from clinical.record.told import Told
from policies.files import table_of

_OPEN = ("uncertain", "hypothetical", "conditional", "family")  # a note that says only this of a thing settles nothing
_WORDS = 4  # of what follows a cue
_REACH = 200  # characters of a sentence on either side of a thing that may speak of it: lists have no end
_NEAR = 3  # words between a thing and the words in front of it that say that it was done


@dataclass(frozen=True)
class Loop:
    """Something that is open since a note.

    Attributes:
        kind: "uncertain", "ordered", "follow up" or "pending".
        about: a concept, or the words of what is to be followed up.
        quotation: of the first note that raised it.
        again: of the last later note that names it and does not settle it.
    """

    kind: str
    about: str
    quotation: Quotation
    again: Quotation | None = None

    @property
    def in_words(self) -> str:
        """What is open, and since when it was named again."""
        named = f", mentioned again on {self.again.date or 'an undated note'}" if self.again else ""
        return f"{self.kind}: {self.about}".rstrip(": ") + named


@dataclass(frozen=True)
class _Raised:
    """A loop of the note with this number: about a concept, or about words, all of which a sentence must hold."""

    note: int
    loop: Loop
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Return:
    """Where notes come back to something: the last that settles it, and the last that names it."""

    settled: int = -1
    named: int = -1
    quotation: Quotation | None = None

    def and_then(self, note: int, settles: bool, quotation: Quotation) -> _Return:
        """After a later place, too."""
        return _Return(note if settles else self.settled, note, quotation)


def open_loops(told: Sequence[Told]) -> tuple[Loop, ...]:
    """What notes in the order of time leave open, by the first note that raised it.

    Nobody knows whether a note without a date is the later one: it settles nothing, and what it raises stays open.
    """
    raised = [one for number, own in enumerate(told) for one in _raised(own, number)]
    named, sentences = _named(told), _Sentences(told)
    first: dict[tuple[str, str], Loop] = {}
    for one in raised:
        loop = one.loop
        back = sentences.holding(one.words) if one.words else named[loop.kind == "uncertain", loop.about]
        if back.settled <= one.note or not told[one.note].note.date:
            again = back.quotation if back.named > one.note else None
            first.setdefault((loop.kind, loop.about), replace(loop, again=again))
    return tuple(first.values())


def _named(told: Sequence[Told]) -> Mapping[tuple[bool, str], _Return]:
    """Where notes come back to a concept: a doubt is settled by what is certain of it, an order by what was done."""
    found: dict[tuple[bool, str], _Return] = defaultdict(_Return)
    for number, own in enumerate(told):
        for mention in own.facts.mentions:
            certain = mention.assertion.status not in _OPEN
            quotation = own.quote(mention.start, mention.end)
            for doubt, settles in ((True, certain), (False, certain and _is_done(own, mention))):
                key = doubt, mention.concept
                found[key] = found[key].and_then(number, settles and own.note.date != "", quotation)
    return found


def _is_done(told: Told, mention: Mention) -> bool:
    """Whether a test or procedure was done: it has a value, or words beside it say so and none that it was not."""
    if any(own.kind == "value" for own in mention.attributes):
        return True
    rules, text = table_of("clinical", "tables/record")["settled"], told.note.text
    low, high = _around(told, mention)
    denied = mention.assertion.status == "negated" and len(text[mention.assertion.cue_end : mention.start].split()) < 2
    if denied or any_of(rules["not"], text[low:high]) or is_awaited(told, mention):
        return False
    before = " ".join(text[low : mention.start].split()[-_NEAR:])
    return bool(any_of(rules["before"], before) or any_of(rules["behind"], text[mention.end : high]))


class _Sentences:
    """The sentences of notes by their words."""

    def __init__(self, told: Sequence[Told]) -> None:
        self._told = told
        self._found: dict[frozenset[str], _Return] = {}
        self._holding: dict[str, set[tuple[int, int, int]]] = defaultdict(set)
        for number, own in enumerate(told):
            for start, end in own.facts.sentences:
                for word in stems(own.note.text[start:end]):
                    self._holding[_specialty().get(word, word)].add((number, start, end))

    def holding(self, words: frozenset[str]) -> _Return:
        """Where sentences have all of these words; one that says "not", or leaves it open itself, settles nothing."""
        if words not in self._found:
            found, refused = _Return(), table_of("clinical", "tables/record")["settled"]["not"]
            for number, start, end in sorted(set.intersection(*(self._holding[word] for word in words))):
                own = self._told[number]
                text = own.note.text
                open_ = next(cues_in("loop", text, start, end), None) or any_of(refused, text[start:end])
                found = found.and_then(number, not open_ and own.note.date != "", own.quote(start, end))
            self._found[words] = found
        return self._found[words]


def _decisive(words: Sequence[str]) -> frozenset[str]:
    """The words that tell what is to be followed up: a specialty, or all that say something, or else all."""
    found = [_specialty().get(own, own) for own in map(stem, words)]
    generic = {stem(own) for own in table_of("clinical", "tables/record")["generic"]["words"]}
    specialties = frozenset(found) & frozenset(_specialty().values())
    return specialties or frozenset(found) - generic or frozenset(found)


@cache
def _specialty() -> Mapping[str, str]:
    """The specialty that the stem of a word stands for: "cardiologist" is cardiology."""
    rows = table_of("clinical", "tables/record")["specialty"]["words"]
    return {stem(own.strip()): row.partition("|")[0].strip() for row in rows for own in row.split("|")}


def _raised(told: Told, number: int) -> Iterator[_Raised]:
    """The loops of one note."""
    settled = {own.concept for own in told.facts.mentions if own.assertion.status not in _OPEN}
    for mention in told.facts.mentions:
        if mention.assertion.status == "uncertain" and mention.concept not in settled:
            yield _Raised(number, Loop("uncertain", mention.concept, told.quote(mention.start, mention.end)))
    for start, end in told.facts.sentences:
        cue = min(cues_in("loop", told.note.text, start, end), key=lambda own: own.start, default=None)
        if cue:
            yield from _of_cue(told, number, cue, start, end)


def _of_cue(told: Told, number: int, cue: Cue, start: int, end: int) -> Iterator[_Raised]:
    """What a cue leaves open, in its sentence."""
    quotation = told.quote(cue.start, cue.end)
    for mention in (own for own in _mentions(told, cue.end, end) if _awaits(told, cue, own)):
        yield _Raised(number, Loop(cue.row["says"], mention.concept, quotation))
    if "kinds" in cue.row:
        return
    text = told.note.text
    words = list(islice(_matter(text[start : cue.start] if cue.row["before"] else text[cue.end : end]), _WORDS))
    yield _Raised(number, Loop(cue.row["says"], " ".join(words), quotation), _decisive(words))


def is_awaited(told: Told, mention: Mention) -> bool:
    """Whether a test or a procedure is only to be done: "repeat CT in six weeks"."""
    low, _ = _around(told, mention)
    return any(_awaits(told, cue, mention) for cue in cues_in("loop", told.note.text, low, mention.start))


def _around(told: Told, mention: Mention) -> tuple[int, int]:
    """The part of a mention's sentence that may speak of it."""
    low, high = told.sentence(mention.start)
    return max(low, mention.start - _REACH), min(high, mention.end + _REACH)


def _awaits(told: Told, cue: Cue, mention: Mention) -> bool:
    """Whether a cue in front of a mention speaks of such a thing, and no words behind it say that it was done."""
    behind = told.note.text[mention.end : _around(told, mention)[1]]
    return mention.kind in cue.row.get("kinds", ()) and not any_of(cue.row.get("done", ()), behind)


def _matter(text: str) -> Iterator[str]:
    """The words that say what is open, without those that say when."""
    for time in reversed(find_times(text)):
        text = text[: time.start] + " " + text[time.end :]
    when = table_of("clinical", "tables/record")["when"]["words"]
    return (word.lower() for word in topic(text) if not word.isdigit() and word.lower() not in when)


def _mentions(told: Told, start: int, end: int) -> Iterator[Mention]:
    return (own for own in told.facts.mentions if start <= own.start < end)
