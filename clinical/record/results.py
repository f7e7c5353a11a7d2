"""Results of tests over time, and where they go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from clinical.extraction.mentions import Mention
from clinical.extraction.times import find_times
from clinical.extraction.words import table
from clinical.record.quotation import Quotation
from clinical.record.specimens import specimens_of
from clinical.record.told import Told, group, widened

_NUMBER = re.compile(r"[<>]?(\d+(?:\.\d+)?)")
_BESIDE = 40  # characters beside a name and its value in which another time may stand
_ROUNDING = 1e-9  # of a difference of decimal fractions
Trend = Literal["rising", "falling", "steady", ""]


@dataclass(frozen=True)
class Value:
    """One result as it is written, with its flag ("" where none is)."""

    written: str
    flag: str
    quotation: Quotation


@dataclass(frozen=True)
class Result:
    """A test in one unit ("" where none is written), its values from the oldest to the newest.

    `trend` compares the last value with the last one of an earlier day, of a pressure the first number. It is "" where
    no change is known for the test (tables/tests.toml), or where it is not known when one of the two was measured.
    """

    test: str
    unit: str
    values: tuple[Value, ...]
    trend: Trend


@dataclass(frozen=True)
class _Point:
    """A value with its unit, the row of its test, and its day; "" where the note does not say which."""

    value: Value
    unit: str
    row: Mapping[str, Any] | None
    day: str

    @property
    def number(self) -> float | None:
        found = _NUMBER.match(self.value.written)
        return float(found[1]) if found else None


def results(told: Sequence[Told]) -> tuple[Result, ...]:
    """The results of notes in the order of time, by specimen, test and unit; one without unit is with those it fits."""
    series: dict[tuple[str, str], list[_Point]] = {}
    for own in told:
        for test, point in _points(own):
            series.setdefault((test, point.row["units"][0] if point.row else point.unit), []).append(point)
    return tuple(
        Result(
            test, next((one.unit for one in points if one.unit), ""), tuple(one.value for one in points), _trend(points)
        )
        for (test, _), points in series.items()
    )


def _points(told: Told) -> Iterator[tuple[str, _Point]]:
    """The results of one note: what was measured in the patient."""
    specimens = specimens_of(told.note.text, told.facts)
    for mention in told.facts.mentions:
        said = {attribute.kind: attribute.value for attribute in mention.attributes}
        measured = mention.kind == "test" and mention.assertion.status == "present" and "value" in said
        if measured and mention.section not in group("no result"):
            test = f"{specimens.get(mention.start, '')} {mention.concept}".strip()
            value = Value(said["value"], said.get("flag", ""), told.quote(*widened(mention)))
            unit = said.get("unit", "")
            day = "" if _of_another_time(told, mention) else told.note.date
            yield test, _Point(value, unit, _row(test, unit, value), day)


def _row(test: str, unit: str, value: Value) -> Mapping[str, Any] | None:
    """The row of a test in this unit; without a unit the only one whose values it may be."""
    rows: list[Mapping[str, Any]] = [row for row in table("tests")["step"] if row["test"] == test]
    number = _NUMBER.match(value.written)
    if unit:
        fitting = [row for row in rows if unit in row["units"]]
    else:
        fitting = [row for row in rows if number and row["between"][0] <= float(number[1]) <= row["between"][1]]
    return fitting[0] if len(fitting) == 1 else None


def _of_another_time(told: Told, mention: Mention) -> bool:
    """Whether a time stands beside a value that may not be that of the note: "2 days ago"."""
    low, high = told.sentence(mention.start)
    start, end = widened(mention)
    times = find_times(told.note.text[max(low, start - _BESIDE) : min(high, end + _BESIDE)])
    return any(own.kind == "date" and own.value not in table("tests")["now"]["times"] for own in times)


def _trend(points: Sequence[_Point]) -> Trend:
    last = points[-1]
    earlier = [own for own in points if own.number is not None and own.day not in ("", last.day)]
    if last.row is None or last.number is None or not last.day or not earlier:
        return ""
    before = earlier[-1].number or 0.0
    if abs(last.number - before) < last.row["step"] - _ROUNDING:
        return "steady"
    return "rising" if last.number > before else "falling"
