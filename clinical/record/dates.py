"""When a note was written, as its own first or last lines say."""

from __future__ import annotations

import re
from calendar import month_name
from collections.abc import Iterator
from datetime import date

from policies.files import table_of

_MONTHS = [name[:3].lower() for name in month_name]
_ISO = re.compile(r"(?<![\d-])(?P<y>(?:19|20)\d\d)-(?P<m>\d\d)-(?P<d>\d\d)(?!\d)")
_SLASHED = re.compile(r"(?<![\d/])(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>(?:19|20)\d\d)(?!\d)")
_NAME = rf"(?P<mon>{'|'.join(f'{own}|{own[:3]}' for own in month_name if own)})\.?"
_MONTH_FIRST = re.compile(rf"\b{_NAME}\s+(?P<d>\d\d?)(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)\b", re.I)
_DAY_FIRST = re.compile(rf"\b(?P<d>\d\d?)(?:st|nd|rd|th)?\s+{_NAME},?\s+(?P<y>(?:19|20)\d\d)\b", re.I)

_CELL = re.compile(r"[ ]{2,}|[ ]?[|\t][ ]?")  # between the columns of a table
_BEHIND = re.compile(r"\s*\(([^()\n]{1,40})\)")
_AGE = re.compile(r"(?<![\d/])(?P<years>\d{1,3})[\s-]?(?:year|yr|y/o|y\.o|yo\b)", re.I)
_LONG_AGO = 30  # years, before which no note of a record system was written
_NEAR = 4  # words before a date that say which it is


def note_date(text: str) -> str:
    """When a note was written, as ISO 8601; "" where neither its beginning nor its end says so.

    That is the first whole date of its first lines that is not a birthday or the like, by the words before it or in
    brackets behind it, or by the heading of its column; else the last date of its last lines that stands beside nothing
    but words of signing. A date that fits the age that the note states is a birthday, whatever stands beside it. One
    with two readings (3/4/2019) is read month first.
    """
    rules = table_of("clinical", "tables/record")["date"]
    births = _births(text[: rules["characters"]])
    other, signing = set(rules["other"]), set(rules["signing"])
    ended = 0
    for start, end, day in sorted(_dates(text[: rules["characters"]])):
        behind = _BEHIND.match(text, end)
        said = _before(text, ended, start) + _words(behind[1] if behind else "")
        if day not in births and other.isdisjoint(said):
            return day
        ended = behind.end() if behind else end
    last = text[-rules["characters"] :]
    for start, end, day in sorted(_dates(last), reverse=True):
        beside = last[:start].rpartition("\n")[2] + " " + last[end:].partition("\n")[0]
        if other.isdisjoint(_before(last, 0, start)) and {*_words(beside)} <= signing:
            return day
    return ""


def _births(text: str) -> set[str]:
    """The dates on which a patient of the stated age may be born: so many years before another one, or long ago."""
    age = _AGE.search(text)
    if not age:
        return set()
    days = {day for _, _, day in _dates(text)}
    now, years = date.today().year, int(age["years"])

    def born(day: str) -> bool:
        year = int(day[:4])
        fits = any(int(other[:4]) - year in (years, years + 1) for other in days)
        return (years > 0 and fits) or now - year >= max(years, _LONG_AGO)

    return {day for day in days if born(day)}


def _before(text: str, floor: int, start: int) -> list[str]:
    """The words in front of a date, down to `floor`, or over it: in a table those of its column, else where there are
    none in front.
    """
    above, _, line = text[:start].rpartition("\n")
    words = _words(text[max(floor, start - len(line)) : start])
    heading = above.rstrip().rpartition("\n")[2]
    columns, column = _CELL.split(heading), len(_CELL.split(line)) - 1
    if len(columns) > 1 and len(columns) == len(_CELL.split(line + text[start:].partition("\n")[0])):
        return words + _words(columns[column])
    return (words or _words(heading))[-_NEAR:]


def _words(text: str) -> list[str]:
    """The words of a text in small letters: "D.O.B.:" is "dob"."""
    return re.findall(r"[^\W\d_]+", text.lower().replace(".", ""))


def _dates(text: str) -> Iterator[tuple[int, int, str]]:
    for layout in (_ISO, _SLASHED, _MONTH_FIRST, _DAY_FIRST):
        for found in layout.finditer(text):
            has = found.groupdict()
            month = _MONTHS.index(has["mon"][:3].lower()) if "mon" in has else int(has["m"])
            for first, second in ((month, int(has["d"])), (int(has["d"]), month)):
                try:
                    yield found.start(), found.end(), date(int(has["y"]), first, second).isoformat()
                    break
                except ValueError:  # 14/3/2019 has one reading, 31/31/2019 none
                    continue
