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


def note_date(text: str) -> str:
    """When a note was written, as ISO 8601; "" where neither its beginning nor its end says so.

    That is the first whole date of its first lines that is not a birthday or the like; else the last date of its last
    lines that stands beside nothing but words of signing. A date with two readings (3/4/2019) is read month first.
    """
    rules = table_of("clinical", "tables/record")["date"]
    for start, _, day in sorted(_dates(text[: rules["characters"]])):
        words = re.findall(r"[\w.]+", text[:start].rpartition("\n")[2].lower())[-4:]
        if not set(words) & set(rules["other"]):
            return day
    last = text[-rules["characters"] :]
    for start, end, day in sorted(_dates(last), reverse=True):
        beside = last[:start].rpartition("\n")[2] + " " + last[end:].partition("\n")[0]
        if set(re.findall(r"[^\W\d_][\w.]*", beside.lower())) <= set(rules["signing"]):
            return day
    return ""


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
