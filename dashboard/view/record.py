"""A patient's whole record: its summary in lines with quotations, and results as series."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clinical.record.quotation import Quotation
    from clinical.record.summary import Summary
    from clinical.record.timeline import Event

_NUMBER = re.compile(r"[<>]?(\d[\d,]*(?:\.\d+)?)")
FEWEST = 2  # values that make a series


@dataclass(frozen=True)
class Line:
    """What a line of the summary says, and the words of the note that say it."""

    said: str = field(repr=False)
    quotation: Quotation


@dataclass(frozen=True)
class Series:
    """A test's values as numbers, the oldest first.

    Attributes:
        points: date ("" where none is known) and value.
    """

    test: str
    unit: str
    trend: str
    points: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        return f"{self.test} ({self.unit})" if self.unit else self.test


def parts(found: Summary) -> Mapping[str, tuple[Line, ...]]:
    """The lines of a summary under their headings."""
    return {title: tuple(lines) for title, lines in _parts(found)}


def _parts(found: Summary) -> Iterator[tuple[str, list[Line]]]:
    yield "Open", [Line(own.in_words, own.quotation) for own in found.loops]
    yield "Complaints in the newest note", [Line(own.concept, own.quotation) for own in found.complaints]
    yield "Problems", [Line(f"{own.concept}: {said}", words) for own in found.problems for said, words in own.said]
    yield (
        "Medications",
        [
            Line(
                f"{own.concept}: {own.change}"
                + "".join(f" {words}" for words in (own.dose, own.before and f"(before: {own.before})") if words)
                + (", not in the newest list" if own.missing_from else ""),
                own.quotation,
            )
            for own in found.medications
        ],
    )
    yield (
        "Results",
        [
            Line(
                f"{own.test}: {' → '.join(value.written for value in own.values)} {own.unit} {own.trend}".rstrip(),
                own.values[-1].quotation,
            )
            for own in found.results
        ],
    )


def series_of(found: Summary) -> list[Series]:
    """Results of which at least two are numbers, those with most values first."""
    made = []
    for own in found.results:
        read = ((value.quotation.date, _NUMBER.match(value.written)) for value in own.values)
        points = tuple((date, float(number[1].replace(",", ""))) for date, number in read if number)
        if len(points) >= FEWEST:
            made.append(Series(own.test, own.unit, own.trend, points))
    return sorted(made, key=lambda series: (-len(series.points), series.test))


def events_by_note(found: Summary) -> dict[str, list[Event]]:
    """The timeline by note, the newest first."""
    grouped: dict[str, list[Event]] = {}
    for event in reversed(found.timeline):
        grouped.setdefault(event.record, []).insert(0, event)
    return grouped
