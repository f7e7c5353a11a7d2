"""Medications with their attributes, tests with their results, findings with their site, problems with their time.

What stands right behind a medication or a test was read with it (`clinical/extraction/attributes.py`). Parts of the
body, sides, dates, durations, and what a tagger found besides are linked to the mention that costs least
(`clinical/extraction/linking.py`). F1 with its 95 % interval by document, entities given, as `confide evaluate
relations --corpus maccrobat2020 --half held-out` prints it (68 case reports; costs were tuned on the other half;
frequency has 4 pairs there, and times are not marked as pairs):

    maccrobat2020  all    0.875 (0.858-0.892)
    maccrobat2020  dose   0.877 (0.808-0.941)
    maccrobat2020  route  0.846 (0.770-0.932)
    maccrobat2020  value  0.880 (0.853-0.906)
    maccrobat2020  site   0.874 (0.854-0.894)
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.linking import Tail, relate
from clinical.extraction.mentions import Mention, Relation, RelationKind
from clinical.extraction.sentences import sentences_of
from clinical.extraction.times import find_times
from clinical.extraction.words import required, table, text_of

_WINDOW = 40  # characters before a mention in which its side may stand
# What a tagger calls a thing: how it is linked. The severity of a finding is no relation.
_TAGGED: Final[dict[str, RelationKind]] = {
    "dosage": "dose",
    "route": "route",
    "frequency": "frequency",
    "value": "value",
    "duration": "time",
    "date": "time",
}


def clinical_relations(doc: Doc) -> Doc:
    """Sets `doc._.relations`, in the order of what is said."""
    mentions: tuple[Mention, ...] = required(doc, "mentions")
    required(doc, "asserted")
    text = text_of(doc)
    known = [
        *(
            Relation(one.kind, own.start, own.end, one.start, one.end, one.value)
            for own in mentions
            for one in own.attributes
        ),
        *_sides(text, mentions),
    ]
    taken = [*((own.tail_start, own.tail_end) for own in known), *((own.start, own.end) for own in mentions)]
    times = find_times(text)
    said = _apart((Tail("time", own.start, own.end, own.value) for own in times), taken)
    tagged = _apart(_tagged(doc), [*taken, *((own.start, own.end) for own in said)])
    linked = relate(text, sentences_of(doc), mentions, [*said, *tagged, *_sites(text, mentions)])
    durations = {own.start for own in times if own.kind == "duration"}
    medications = {own.start for own in mentions if own.kind == "medication"}
    known += [
        replace(own, kind="duration") if own.tail_start in durations and own.head_start in medications else own
        for own in linked
    ]
    doc._.relations = tuple(sorted(known, key=lambda own: (own.tail_start, own.head_start)))
    return doc


def _tagged(doc: Doc) -> Iterator[Tail]:
    """What a tagger found besides mentions; nothing where none ran."""
    text = text_of(doc)
    for own in doc._.attributes_found or ():
        if own.kind in _TAGGED:
            yield Tail(_TAGGED[own.kind], own.start, own.end, _plain(text[own.start : own.end]))


def _apart(tails: Iterable[Tail], taken: Iterable[tuple[int, int]]) -> list[Tail]:
    """The tails that overlap nothing of `taken`."""
    spans = sorted(taken)
    starts = [start for start, _ in spans]
    kept = []
    for tail in tails:
        index = bisect_left(starts, tail.end) - 1
        if index < 0 or spans[index][1] <= tail.start:
            kept.append(tail)
    return kept


def _sites(text: str, mentions: Sequence[Mention]) -> Iterator[Tail]:
    """Parts of the body, with the words of position in front of them."""
    for own in mentions:
        if own.kind == "anatomy":
            before = _before("words").search(text, max(0, own.start - _WINDOW), own.start)
            start = before.start() if before else own.start
            yield Tail("site", start, own.end, _plain(text[start : own.end]))


def _sides(text: str, mentions: Sequence[Mention]) -> Iterator[Relation]:
    """The side of a problem, finding or procedure that names its part of the body itself: "left hip fracture"."""
    for own in mentions:
        if own.kind in ("problem", "finding", "procedure", "device"):
            before = _before("sides").search(text, max(0, own.start - _WINDOW), own.start)
            if before:
                value = _plain(before[1])
                yield Relation("site", own.start, own.end, before.start(1), before.end(1), value)


@cache
def _before(group: str) -> re.Pattern[str]:
    words = "|".join(map(re.escape, sorted(table("relations")["position"][group], key=len, reverse=True)))
    return re.compile(rf"(?<!\w)((?:{words})(?:[\s-]+(?:{words}))*)[\s-]+\Z", re.I)


def _plain(written: str) -> str:
    return " ".join(written.lower().split())


Language.component(
    "clinical_relations",
    requires=["doc._.mentions", "doc._.attributes_read", "doc._.asserted", "doc._.sentences"],
    assigns=["doc._.relations"],
    func=clinical_relations,
)
