"""An extraction for people to read: one row for each statement with its sentence, and a suggestion with its basis."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from clinical.diagnosis import Suggestion
from clinical.extraction.mentions import Kind, Mention, NoteFacts
from clinical.output.statements import Statement, statements_of

_BEFORE, _BEHIND = 60, 80  # characters of a sentence around a mention; a dictated one may have a thousand


class FactRow(NamedTuple):
    """What one line of a table says.

    Attributes:
        said: the thing; several where one cue denies them all in one sentence.
        status: with the words that decided it.
        evidence: the heading, the offset of the first mention, how many more there are, and its sentence.
    """

    said: str
    status: str
    details: str
    evidence: str


def fact_rows(text: str, facts: NoteFacts) -> dict[Kind, list[FactRow]]:
    """The rows of each kind that the note speaks of, problems first, what is denied last."""
    rows: dict[Kind, list[FactRow]] = defaultdict(list)
    for together in _denied_together(facts, statements_of(text, facts)):
        first = together[0]
        status = f"{first.standing} ({first.cue})" if first.cue else first.standing
        said = ", ".join(dict.fromkeys(one.concept for one in together))
        rows[first.kind].append(FactRow(said, " ".join(status.split()), first.details, _evidence(text, facts, first)))
    return rows


def _denied_together(facts: NoteFacts, statements: Sequence[Statement]) -> list[list[Statement]]:
    """What one cue denies in one sentence reads as one line, as it was said."""
    groups: dict[object, list[Statement]] = defaultdict(list)
    for number, one in enumerate(statements):
        first = one.mentions[0]
        denied = one.status == "negated" and len(one.mentions) == 1 and not one.details
        alike = (one.kind, first.assertion.cue_start, _sentence(facts, first)) if denied else number
        groups[alike].append(one)
    return list(groups.values())


def _sentence(facts: NoteFacts, mention: Mention) -> tuple[int, int]:
    """The sentence in which a mention begins."""
    place = bisect_right(facts.sentences, mention.start, key=lambda sentence: sentence[0]) - 1
    return facts.sentences[max(place, 0)] if facts.sentences else (mention.start, mention.end)


def _evidence(text: str, facts: NoteFacts, statement: Statement) -> str:
    first = statement.mentions[0]
    more = f" and {len(statement.mentions) - 1} more" if len(statement.mentions) > 1 else ""
    place = f"{_heading(facts, first)} {first.start}".strip()
    return f'{place}{more}: "{quotation(text, _sentence(facts, first), (first.start, first.end))}"'


def _heading(facts: NoteFacts, mention: Mention) -> str:
    """What stands over a mention, as it is written in the note."""
    place = bisect_right(facts.sections, mention.start, key=lambda section: section.start) - 1
    inside = place >= 0 and mention.start < facts.sections[place].end
    return " ".join(facts.sections[place].heading.split()) if inside else ""


def quotation(text: str, sentence: tuple[int, int], words: tuple[int, int]) -> str:
    """A sentence in one line, with « » around some words of it; of a long one what stands next to them."""
    start, end = max(sentence[0], words[0] - _BEFORE), min(sentence[1], words[1] + _BEHIND)
    if start > sentence[0]:
        start = text.find(" ", start, words[0]) + 1 or start
    if end < sentence[1]:
        end = max(text.rfind(" ", words[1], end), words[1])
    marked = f"{text[start : words[0]]}«{text[words[0] : words[1]]}»{text[words[1] : max(end, words[1])]}"
    return f"{'…' * (start > sentence[0])}{' '.join(marked.split())}{'…' * (end < sentence[1])}"


def basis_lines(text: str, suggestion: Suggestion) -> Iterator[str]:
    """A suggestion, and what speaks for it, what against, and what was not asked."""
    code = "" if suggestion.label == suggestion.title else f" ({suggestion.label})"
    mark = {None: "share", True: "in the set", False: ""}[suggestion.in_set]
    yield f"  {suggestion.probability:5.1%}  {suggestion.title}{code}{f', {mark}' if mark else ''}"
    for side, evidence in (("for", suggestion.evidence), ("against", suggestion.against)):
        for one in evidence:
            words = " ".join(text[one.start : one.end].split())
            denied = f" (the note: {one.because})" if one.because else ""
            yield f'         {side:9} {one.weight:+.2f}  {one.start}: "{words}"{denied}'
    for asked in suggestion.not_asked:
        would = "; if present, this would rank first" if asked.first else ""
        yield f"         not asked {asked.weight:+.2f}  {asked.concept}{would}"
