"""Days of the calendar as notes write them, with every day that a spelling can mean."""

from __future__ import annotations

import re
from calendar import month_abbr
from collections.abc import Iterator

_MONTHS = {month_abbr[m].lower(): m for m in range(1, 13)}
_NAME = rf"(?P<{{}}>{'|'.join(_MONTHS)})[a-z]{{{{0,6}}}}\.?"
_YEAR = r"(?:\d{4}|['’]?\d{2})"
_DAY = re.compile(
    r"(?<![\d/.-])(?:"
    r"(?P<a>\d{1,4})(?P<s>[ \t]?[/.\-–, ][ \t]?)(?P<b>\d{1,2})(?P=s)(?P<c>\d{1,4})"  # 4/2/61, 1961-04-02, 02 04 1961
    r"|(?P<run>\d{8}|\d{6})"  # 19610402, 04021961, 040261
    rf"|(?i:{_NAME.format('m1')}[\s-]?(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?[\s-]{{0,2}}(?P<y1>{_YEAR})\b)?)"
    rf"|(?i:(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?(?:[ ]day)?(?:\sof)?[\s-]?{_NAME.format('m2')}"
    rf"(?:,?[\s-]{{0,2}}(?P<y2>{_YEAR})\b)?)"
    rf"|(?P<y3>\d{{4}})[\s-](?i:{_NAME.format('m3')})[\s-](?P<d3>\d{{1,2}})"
    r")(?![\d/]|[.-]\d)"
)


def days(text: str) -> Iterator[tuple[tuple[int, int], set[tuple[int, int, int]]]]:
    """Each date in `text` with its span and its readings as (year, month, day).

    A year of two digits, or a month and day without a year, is read in each year that it may stand for from 1900 on.
    """
    for match in _DAY.finditer(text):
        if readings := {day for day in _readings(match) if 1 <= day[1] <= 12 and 1 <= day[2] <= 31}:
            yield match.span(), readings


def _readings(match: re.Match[str]) -> Iterator[tuple[int, int, int]]:
    if match["run"]:
        yield from _run(match["run"])
    elif match["a"]:
        a, b, c = match["a"], match["b"], match["c"]
        if len(a) == 4:
            yield from ((int(a), int(b), int(c)), (int(a), int(c), int(b)))
        else:
            yield from (day for y in _years(c) for day in ((y, int(a), int(b)), (y, int(b), int(a))))
    for i in "123":
        if match[f"m{i}"]:
            month, day = _MONTHS[match[f"m{i}"].lower()], int(match[f"d{i}"])
            yield from ((year, month, day) for year in _years(match[f"y{i}"]))


def _run(digits: str) -> Iterator[tuple[int, int, int]]:
    a, b = int(digits[:2]), int(digits[2:4])
    if len(digits) == 8:
        yield from (
            (int(digits[:4]), int(digits[4:6]), int(digits[6:])),
            (int(digits[4:]), a, b),
            (int(digits[4:]), b, a),
        )
    else:
        yield from (day for y in _years(digits[4:]) for day in ((y, a, b), (y, b, a)))


def _years(written: str | None) -> range | tuple[int, ...]:
    """The years that are meant: any without a year, both centuries for two digits."""
    if not written:
        return range(1900, 2100)
    year = int(written.strip("'’"))
    return (year,) if len(written.strip("'’")) == 4 else (1900 + year, 2000 + year)
