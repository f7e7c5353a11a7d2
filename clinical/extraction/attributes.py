"""What is written right behind a name, and of a medication right before it ("40 mg of", "oral").

Of a medication dose, unit, route, frequency and duration; of a test value, unit, flag and reference range.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

from spacy.language import Language
from spacy.tokens import Doc

from clinical.extraction.mentions import Attribute, AttributeKind, Mention
from clinical.extraction.sentences import sentences_of
from clinical.extraction.times import find_times
from clinical.extraction.units import NUMBER, any_of, named, one_of, plain_number
from clinical.extraction.values import Place, unit_of, value_of
from clinical.extraction.words import not_yet, required, table, text_of

_REACH = 90  # characters behind a name in which its numbers may stand
_AHEAD = 40  # and before it
_PRN = r"(?:[\s,]+(?P<prn>prn|p\.r\.n\.?|as needed))?"
# Between a name and a dose: words behind which another drug is meant, or may be. Behind a dose: what it is a dose of.
_ANOTHER = re.compile(r"(?<!\w)(?:and|plus|but|then|also)(?!\w)|[;&+]", re.I)
_MAYBE = re.compile(r",|\bor\b", re.I)
_CUT = re.compile(r"\d[, ]")  # in front of a number that is only the end of another: "1 000"
_OF = re.compile(r"\s*of\s+(?!it\b|this\b)\w", re.I)


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    units = table("units")
    frequency, route = one_of(units["frequency"]), one_of(units["route"])
    return {
        "dose": re.compile(
            rf"(?<![\w./])(?P<dose>(?:{NUMBER})(?:\s?[-/]\s?(?:{NUMBER}))?)\s*-?\s*(?P<unit>{one_of(units['dose'])})(?![a-z]|/[a-z])",
            re.I,
        ),
        "route": re.compile(rf"(?<![\w])(?P<route>{route})(?![\w])", re.I),
        "frequency": re.compile(
            rf"(?<![\w])(?:(?P<every>q\.?\s?(?P<hours>\d{{1,2}}(?:\s?-\s?\d{{1,2}})?)\s?h(?:r|rs|ours?)?\b|every\s+(?P<long>\d{{1,2}}(?:\s?(?:-|to)\s?\d{{1,2}})?)\s+h(?:ou)?rs?\b)"
            rf"|(?P<plain>{frequency})(?![\w])){_PRN}",
            re.I,
        ),
        "flag": re.compile(rf"[\s,]?\s*[(\[]?(?P<flag>{one_of(units['flag'])})[)\]]?(?![\w/%°*])"),
        "range": re.compile(
            rf"[\s,;]*[(\[]\s?(?:{any_of(units['range']['words'])})?[\s:=,]*(?P<range>[<>≤≥]\s?(?:{NUMBER})"
            rf"|(?:{NUMBER})\s?(?:-|–|to)\s?(?:{NUMBER}))[^()\[\]\n]{{0,12}}[)\]]",
            re.I,
        ),
        "changed": re.compile(r"\bfrom\s+\Z", re.I),
        "to": re.compile(r"[\w\s,]{0,24}?\bto\s+\Z|\s*(?:→|-{1,2}>)\s*\Z", re.I),
        "of": re.compile(r"[\s-]*(?:of\s+)?(?:the\s+)?"),
        "next": re.compile(rf"(?:[\s-]|(?:of|the|{route})(?!\w))*", re.I),
    }


def begins_dose(text: str, at: int) -> bool:
    """Whether a number with a unit of medication begins here."""
    return _patterns()["dose"].match(text, at) is not None


def _frequency(found: re.Match[str]) -> str:
    hours = found["hours"] or found["long"]
    written = f"q{re.sub(r'[^0-9]+', '-', hours)}h" if hours else named(found["plain"], "frequency")
    return f"{written} prn" if found["prn"] and written != "prn" else written


def _of(found: re.Match[str], kind: AttributeKind, value: str, group: str | int) -> Attribute:
    return Attribute(kind, value, *found.span(group))


def _of_medication(text: str, own: Place) -> Iterator[Attribute]:
    """Dose, unit and route stand behind the name, or else right before it; a duration before another mention does."""
    patterns = _patterns()
    before = own.start
    route = _own(patterns["route"].search(text, own.end, own.high), text, own)
    if not route and (route := _ahead(patterns["route"].finditer(text, own.low, before), text, before)):
        before = route.start()
    dose = _own(_new_dose(text, own.end, own.high), text, own)
    if dose := dose or _ahead(_doses(text, own.low, before), text, before):
        yield _of(dose, "dose", plain_number(dose["dose"]), "dose")
        yield _of(dose, "unit", named(dose["unit"], "dose"), "unit")
    if route:
        yield _of(route, "route", named(route["route"], "route"), "route")
    if frequency := patterns["frequency"].search(text, own.end, own.high):
        yield _of(frequency, "frequency", _frequency(frequency), 0)
    for time in find_times(text[own.end : min(own.high, own.next)]):
        if time.kind == "duration":
            yield Attribute("duration", time.value, own.end + time.start, own.end + time.end)
            return


def _own(found: re.Match[str] | None, text: str, own: Place) -> re.Match[str] | None:
    """What was found behind a name, unless it is said of another drug: "aspirin and 20 mg of lisinopril"."""
    if not found or _ANOTHER.search(text, own.end, found.start()) or _OF.match(text, found.end()):
        return None
    before_next = own.high == own.next and _patterns()["next"].fullmatch(text, found.end(), own.high)
    return None if before_next and _MAYBE.search(text, own.end, found.start()) else found


def _doses(text: str, low: int, high: int) -> Iterator[re.Match[str]]:
    """Numbers with a unit of medication; not the end of a number that cannot be read."""
    for found in _patterns()["dose"].finditer(text, low, high):
        if not _CUT.match(text, max(low, found.start() - 2), found.start()):
            yield found


def _new_dose(text: str, start: int, end: int) -> re.Match[str] | None:
    """The first dose, or the one that it was changed to: "from 500 mg to 1000 mg", "10 mg -> 20 mg"."""
    patterns = _patterns()
    first, following = [*islice(_doses(text, start, end), 2), None, None][:2]
    if not first or not following or not (to := patterns["to"].fullmatch(text, first.end(), following.start())):
        return first
    said = to[0].strip() in ("→", "->", "-->") or patterns["changed"].search(text, start, first.start())
    return following if said else first


def _ahead(found: Iterator[re.Match[str]], text: str, high: int) -> re.Match[str] | None:
    """The last of these before a name, where nothing but "of" stands between."""
    last = [*found][-1:]
    return next((own for own in last if _patterns()["of"].fullmatch(text, own.end(), high)), None)


def _of_test(text: str, own: Place) -> Iterator[Attribute]:
    patterns = _patterns()
    found = value_of(text, own)
    if not found:
        return
    yield _of(found, "value", plain_number(found["value"]), "value")
    unit = unit_of(found, own.concept)
    if unit:
        yield _of(found, "unit", unit, "unit")
    end = found.end() if unit else found.end("value")
    if flag := patterns["flag"].match(text, end, own.high):
        yield _of(flag, "flag", named(flag["flag"], "flag"), "flag")
        end = flag.end()
    if limits := patterns["range"].match(text, end, own.high):
        yield _of(limits, "range", re.sub(r"to|–", "-", plain_number(limits["range"])), "range")
        if not flag and (late := patterns["flag"].match(text, limits.end(), own.high)):
            yield _of(late, "flag", named(late["flag"], "flag"), "flag")


_READERS = {"medication": _of_medication, "test": _of_test}


def clinical_attributes(doc: Doc) -> Doc:
    """Gives each medication and test of `doc._.mentions` its attributes."""
    mentions: tuple[Mention, ...] = required(doc, "mentions")
    not_yet(doc, "asserted")
    text = text_of(doc)
    told: list[Mention] = []
    free = 0  # where the words begin that belong to no other name
    for mention, place in zip(mentions, _places(mentions, sentences_of(doc)), strict=True):
        read = _READERS.get(mention.kind)
        found = tuple(read(text, replace(place, low=max(free, place.low)))) if read else ()
        told.append(replace(mention, attributes=found))
        free = max(free, mention.end, *(one.end for one in found))
    doc._.mentions, doc._.attributes_read = tuple(told), True
    return doc


def _places(mentions: tuple[Mention, ...], sentences: tuple[tuple[int, int], ...]) -> list[Place]:
    """Where the attributes of each mention may stand: in its sentence, and before the next medication or test."""
    places: list[Place] = []
    following = sentences[-1][1] if sentences else 0
    after = following + 1  # no mention
    index = len(sentences) - 1
    for mention in reversed(mentions):
        while index > 0 and sentences[index][0] > mention.start:
            index -= 1
        start, end = sentences[index]
        low, high = max(start, mention.start - _AHEAD), min(end, following, mention.end + _REACH)
        places.append(Place(mention.concept, low, mention.start, mention.end, high, after))
        after = mention.start
        following = mention.start if mention.kind in _READERS else following
    return places[::-1]


Language.component(
    "clinical_attributes",
    requires=["doc._.mentions", "doc._.sentences"],
    assigns=["doc._.mentions", "doc._.attributes_read"],
    func=clinical_attributes,
)
