"""What the rules read in a record of that for which a question asks: the newest note first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from clinical.extraction.mentions import Mention, Section
from clinical.extraction.sections import heading_end
from clinical.record.asked import ListAsked, ThingAsked
from clinical.record.cues import any_of
from clinical.record.loops import is_awaited
from clinical.record.passages import WORD, stems
from clinical.record.told import Told, empty, group, is_wider, widened

Span = tuple[int, int]
_Place = Literal["section", "sentence", "operation"]
_SECTION = 1000  # characters of a section that is quoted as a whole
_WEAK = ("hypothetical", "conditional", "family")  # says nothing of the patient now


@dataclass(frozen=True)
class Statement:
    """`text[start:end]` of a note, and the mention that it is quoted for, if its status is that of what is asked for.

    `says` are the things that it speaks of, each with a detail, or nothing: of an older note a statement counts that
    speaks of other things, of the same note also one with other details.
    """

    told: Told
    start: int
    end: int
    says: frozenset[tuple[object, object]]
    mention: Mention | None = None


def stated(asked: ListAsked | ThingAsked, newest: Sequence[Told]) -> list[Statement]:
    """What answers a question, the best first: each says something that none before it does.

    Args:
        newest: the notes of a record, the newest first.
    """
    found = _lists(asked, newest) if isinstance(asked, ListAsked) else _of_thing(asked, newest)
    said: set[tuple[object, object]] = set()
    first: dict[object, Told] = {}  # the note that speaks of a thing first
    kept = []
    for own in found:
        other = any(thing not in first for thing, _ in own.says)
        if other or any(more and first[thing] is own.told and (thing, more) not in said for thing, more in own.says):
            kept.append(own)
            said |= own.says
            first = dict.fromkeys((thing for thing, _ in own.says), own.told) | first
    return kept


def _lists(asked: ListAsked, newest: Sequence[Told]) -> list[Statement]:
    """The lists and sentences of notes with the words that the question adds, or of a closed list all.

    The newest list comes before what newer notes name in passing; what was part of an operation counts where nothing
    else is found.
    """
    found = [own for told in newest for own in _list(asked, told)]
    exact = [own for own in found if asked.words <= set(stems(own[1].told.note.text[own[1].start : own[1].end]))]
    kept = exact or (found if asked.row.get("closed") else [])
    kept = [own for own in kept if own[0] != "operation"] or kept
    first = next((own for own in kept if own[0] == "section"), None) if "kinds" in asked.row else None
    return [own[1] for own in sorted(kept, key=lambda own: own is not first)]


def _list(asked: ListAsked, told: Told) -> Iterator[tuple[_Place, Statement]]:
    """The sections of a note that hold what is asked for, and then the sentences elsewhere, neighbours made one."""
    sections = sorted(_sections(asked, told), key=lambda own: _rank(asked, own))
    spans = [_body(told, own, asked.row.get("characters", _SECTION)) for own in sections]
    mentions = [own for own in told.facts.mentions if _in_list(asked, own)]
    sentences: dict[_Place, list[int]] = {"sentence": [], "operation": []}
    for own in mentions:
        sentences["operation" if own.section in group("operation") else "sentence"].append(own.start)
    if not spans:
        sentences["sentence"] += any_of(asked.row.get("cues", ()), told.note.text)
    places: list[tuple[_Place, Span]] = [("section", span) for span in spans]
    for place, starts in sentences.items():
        apart = [start for start in starts if not any(low <= start < high for low, high in spans)]
        found = sorted(set(map(told.sentence, apart)))
        places += [(place, span) for span in (found if asked.words else _joined(told, found))]
    for place, (start, end) in places:
        inside = frozenset((own.concept, _details(own)) for own in mentions if start <= own.start < end)
        yield place, Statement(told, start, end, inside or frozenset({(told.note.text[start:end].lower(), ())}))


def _sections(asked: ListAsked, told: Told) -> Iterator[Section]:
    for section in told.facts.sections:
        words = WORD.findall(section.heading.lower()) if section.label else []
        named = section.label in asked.row.get("labels", ()) or any(
            own in words for own in asked.row.get("headings", ())
        )
        if named and any(map(str.isalnum, told.note.text[heading_end(section) : section.end])):
            yield section


def _rank(asked: ListAsked, section: Section) -> int:
    labels: list[str] = asked.row.get("labels", [])
    return labels.index(section.label) if section.label in labels else len(labels)


def _body(told: Told, section: Section, characters: int) -> Span:
    """A section with its heading, and of a long one the first sentences."""
    most = min(section.end, section.start + characters)
    ends = [high for _, high in told.facts.sentences if heading_end(section) < high <= most]
    return section.start, max(ends, default=told.note.text.rfind(" ", heading_end(section), most + 1))


def _in_list(asked: ListAsked, mention: Mention) -> bool:
    row = asked.row
    none = {*row.get("without", ()), *empty("problems"), *empty("findings")}
    meant = mention.kind in row.get("kinds", ()) and mention.concept not in none
    within = mention.section in row.get("within", (mention.section,))
    return meant and within and mention.assertion.status in row.get("statuses", ())


def _joined(told: Told, places: Sequence[Span]) -> Iterator[Span]:
    """Sentences in order, those that follow one another made one place."""
    start = end = -1
    for low, high in places:
        if end >= 0 and (told.note.text[end:low].strip() or high - start > _SECTION):
            yield start, end
            end = -1
        start, end = (low if end < 0 else start), high
    if end >= 0:
        yield start, end


def _of_thing(asked: ThingAsked, newest: Sequence[Told]) -> list[Statement]:
    """The sentences that name the thing, if no more is asked of it: what is certain of the patient before what is not,
    and results alone where there are some.

    A thing of its kind ("chest pain" where "pain" is asked for) comes after the thing itself; that it is denied says
    nothing of the thing. Tests have no status: in "no embolism on CT" it is not the CT that is denied.
    """
    found = []
    for told in newest if asked.plain else ():
        for mention in told.facts.mentions:
            if any(own == mention.concept or is_wider(own, mention.concept) for own in asked.concepts):
                found.append((_doubt(asked, told, mention), _statement(asked, told, mention)))
    named_only = all(doubt[-1] for doubt, _ in found)
    kept = sorted((own for own in found if named_only or not own[0][-1]), key=lambda own: own[0])
    return [statement for _, statement in kept]


def _doubt(asked: ThingAsked, told: Told, mention: Mention) -> tuple[bool, bool, bool]:
    result = any(own.kind == "value" for own in mention.attributes)
    weak = mention.assertion.status in _WEAK or is_awaited(told, mention)
    return weak, mention.concept not in asked.concepts, mention.kind == "test" and not result


def _statement(asked: ThingAsked, told: Told, mention: Mention) -> Statement:
    """The sentence of a mention with the words that decide whether it is so."""
    spans = widened(mention), told.with_cue(mention)
    quotation = told.quote(min(start for start, _ in spans), max(end for _, end in spans))
    speaks = mention.concept in asked.concepts or mention.assertion.status != "negated"
    speaks = speaks and mention.kind != "test" and not is_awaited(told, mention)
    says = frozenset({((mention.concept, mention.assertion.status, _details(mention)), ())})
    return Statement(told, quotation.start, quotation.end, says, mention if speaks else None)


def _details(mention: Mention) -> tuple[str, ...]:
    return tuple(own.value for own in mention.attributes)
