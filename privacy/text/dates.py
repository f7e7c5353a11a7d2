"""Dates cut to the year or moved by one secret offset per patient, in FHIR values and as people write them in notes."""

from __future__ import annotations

import re
from calendar import day_name, month_name
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

from privacy.vault.pseudonyms import Pseudonyms

OLDEST_AGE = 89  # years; older people are one group (45 CFR 164.514(b)(2)(i)(C))
# In days. With an offset closer to none or to a year, a month without a day or year would stay what it was.
SHORTEST_OFFSET, LONGEST_OFFSET = 21, 350
DAYS_OF_A_MONTH, DAYS_OF_A_YEAR = 30.436875, 365.2425  # of the Gregorian calendar, on average
_FHIR = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)?")


def offset_days(codes: Pseudonyms, patient: str, keep_weekdays: bool) -> int:
    """The patient's secret offset in days: uniform over 21 to 350, earlier or later; whole weeks to keep weekdays."""
    step = 7 if keep_weekdays else 1
    choices = [sign * days for sign in (1, -1) for days in range(SHORTEST_OFFSET, LONGEST_OFFSET + 1, step)]
    return choices[int(codes.of("date offset", patient), 16) % len(choices)]


def to_year(value: str, as_of: int, oldest: int = OLDEST_AGE) -> str | None:
    """The year of a FHIR date or dateTime; None where it is none, lies ahead, or so far back that it shows an age
    over `oldest` (45 CFR 164.514(b)(2)(i)(C))."""
    found = _FHIR.fullmatch(value)
    return found[1] if found and as_of - oldest <= int(found[1]) <= as_of else None


def group_birth(value: str, as_of: int) -> str | None:
    """The year of a FHIR date of birth, where all who may be 90 or more share one; None where it is no date."""
    found = _FHIR.fullmatch(value)
    return str(max(int(found[1]), as_of - OLDEST_AGE - 1)) if found else None


def shift_fhir(value: str, days: int) -> str | None:
    """A FHIR date, dateTime or instant moved by whole days, at the same precision; None where it is none.

    A month moves by the nearest whole number of months, a year by the nearest whole number of years.
    """
    found = _FHIR.fullmatch(value)
    if not found:
        return None
    year, month, day, time = found.groups()
    moved = _moved(int(year), int(month) if month else None, int(day) if day else None, days)
    if moved is None:
        return None
    elements = (f"{moved.year:04}", f"{moved.month:02}", f"{moved.day:02}")
    return "-".join(elements[: 1 + bool(month) + bool(day)]) + (time or "")


def group_age_text(text: str) -> str:
    """An age over 89 as people write it, with every such number as "90+"."""
    words = (
        r"ninety(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?|(?:one|a)[- ]hundred(?:[- ](?:and[- ])?\w+)?"
    )
    grouped = re.sub(rf"(?i)\b(?:9\d|1\d\d|{words})\b\+?", "90+", text)
    return re.sub(r"(?i)\b(?:nona|cente)n?(?:genar|nar)ian\b", "person of 90+", grouped)


def shift_text_date(text: str, days: int, anchor: date | None) -> str | None:
    """A date or range of dates moved by whole days, written as it was written.

    A date with two readings (3/4/2019) is read month first, or day first where points divide it (3.4.2019).

    Args:
        text: the date alone, in any form that the table of identifiers finds.
        days: how far to move it; a lone month moves by the nearest whole number of months.
        anchor: the record's own date; a day and month without a year is the one nearest to it.

    Returns: None where the text cannot be understood.
    """
    if parsed := _parsed(text, anchor):
        return parsed.shifted(days)
    if found := _DAYS_OF_ONE_MONTH.fullmatch(text):
        whole = f"{found['first']}{found['between']}{found['month']} {found['rest']}"
        moved = shift_text_date(whole, days, anchor)
        # "April 2-April 5" is "April 2-5" again; across a month both names stay.
        return moved and _TWICE_THE_MONTH.sub(r"\1\2\3", moved)
    for between in _BETWEEN.finditer(text):
        first, last = _both(text[: between.start()], text[between.end() :], anchor)
        if first and last:
            ends = first.shifted(days), last.shifted(days)
            return f"{ends[0]}{between.group()}{ends[1]}" if ends[0] and ends[1] else None
    return None


