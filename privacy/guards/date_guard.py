"""What betrays the secret offset of shifted dates: scores that were moved, holidays that were not, ages beside births.

The rows stand in tables/anchors.toml. A finding names its kind and its row, never text of a record.
"""

from __future__ import annotations

import re
from calendar import day_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache

from policies.files import table_of
from privacy.text.calendar_days import days
from privacy.text.spans import Span

_WEEKDAY = "|".join(f"{name}|{name[:3]}" for name in day_name)
_BEFORE = re.compile(rf"\b({_WEEKDAY})\.?[\s,(]{{1,3}}(?:the\s)?$", re.IGNORECASE)
_AFTER = re.compile(rf"[\s,(]{{1,3}}({_WEEKDAY})\b", re.IGNORECASE)
_NEAR = 20  # characters beside a date in which its weekday may stand
_AGE = re.compile(r"\b\d{1,3}[- ]?(?:years?|yrs?|y)[- /.]{0,2}(?:old|o)\b|\bage[d:]? {1,2}\d{1,3}\b", re.IGNORECASE)
_BIRTH_YEAR = re.compile(
    r"\b(?:born|birth(?:day|date)?|d\.?o\.?b)\b[^\n\d]{0,20}(?:\d{1,2}\D{1,3}){0,2}(?:19|20)\d\d\b", re.IGNORECASE
)


class DateFindingKind(StrEnum):
    """How the offset may show."""

    SHIFTED_NON_DATE = "shifted non-date"
    UNSHIFTED_ANCHOR = "unshifted anchor"
    OTHER_WEEKDAY = "weekday that no longer fits"
    AGE_AND_BIRTH_YEAR = "age with year of birth"


@dataclass(frozen=True)
class DateFinding:
    """One thing to look at; `rule` is the row of the table, or the kind again where there is none."""

    kind: DateFindingKind
    rule: str


@dataclass(frozen=True)
class _Row:
    name: str
    pattern: re.Pattern[str]


def date_findings(original: str, output: str, spans: Sequence[Span]) -> tuple[DateFinding, ...]:
    """What in a text with shifted dates lets a reader work out the offset.

    Args:
        original: the text before; output: the same text after.
        spans: what was replaced in `original`.
    """
    moved = [s for s in spans if s.category == "DATE" and s.replacement != original[s.start : s.end]]
    return (*_non_dates(original, moved), *_anchors(original, spans), *_weekdays(original, moved), *_ages(output))


def _non_dates(original: str, moved: Sequence[Span]) -> Iterator[DateFinding]:
    for row in rows("non_date"):
        for match in row.pattern.finditer(original):
            if _meets(match.start(1), match.end(1), moved):
                yield DateFinding(DateFindingKind.SHIFTED_NON_DATE, row.name)


def _anchors(original: str, spans: Sequence[Span]) -> Iterator[DateFinding]:
    for row in rows("anchor"):
        for match in row.pattern.finditer(original):
            if not _meets(match.start(), match.end(), spans):
                yield DateFinding(DateFindingKind.UNSHIFTED_ANCHOR, row.name)


def _weekdays(original: str, moved: Sequence[Span]) -> Iterator[DateFinding]:
    """Weekdays beside a date, outside its span, on which no reading of the new date falls."""
    for span in moved:
        before = _BEFORE.search(original[max(0, span.start - _NEAR) : span.start])
        after = _AFTER.match(original[span.end : span.end + _NEAR])
        beside = {named[1][:3].lower() for named in (before, after) if named}
        falls = {day_name[day.weekday()][:3].lower() for day in _days(span.replacement)}
        if falls and not beside <= falls:
            yield DateFinding(DateFindingKind.OTHER_WEEKDAY, DateFindingKind.OTHER_WEEKDAY)


def _ages(output: str) -> Iterator[DateFinding]:
    """An age and a year of birth in one text say when it was written."""
    if _BIRTH_YEAR.search(output) and _AGE.search(output):
        yield DateFinding(DateFindingKind.AGE_AND_BIRTH_YEAR, DateFindingKind.AGE_AND_BIRTH_YEAR)


def _days(written: str) -> Iterator[date]:
    for _, readings in days(written):
        for reading in readings:
            try:
                yield date(*reading)
            except ValueError:  # one of the readings of 3/14/2019 has a fourteenth month
                continue


def _meets(start: int, end: int, spans: Sequence[Span]) -> bool:
    return any(start < span.end and span.start < end for span in spans)


@cache
def rows(kind: str) -> tuple[_Row, ...]:
    """The rows of a kind, "non_date" or "anchor", ready to search."""
    table = table_of("privacy", "tables/anchors")
    return tuple(_Row(row["name"], re.compile(row["regex"], re.IGNORECASE)) for row in table[kind])
