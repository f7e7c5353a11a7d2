"""The value of a test: the number behind its name, unless it is a time, a change, a goal, an amount that is given, or
the number of something else (tables/tests.toml). No value is better than a wrong one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from clinical.extraction.times import find_times
from clinical.extraction.units import NUMBER, any_of, named, one_of
from clinical.extraction.words import table

_SAID = (
    "level|count|is|was|were|of|at|to|up|down|on|today|about|approximately|now|today's|achieved|calculated|measured"
    "|estimated|found"
)
_UNSEEN = "\u00ad\u200b-\u200f\u2060\ufeff"  # print nothing: a number goes on behind them
_BETWEEN = rf"\)?[\s:=,]*(?:\([^()\n]{{0,12}}\)\s*)?(?:(?:{_SAID})\b\s*[:=]?\s*){{0,4}}"
_WORDS = "positive|negative|normal|elevated|low|high"
_TIMES = 2  # that may stand between a name and its value: "on 3/14 at 6 PM"
_YEAR = re.compile(r"(?:of )?\d{4}")  # alone it may as well be a number
_OF_PAIR = re.compile(r"[^\d\s]/\Z")  # "Na/K 140/4.1": which is which is not said
_CHANGE = re.compile(r"\b(?:up|down)\b(?!.*\b(?:to|at)\b)", re.I | re.S)


@dataclass(frozen=True)
class Place:
    """A mention from `start` to `end`, the words around it from `low` to `high`, and where the next mention begins."""

    concept: str
    low: int
    start: int
    end: int
    high: int
    next: int


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    units, times, refused = table("units"), table("relations"), table("tests")["refused"]
    month = times["pieces"]["month"]
    counted = any_of(unit for unit in times["amount"]["units"] if len(unit) > 1)  # "H" is high
    steady = rf"(?:\s+(?:{any_of(refused['steady'])}))*\s*[:=]?\s*\Z"
    amounts = one_of({unit: units["dose"][unit] for unit in refused["given"]})
    return {
        "between": re.compile(_BETWEEN, re.I),
        "value": re.compile(
            rf"{_BETWEEN}(?P<value>[<>]?\s?(?:(?:{NUMBER})(?:\s?[-/]\s?(?:{NUMBER}))?|(?:{_WORDS})(?!\w)))"
            rf"(?![\w/.,{_UNSEEN}-]*\d|\s+(?:out\s+)?of\b|\s*:|\s\d{{3}}(?![\w/-]|\.\d)|\s?-?(?:st|nd|rd|th|x|{counted})(?![\w/]))"
            rf"(?:(?!(?<=\d)s\b)\s*(?P<unit>{one_of(units['value'])})(?![a-z]))?",
            re.I,
        ),
        "clock": re.compile(
            r"(?:(?:at|on|by|around|from)\s+|@\s?)?(?:\d{1,2}(?::\d\d)?\s?[ap]\.?m\b\.?|(?<!\d)\d{1,2}:\d\d(?!\d)"
            r"|(?<=at )[0-2]\d[0-5]\d(?!\d)|(?<=on )\d{1,2}/\d{1,2}(?![/\d])"
            rf"|\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{month}(?!\w))",
            re.I,
        ),
        "aims": re.compile(rf"(?<![\w-])(?:{any_of(refused['aims'])}){steady}", re.I),
        "bounds": re.compile(rf"(?<![\w-])(?:{any_of(refused['bounds'])}){steady}", re.I),
        "wanted": re.compile(rf"\s*(?:(?:is|as|the|his|her)\s)*(?:{any_of(refused['wanted'])})\b", re.I),
        "amount": re.compile(rf"\s?-?(?:{amounts})(?![\w/%]|\s+per\b)", re.I),
        "given": re.compile(rf"\s+(?:{one_of(units['frequency'])}|{one_of(units['route'])})(?!\w)", re.I),
    }


def value_of(text: str, own: Place) -> re.Match[str] | None:
    """The value of the test at this place, as groups "value" and "unit"; None where there is none."""
    found = _behind_times(text, own.end, own.high)
    if found is None or _OF_PAIR.search(text, max(0, own.start - 2), own.start):
        return None
    patterns, value = _patterns(), found["value"]
    aims = ["aims", *(["bounds"] if value[0] in "<>" else [])]
    wanted = any(patterns[aim].search(text, own.low, own.start) for aim in aims) or patterns["wanted"].match(
        text, found.end()
    )
    change = _CHANGE.search(text, own.end, found.start("value"))
    other = any(map(str.isdigit, value)) and (_is_other(value, own.concept) or _is_given(text, found))
    return None if wanted or change or other else found


def _behind_times(text: str, start: int, high: int) -> re.Match[str] | None:
    """The first value that is no time itself; at most two times may stand in front of it."""
    found = _patterns()["value"].match(text, start, high)
    if not any(map(str.isdigit, text[start:high])):
        return found
    spans = _times(text, start, high)
    for _ in range(_TIMES + 1):
        time = next((own for own in spans if own[1] > start), None)
        if time is None or (found and found.start("value") < time[0]):
            return found
        if time[0] > start and not _patterns()["between"].fullmatch(text, start, time[0]):
            return None
        start = time[1]
        found = _patterns()["value"].match(text, start, high)
    return None


def _times(text: str, start: int, high: int) -> list[tuple[int, int]]:
    """The dates, durations and hours of a stretch, in order."""
    told = [(start + own.start, start + own.end) for own in find_times(text[start:high])]
    told = [span for span in told if not _YEAR.fullmatch(text[slice(*span)].strip().lower())]
    return sorted([*told, *(found.span() for found in _patterns()["clock"].finditer(text, start, high))])


def _is_other(value: str, concept: str) -> bool:
    """Whether this test has no number for a result, or only one where the value has two."""
    known = table("tests")
    if concept in known["words"]["tests"]:
        return True
    return "/" in value and any(row["test"] == concept and not row.get("pair") for row in known["step"])


def _is_given(text: str, found: re.Match[str]) -> bool:
    """Whether an amount that a patient takes is meant: "potassium 20 mEq", "magnesium 2 g IV"."""
    patterns = _patterns()
    if not found["unit"]:
        return patterns["amount"].match(text, found.end("value")) is not None
    return named(found["unit"], "value") == "g" and patterns["given"].match(text, found.end()) is not None


def unit_of(found: re.Match[str], concept: str) -> str:
    """The unit behind a value; "" where there is none, or its letters mean something else behind this test."""
    unit = named(found["unit"], "value") if found["unit"] else ""
    of: dict[str, list[str]] = table("tests")["units"]
    return unit if concept in of.get(unit, [concept]) else ""
