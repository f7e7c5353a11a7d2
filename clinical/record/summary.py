"""A patient's notes in short: complaints, problems, medications, results, open loops; each line with its quotation.

Everything is counted from the facts of the notes by rules; nothing is written that no note says. The time it takes is
linear in the length of the notes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clinical.record.complaints import Complaint, complaints
from clinical.record.loops import Loop, open_loops
from clinical.record.medications import Drug, medications
from clinical.record.problems import Problem, problems
from clinical.record.results import Result, results
from clinical.record.timeline import Event, timeline
from clinical.record.told import Told, in_time


@dataclass(frozen=True)
class Summary:
    """What the notes of one patient say, from the oldest to the newest."""

    notes: int
    complaints: tuple[Complaint, ...]
    problems: tuple[Problem, ...]
    medications: tuple[Drug, ...]
    results: tuple[Result, ...]
    loops: tuple[Loop, ...]
    timeline: tuple[Event, ...]


def summarise(notes: Iterable[Told]) -> Summary:
    """The summary of the notes of one patient, given in any order; notes without a date come first, as given."""
    told = in_time(notes)
    return Summary(
        len(told),
        complaints(told),
        problems(told),
        medications(told),
        results(told),
        open_loops(told),
        timeline(told),
    )
