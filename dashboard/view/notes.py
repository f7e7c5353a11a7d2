"""A note that was read: its codes, its title among the patient's notes, and what can be judged in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, get_args

from policies.files import table_of

if TYPE_CHECKING:  # these bring spaCy and torch with them, which only a note needs
    from clinical.coding import Code
    from clinical.coding.library import Library
    from clinical.diagnosis import Extraction
    from clinical.extraction.mentions import Mention, NoteFacts
    from clinical.record.summary import Summary

_LONGEST_OPENING = 60


@dataclass(frozen=True)
class ReadNote:
    """A note and what was read in it.

    Attributes:
        title: the patient's name, or what the text is.
        source: pseudonyms of patient and record, or where else it comes from, as the log has it.
        codes: the likeliest of each phrase, by its words and kind.
    """

    title: str = field(repr=False)
    text: str = field(repr=False)
    source: Mapping[str, str]
    found: Extraction = field(repr=False)
    codes: Mapping[tuple[str, str], Code] = field(repr=False)


def likely_codes(facts: NoteFacts, library: Library) -> dict[tuple[str, str], Code]:
    """The likeliest code of each phrase of a note, where there is one."""
    from clinical.coding import candidates

    phrases = {(own.text, own.kind) for own in facts.mentions}
    best = {(text, kind): next(iter(candidates(text, kind, most=1, library=library)), None) for text, kind in phrases}
    return {phrase: code for phrase, code in best.items() if code}


def section_name(label: str) -> str:
    """What the label of a section is called where people read it."""
    return str(table_of("clinical", "tables/section_names")["names"].get(label, label))


def code_rows(mention: Mention, library: Library) -> list[Mapping[str, str]]:
    """All candidates for a mention, best first."""
    from clinical.coding import candidates

    return [
        {
            "System": own.system,
            "Code": own.code,
            "Name": own.display,
            "Alike": f"{own.score:.2f}",
            "Because of": ", ".join(own.because),
            "Left open": "; ".join(own.missing),
        }
        for own in candidates(mention.text, mention.kind, library=library)
    ]


def note_titles(records: Sequence[str], summary: Summary | None) -> dict[str, str]:
    """What each note is called: its date where one is known, and its number among the patient's notes."""
    dates = {event.record: event.date for event in summary.timeline} if summary else {}
    return {
        record: f"Note {number} of {len(records)}" + (f", {dates[record]}" if dates.get(record) else "")
        for number, record in enumerate(records, 1)
    }


def statuses() -> tuple[str, ...]:
    """What an assertion can be corrected to."""
    from clinical.extraction.mentions import Status

    return get_args(Status)


def mention_line(mention: Mention) -> str:
    """A mention in one line."""
    words = " ".join(mention.text.split())
    return f"{words} ({mention.kind}, {mention.assertion.status}, at {mention.start})"[: 2 * _LONGEST_OPENING]


def details_of(mention: Mention, facts: NoteFacts) -> list[tuple[str, str]]:
    """What was read of a mention, as names and values."""
    own = mention.assertion
    related = [f"{one.kind} {one.value}" for one in facts.relations if one.head_start == mention.start]
    return [
        ("As written", mention.text),
        ("Read as", f"{mention.concept} ({mention.kind})"),
        ("Status", own.status + (f", by “{own.cue}”" if own.cue else "")),
        *([("Also", ", ".join(own.also))] if own.also else []),
        *([("With it", ", ".join(dict.fromkeys(related)))] if related else []),
        *([("Section", section_name(mention.section))] if mention.section else []),
        ("Place", f"characters {mention.start} to {mention.end}"),
    ]