@dataclass(frozen=True)
class TextDate:
    """A date as it was written.

    Args:
        match: one of the layouts, whose groups w, m, mon, d, o, y hold weekday, month in digits or as a name, day,
            the ending of an ordinal, and year.
        day: the day that is meant; a stand-in where a year, a month or a day is not given.
    """

    match: re.Match[str]
    day: date

    def shifted(self, days: int) -> str | None:
        """The same layout with every element moved; None where the calendar ends."""
        has = self.match.groupdict()
        with_month, with_day = bool(has.get("m") or has.get("mon")), bool(has.get("d"))
        year, month, day = self.day.year, self.day.month, self.day.day
        moved = _moved(year, month if with_month else None, day if with_day else None, days)
        if moved is None:
            return None
        text = self.match.string
        for group, old in sorted(has.items(), key=lambda item: -self.match.start(item[0])):
            if old:
                start, end = self.match.span(group)
                text = text[:start] + self._element(group, old, moved, days) + text[end:]
        return text

    def _element(self, group: str, old: str, moved: date, days: int) -> str:
        match group:
            case "y":
                return f"{moved.year:04}" if len(old) == 4 else f"{moved.year % 100:02}"
            case "m" | "d":
                number = moved.month if group == "m" else moved.day
                return f"{number:02}" if self._padded() else str(number)
            case "mon":
                follows = self.match.string[self.match.end("mon") :][:1]
                short = old.lower() not in _LONG or (old.lower() == "may" and follows not in ("", " ", ","))
                return _named(month_name[moved.month], short, old)
            case "w":
                # From the weekday that was written, for the year may be a guess.
                return _named(day_name[(_WEEKDAYS.index(old[:3].lower()) + days) % 7], len(old) <= 5, old)
            case "o":
                ending = {1: "st", 2: "nd", 3: "rd"}.get(0 if moved.day in (11, 12, 13) else moved.day % 10, "th")
                return ending.upper() if old.isupper() else ending
            case _:
                return old

    def _padded(self) -> bool:
        numbers = [n for g in ("m", "d") if (n := self.match.groupdict().get(g))]
        # 12/24 shows no habit; in digits alone most writers pad, beside the name of a month they do not.
        habit = not self.match.groupdict().get("mon")
        return any(n[0] == "0" for n in numbers) or (habit and all(len(n) == 2 for n in numbers))


def _moved(year: int, month: int | None, day: int | None, days: int) -> date | None:
    """The first day of what is meant after `days`, at the precision that is given; None outside the calendar."""
    try:
        if day is not None and month is not None:
            return date(year, month, day) + timedelta(days)
        if month is not None:
            date(year, month, 1)  # there are twelve months
            months = year * 12 + month - 1 + round(days / DAYS_OF_A_MONTH)
            return date(months // 12, months % 12 + 1, 1)
        return date(year + round(days / DAYS_OF_A_YEAR), 1, 1)
    except (ValueError, OverflowError):
        return None


def _parsed(text: str, anchor: date | None) -> TextDate | None:
    for layout in _layouts():
        if (found := layout.fullmatch(text)) and (day := _meant(found, anchor)):
            return TextDate(found, day)
    return None


def _both(first: str, last: str, anchor: date | None) -> tuple[TextDate | None, TextDate | None]:
    """The two ends of a range; an end without a year stands near the one that has it."""
    ends = _parsed(first, anchor), _parsed(last, anchor)
    near = next((end.day for end in reversed(ends) if end and end.match.groupdict().get("y")), anchor)
    return _parsed(first, near), _parsed(last, near)


def _meant(found: re.Match[str], anchor: date | None) -> date | None:
    """The day that the elements name, the first of the month or year where none is given; None where there is none."""
    has = {k: v for k, v in found.groupdict().items() if v}
    month = _MONTHS.index(has["mon"][:3].lower()) + 1 if "mon" in has else int(has.get("m", 1))
    day = int(has.get("d", 1))
    years: Sequence[int] = [2000]  # a month or weekday alone moves the same in every year
    if "y" in has:
        years = [_year(has["y"])]
    elif "d" in has:
        years = range(anchor.year - 1, anchor.year + 2) if anchor else ()
    days = [d for year in years if (d := _moved(year, month, day, 0))]
    return min(days, key=lambda d: abs(d - anchor) if anchor else timedelta(), default=None)


def _year(written: str) -> int:
    """Two digits are a year from 1950 to 2049."""
    year = int(written)
    return year if len(written) == 4 else year + (2000 if year < 50 else 1900)


def _named(new: str, short: bool, old: str) -> str:
    """The name of a month or weekday in the case of the old one."""
    new = new[:3] if short else new
    return new.upper() if old.isupper() else new.lower() if old.islower() else new


_MONTHS = [m[:3].lower() for m in month_name if m]
_WEEKDAYS = [d[:3].lower() for d in day_name]
_LONG = {m.lower() for m in month_name}
_WEEKDAY = rf"(?P<w>{'|'.join(f'{d}|{d[:4]}|{d[:3]}' for d in day_name)}|Thurs)"
_MONTH = rf"(?P<mon>{'|'.join(f'{m}|{m[:4]}|{m[:3]}' for m in month_name if m)})"
_D, _O, _M = r"(?P<d>\d\d?)", r"(?P<o>st|nd|rd|th)?", r"(?P<m>\d\d?)"
_Y4, _YM = r"(?P<y>\d{4})", r"(?:['’]?(?P<y>\d{4}|\d\d))"
_BETWEEN = re.compile(r"\s*(?:[-–—,&]|\bto\b|\band\b|\b(?:through|thru)\b)\s*", re.IGNORECASE)
_DAYS_OF_ONE_MONTH = re.compile(
    rf"(?P<first>{_MONTH.replace('mon', 'month')}\.?\s*\d\d?(?:st|nd|rd|th)?)"
    rf"(?P<between>{_BETWEEN.pattern})(?P<rest>\d\d?(?!\d).*)",
    re.IGNORECASE,
)
_TWICE_THE_MONTH = re.compile(rf"^(\w+)(\.?\s*\w+?{_BETWEEN.pattern})\1 (\d)", re.IGNORECASE)


@cache
def _layouts() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(layout, re.IGNORECASE) for layout in _written_layouts())


