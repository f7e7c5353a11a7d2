"""The notes of a patient in time: when each was written, and the events that its headings announce."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from clinical.extraction.mentions import Section
from clinical.extraction.sections import heading_end
from clinical.record.quotation import Quotation
from clinical.record.told import Told
from policies.files import table_of


@dataclass(frozen=True)
class Event:
    """What a note announces: its heading ("" where the note has none that counts), and the first sentence under it."""

    record: str
    date: str
    heading: str
    quotation: Quotation


def timeline(told: Sequence[Told]) -> tuple[Event, ...]:
    """The events of notes in the order of time: those of a note's weightiest sections, or its first sentence."""
    return tuple(event for own in told for event in _events(own))


def _events(told: Told) -> Iterator[Event]:
    rules = table_of("clinical", "tables/record")["timeline"]
    labels: list[str] = rules["labels"]
    sections = [own for own in told.facts.sections if own.label in labels]
    chosen = sorted(sections, key=lambda own: labels.index(own.label))[: rules["most"]]
    found = [event for own in sorted(chosen, key=lambda own: own.start) if (event := _first(told, own))]
    yield from found or _opening(told)


def _first(told: Told, section: Section) -> Event | None:
    """The first sentence under a heading; None where nothing stands under it."""
    text = told.note.text
    start = heading_end(section)
    while start < section.end and not text[start].isalnum():
        start += 1
    if start >= section.end:
        return None
    end = min(told.sentence(start)[1], section.end)
    quotation = told.quote(start, end)
    return Event(told.note.record, told.note.date, section.heading, quotation)


def _opening(told: Told) -> Iterator[Event]:
    """The first sentence that names something, and not the lines above it that say whose note it is."""
    named = (told.sentence(own.start) for own in told.facts.mentions)
    for start, end in [*named, *told.facts.sentences][:1]:
        yield Event(told.note.record, told.note.date, "", told.quote(start, end))
