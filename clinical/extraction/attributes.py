"""Dose, route and frequency of a medication, value and unit of a test: what is written right behind the name."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.mentions import Mention
from clinical.extraction.sentences import sentences_of
from clinical.extraction.words import required, table, text_of

_REACH = 90  # characters behind a name in which its numbers may stand
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SAID = (
    "level|count|is|was|were|of|at|to|up|down|on|today|about|approximately|now|today's|achieved|calculated|measured"
    "|estimated|found"
)
_BETWEEN = rf"[\s:=,]*(?:\([^()\n]{{0,12}}\)\s*)?(?:(?:{_SAID})\b\s*[:=]?\s*){{0,4}}"
_PRN = r"(?:[\s,]+(?P<prn>prn|p\.r\.n\.?|as needed))?"


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
    }


def _frequency(found: re.Match[str]) -> str:
    hours = found["hours"] or found["long"]
    if hours:
        written = f"q{re.sub(r'[^0-9]+', '-', hours)}h"
    else:
        written = _canonical("frequency")[" ".join(found["plain"].lower().split())]
    return f"{written} prn" if found["prn"] and written != "prn" else written


def _of_medication(behind: str) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    if dose := _patterns()["dose"].search(behind):
        pairs.append(("dose", "".join(dose["dose"].split())))
        pairs.append(("unit", _canonical("dose")[" ".join(dose["unit"].lower().split())]))
    if route := _patterns()["route"].search(behind):
        pairs.append(("route", _canonical("route")[" ".join(route["route"].lower().split())]))
    if frequency := _patterns()["frequency"].search(behind):
        pairs.append(("frequency", _frequency(frequency)))
    return tuple(pairs)


def _of_test(behind: str) -> tuple[tuple[str, str], ...]:
    found = _patterns()["value"].match(behind)
    if not found:
        return ()
    pairs = [("value", "".join(found["value"].lower().split()))]
    if found["unit"]:
        pairs.append(("unit", _canonical("value")[" ".join(found["unit"].lower().split())]))
    return tuple(pairs)


_READERS = {"medication": _of_medication, "test": _of_test}


def clinical_attributes(doc: Doc) -> Doc:
    """Gives each medication and test of `doc._.mentions` its attributes."""
    mentions: tuple[Mention, ...] = required(doc, "mentions")
    text = text_of(doc)
    limits = _limits(mentions, [end for _, end in sentences_of(doc)])
    doc._.mentions = tuple(
        replace(mention, attributes=_READERS[mention.kind](text[mention.end : min(end, mention.end + _REACH)]))
        if mention.kind in _READERS
        else mention
        for mention, end in zip(mentions, limits, strict=True)
    )
    return doc


def _limits(mentions: tuple[Mention, ...], sentence_ends: list[int]) -> list[int]:
    """For each mention where its sentence ends, or the next medication or test begins, whichever is first."""
    limits: list[int] = []
    following = None
    place = len(sentence_ends) - 1
    for mention in reversed(mentions):
        while place > 0 and sentence_ends[place - 1] >= mention.end:
            place -= 1
        limits.append(min(sentence_ends[place], following if following is not None else sentence_ends[place]))
        if mention.kind in _READERS:
            following = mention.start
    return limits[::-1]


Language.component(
    "clinical_attributes",
    requires=["doc._.mentions", "doc._.sentences"],
    assigns=["doc._.mentions"],
    func=clinical_attributes,
)