def _written_layouts() -> Iterator[str]:
    """The layouts of one date, those that leave no doubt first."""
    weekday = rf"(?:{_WEEKDAY}\.?,?\s+)?"
    time = r"(?:(?:T|,?\s+(?:at\s+)?)\d\d?:\d\d(?::\d\d(?:\.\d+)?)?(?:\s*[ap]\.?m\.?)?\s*(?:Z|[+-]\d\d:?\d\d)?)?"
    sep = r"(?P<s>\s?[-–/.]\s?|\s)"
    end = rf"(?:(?:\s*,\s*|\s+|\s+of\s+){_YM})?{time}"
    yield r"(?P<y>(?:19|20)\d\d)(?P<m>\d\d)(?P<d>\d\d)"  # 20190314
    for one, other in (("m", "d"), ("d", "m")):
        yield rf"(?P<{one}>\d\d)(?P<{other}>\d\d)(?P<y>\d{{4}}|\d\d)"  # 03142019
    yield rf"{weekday}{_Y4}{sep}{_M}(?P=s){_D}{time}"  # 2019-03-14T09:30:00Z
    yield rf"{weekday}{_D}(?P<s>\.\s?){_M}(?P=s)(?P<y>\d{{4}}|\d\d){time}"  # 14.03.2019
    yield rf"{weekday}{_M}{sep}{_D}(?P=s){_YM}{time}"  # 3/14/2019
    yield rf"{weekday}{_D}{sep}{_M}(?P=s){_YM}{time}"  # 14/3/2019
    yield rf"{_M}\s?[-/.]\s?{_Y4}"  # 03/2019
    yield rf"{_Y4}[-/]{_M}"  # 2019-03
    yield r"(?P<m>[1-9])/(?P<y>0\d)"  # 3/05, a day would be 3/5
    yield rf"{weekday}{_M}[-/]{_D}{time}"  # 3/14
    yield rf"{_M}[-/](?P<y>3[2-9]|[4-9]\d|00)"  # 11/91, which can be no day
    yield rf"{weekday}{_D}[-/]{_M}{time}"  # 14/3
    yield rf"{weekday}{_MONTH}\.?\s*{_D}{_O}{end}"  # March 14th, 2019
    yield rf"{weekday}(?:the\s+)?{_D}{_O}(?:\s*[-/]\s*|\s+(?:of\s+)?|){_MONTH}\.?(?:(?:\s*[-/]\s*|,?\s+|){_YM})?{time}"
    yield rf"{_Y4}[-/\s]{_MONTH}[-/\s]{_D}"  # 2019-Mar-14
    yield rf"{_MONTH}\.?(?:,?\s+(?:of\s+)?|\s*[-/]\s*|(?=['’])){_YM}"  # Mar '19
    yield _MONTH
    yield _WEEKDAY
    yield _Y4
    yield r"['’](?P<y>\d\d)"
