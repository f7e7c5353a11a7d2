"""What is written right behind a name, and of a medication right before it ("40 mg of", "oral").

Of a medication dose, unit, route, frequency and duration; of a test value, unit, flag and reference range.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.mentions import Attribute, AttributeKind, Mention
from clinical.extraction.sentences import sentences_of
from clinical.extraction.times import find_times
from clinical.extraction.words import required, table, text_of

_REACH = 90  # characters behind a name in which its numbers may stand
_AHEAD = 40  # and before it
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SAID = (
    "level|count|is|was|were|of|at|to|up|down|on|today|about|approximately|now|today's|achieved|calculated|measured"
    "|estimated|found"
)
_BETWEEN = rf"[\s:=,]*(?:\([^()\n]{{0,12}}\)\s*)?(?:(?:{_SAID})\b\s*[:=]?\s*){{0,4}}"
_PRN = r"(?:[\s,]+(?P<prn>prn|p\.r\.n\.?|as needed))?"


@dataclass(frozen=True)
class _Place:
    """A mention from `start` to `end`, the words around it from `low` to `high`, and where the next mention begins."""

    low: int
    start: int
    end: int
    high: int
    next: int


def _one_of(table_: dict[str, list[str]]) -> str:
    written = sorted((word for words in table_.values() for word in words), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in written)


@cache
def _canonical(group: str) -> dict[str, str]:
    return {" ".join(word.lower().split()): name for name, words in table("units")[group].items() for word in words}


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    units = table("units")
    frequency = _one_of(units["frequency"])
    return {
        "dose": re.compile(
            rf"(?<![\w./])(?P<dose>(?:{_NUMBER})(?:\s?[-/]\s?(?:{_NUMBER}))?)\s*-?\s*(?P<unit>{_one_of(units['dose'])})(?![a-z])",
            re.I,
        ),
        "route": re.compile(rf"(?<![\w])(?P<route>{_one_of(units['route'])})(?![\w])", re.I),
        "frequency": re.compile(
            rf"(?<![\w])(?:(?P<every>q\.?\s?(?P<hours>\d{{1,2}}(?:\s?-\s?\d{{1,2}})?)\s?h(?:r|rs|ours?)?\b|every\s+(?P<long>\d{{1,2}}(?:\s?(?:-|to)\s?\d{{1,2}})?)\s+h(?:ou)?rs?\b)"
            rf"|(?P<plain>{frequency})(?![\w])){_PRN}",
            re.I,
        ),
        "value": re.compile(
            rf"{_BETWEEN}(?P<value>[<>]?\s?(?:(?:{_NUMBER})(?:\s?[-/]\s?(?:{_NUMBER}))?|(?:positive|negative|normal|elevated|low|high)(?![\w])))(?![\w/.-]*\d)"
            rf"(?:\s*(?P<unit>{_one_of(units['value'])})(?![a-z]))?",
            re.I,
        ),
        "flag": re.compile(rf"[\s,]?\s*[(\[]?(?P<flag>{_one_of(units['flag'])})[)\]]?(?![\w/%°*])"),
        "range": re.compile(
            rf"[\s,;]*[(\[]\s?(?:{_one_of(units['range'])})?[\s:=,]*(?P<range>[<>≤≥]\s?(?:{_NUMBER})"
            rf"|(?:{_NUMBER})\s?(?:-|–|to)\s?(?:{_NUMBER}))[^()\[\]\n]{{0,12}}[)\]]",
            re.I,
        ),
        "of": re.compile(r"[\s-]*(?:of\s+)?(?:the\s+)?"),
    }


def _frequency(found: re.Match[str]) -> str:
    hours = found["hours"] or found["long"]
    if hours:
        written = f"q{re.sub(r'[^0-9]+', '-', hours)}h"
    else:
        written = _canonical("frequency")[" ".join(found["plain"].lower().split())]
    return f"{written} prn" if found["prn"] and written != "prn" else written


def _squeezed(found: re.Match[str], group: str) -> str:
    return "".join(found[group].lower().split())


def _named(found: re.Match[str], group: str, table_: str) -> str:
    return _canonical(table_)[" ".join(found[group].lower().split())]


def _of(found: re.Match[str], kind: AttributeKind, value: str, group: str | int) -> Attribute:
    return Attribute(kind, value, *found.span(group))


def _of_medication(text: str, own: _Place) -> Iterator[Attribute]:
    """Dose, unit and route stand behind the name, or else right before it; a duration before another mention does."""
    patterns = _patterns()
    before = own.start
    route = patterns["route"].search(text, own.end, own.high)
    if not route and (route := _ahead("route", text, own.low, before)):
        before = route.start()
    if dose := patterns["dose"].search(text, own.end, own.high) or _ahead("dose", text, own.low, before):
        yield _of(dose, "dose", _squeezed(dose, "dose"), "dose")
        yield _of(dose, "unit", _named(dose, "unit", "dose"), "unit")
    if route:
        yield _of(route, "route", _named(route, "route", "route"), "route")
    if frequency := patterns["frequency"].search(text, own.end, own.high):
        yield _of(frequency, "frequency", _frequency(frequency), 0)
    for time in find_times(text[own.end : min(own.high, own.next)]):
        if time.kind == "duration":
            yield Attribute("duration", time.value, own.end + time.start, own.end + time.end)
            return


def _ahead(kind: str, text: str, low: int, high: int) -> re.Match[str] | None:
    """The last match before a name, where nothing but "of" stands between."""
    found = [*_patterns()[kind].finditer(text, low, high)][-1:]
    return next((own for own in found if _patterns()["of"].fullmatch(text, own.end(), high)), None)


def _of_test(text: str, own: _Place) -> Iterator[Attribute]:
    patterns = _patterns()
    found = patterns["value"].match(text, own.end, own.high)
    if not found:
        return
    yield _of(found, "value", _squeezed(found, "value"), "value")
    if found["unit"]:
        yield _of(found, "unit", _named(found, "unit", "value"), "unit")
    end = found.end()
    if flag := patterns["flag"].match(text, end, own.high):
        yield _of(flag, "flag", _named(flag, "flag", "flag"), "flag")
        end = flag.end()
    if limits := patterns["range"].match(text, end, own.high):
        yield _of(limits, "range", re.sub(r"to|–", "-", _squeezed(limits, "range")), "range")
        if not flag and (late := patterns["flag"].match(text, limits.end(), own.high)):
            yield _of(late, "flag", _named(late, "flag", "flag"), "flag")


_READERS = {"medication": _of_medication, "test": _of_test}


def clinical_attributes(doc: Doc) -> Doc:
    """Gives each medication and test of `doc._.mentions` its attributes."""
    mentions: tuple[Mention, ...] = required(doc, "mentions")
    text = text_of(doc)
    told: list[Mention] = []
    free = 0  # where the words begin that belong to no other name
    for mention, place in zip(mentions, _places(mentions, sentences_of(doc)), strict=True):
        read = _READERS.get(mention.kind)
        found = tuple(read(text, replace(place, low=max(free, place.low)))) if read else ()
        told.append(replace(mention, attributes=found))
        free = max(free, mention.end, *(one.end for one in found))
    doc._.mentions = tuple(told)
    return doc


def _places(mentions: tuple[Mention, ...], sentences: tuple[tuple[int, int], ...]) -> list[_Place]:
    """Where the attributes of each mention may stand: in its sentence, and before the next medication or test."""
    places: list[_Place] = []
    following = after = sentences[-1][1] if sentences else 0
    index = len(sentences) - 1
    for mention in reversed(mentions):
        while index > 0 and sentences[index][0] > mention.start:
            index -= 1
        start, end = sentences[index]
        low, high = max(start, mention.start - _AHEAD), min(end, following, mention.end + _REACH)
        places.append(_Place(low, mention.start, mention.end, high, after))
        after = mention.start
        following = mention.start if mention.kind in _READERS else following
    return places[::-1]


Language.component(
    "clinical_attributes",
    requires=["doc._.mentions", "doc._.sentences"],
    assigns=["doc._.mentions"],
    func=clinical_attributes,
)
