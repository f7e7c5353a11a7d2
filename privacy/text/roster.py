"""What a hospital already knows about one patient, as a recognizer for that patient's own notes.

Only the patient's own Patient resource may go in: a roster of other patients would let one patient's data shape
another's example, and the epsilon of training would be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

from privacy.text.ages import ages_in, known_ages
from privacy.text.calendar_days import days
from privacy.text.names import SHORTEST_LONE_NAME, Names, name_words, street_words, words
from privacy.text.normalise import Folded, fold, fold_word
from privacy.text.presidio import EntityRecognizer, RecognizerResult

SHORTEST_CODE = 4
SHORTEST_PHONE = 7
_CODE_GAP = re.compile(r"[-–./ _]?|-?\r?\n[ \t]*")
_COUNTRY = re.compile(r"(?:\+?\d{1,3}[ .-]?)?\($|\+\d{1,3}[ .-]?$|\+$")
_LAST_FOUR = re.compile(r"[-–]\d{4}(?!\d)")
_WORD_GAP = re.compile(r"[\W_]{0,4}")
_INITIALS = re.compile(
    r"(?<![\w.])(?:(?P<context>(?i:\b(?:pt|patient|initials|name|mr|mrs|ms|miss|mx)\b)[.:]{0,2}[ ]{1,2}))?"
    r"(?P<letters>[A-Z]\.?[ ]?(?:[A-Z]\.?[ ]?)?[A-Z]\b\.?)(?![\w'’/-])"
)
_SHORT = {long: short for long, *rest in street_words() for short in rest}
_LONG = {short: long for long, *rest in street_words() for short in rest}


@dataclass(frozen=True)
class Code:
    """A folded value that is looked for with punctuation between its characters.

    Args:
        kind: "code" (one mark between characters), "words" (several), "phone" (digits), "place" (a capitalised word),
            "postal" (with or without the last four digits).
    """

    category: str
    key: str
    kind: str = "code"


class Roster(EntityRecognizer):  # type: ignore[misc]
    """Finds what is known of one patient in the patient's notes, in the spellings that notes use.

    Args:
        names: the words of the names of the patient and the patient's relatives and doctors.
        initials: pairs of first letters of a given and a family name, in upper case.
        codes: numbers, addresses and other values.
        dates: year, month and day of birth and death.
        ages: over 89, as `privacy.text.ages` gives them.
    """

    def __init__(
        self,
        names: Names,
        initials: Iterable[str] = (),
        codes: Iterable[Code] = (),
        dates: Iterable[tuple[int, int, int]] = (),
        *,
        ages: range = range(0),
        name: str = "roster",
    ) -> None:
        self._names, self._initials, self._ages = names, frozenset(initials), ages
        self._codes, self._dates = tuple(dict.fromkeys(codes)), frozenset(dates)
        categories = {"NAME", "DATE", "AGE", *(code.category for code in self._codes)}
        super().__init__(supported_entities=sorted(categories), name=name)

    def load(self) -> None:
        """Nothing to load; Presidio asks for the method."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        """Findings of the known identifiers in `text`, each with score 1."""
        return [RecognizerResult(category, start, end, 1.0) for category, start, end in self._find(text)]

    def _find(self, text: str) -> Iterator[tuple[str, int, int]]:
        folded = fold(text)
        yield from (("NAME", *span) for span in self._names.find(text, folded))
        if self._initials:
            yield from (("NAME", *span) for span in _initials(text, self._initials))
        for code in self._codes:
            yield from ((code.category, *span) for span in _places_of(code, text, folded))
        if self._dates:
            yield from (("DATE", *span) for span, readings in days(text) if not self._dates.isdisjoint(readings))
        yield from (("AGE", *span) for span in ages_in(text, self._ages))


def roster_of(patient: Mapping[str, Any], as_of: int | None = None) -> Roster:
    """The recognizer for one FHIR Patient resource; elements that it lacks are not looked for.

    Args:
        as_of: the year in which ages are counted; this year if not given.
    """
    names = list(_names(patient))
    dates = (_date(str(patient.get(key, ""))) for key in ("birthDate", "deceasedDateTime"))
    known = {word: apart for family, given in names for word, apart in name_words(family, given)}
    first = frozenset(n[0].upper() for family, given in names for n in [family, *given] if n)
    own = names[: len(_list(patient, "name"))]
    initials = {given[0][0].upper() + family[0].upper() for family, given in own if family and given}
    ages = known_ages(patient, as_of or date.today().year)
    return Roster(Names(known, first), initials, _codes(patient), (d for d in dates if d), ages=ages)


def names_roster(names: Iterable[str]) -> Roster:
    """A recognizer for the words of names that were found elsewhere in the same note.

    A word counts in lower case only where it was found so: a name typed with a capital is mostly typed with it again.
    """
    found = [w for name in names for w in re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"['’]s\b", "", name))]
    lower = frozenset(fold_word(w) for w in found if w[0].islower())
    known = {fold_word(w): False for w in found if not w[0].islower() or len(w) > SHORTEST_LONE_NAME}
    wanted = {w: apart for w, apart in known.items() if len(w) > 1 and w not in words("names", "titles")}
    return Roster(Names(wanted, lower=lower), name="same note")


def _list(resource: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    value = resource.get(key) or []
    return [item for item in ([value] if isinstance(value, Mapping) else value) if isinstance(item, Mapping)]


def _names(patient: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Family and given names: the patient's own first, then those of relatives and doctors."""
    yield from (_name(name) for name in _list(patient, "name"))
    yield from (_name(name) for contact in _list(patient, "contact") for name in _list(contact, "name"))
    for doctor in _list(patient, "generalPractitioner"):
        yield _written(str(doctor.get("display", "")))
    for link in _list(patient, "link"):
        yield from (_written(str(other.get("display", ""))) for other in _list(link, "other"))
    for extension in _list(patient, "extension"):
        if str(extension.get("url", "")).endswith("mothersMaidenName"):
            yield str(extension.get("valueString", "")), []


def _name(name: Mapping[str, Any]) -> tuple[str, list[str]]:
    family, given = str(name.get("family") or ""), [str(g) for g in name.get("given") or []]
    return (family, [g for g in given if g.strip(". ")]) if family or given else _written(str(name.get("text") or ""))


def _written(name: str) -> tuple[str, list[str]]:
    """A name in one string, with the family name last or before a comma."""
    last, comma, first = name.partition(",")
    found = [w for w in (first + " " + last if comma else name).split() if fold_word(w) not in words("names", "titles")]
    found = [w.strip(".,") for w in found if fold_word(w)]
    return (found[-1], found[:-1]) if found else ("", [])


def _codes(patient: Mapping[str, Any]) -> Iterator[Code]:
    for identifier in _list(patient, "identifier"):
        value = fold_word(str(identifier.get("value") or ""))
        key = value.lstrip("0") if value.isdigit() else value
        if len(key) >= SHORTEST_CODE:
            yield Code(_identifier_category(identifier), key)
    for holder in [patient, *_list(patient, "contact")]:
        for contact in _list(holder, "telecom"):
            yield from _telecom(str(contact.get("system") or ""), str(contact.get("value") or ""))
        for address in _list(holder, "address"):
            yield from _address(address)
    yield from _photographs(patient)
    for extension in _list(patient, "extension"):
        yield from (code for address in _list(extension, "valueAddress") for code in _address(address))


def _photographs(patient: Mapping[str, Any]) -> Iterator[Code]:
    for photo in _list(patient, "photo"):
        for value in (str(photo.get("title") or ""), str(photo.get("url") or "").rpartition("/")[2]):
            if len(key := fold_word(value)) >= SHORTEST_CODE and any(c.isdigit() for c in key):
                yield Code("PHOTO", key, "words")


def _identifier_category(identifier: Mapping[str, Any]) -> str:
    coded = identifier.get("type") or {}
    kinds = {c.get("code") for c in _list(coded, "coding")}
    system = str(identifier.get("system", "")).lower()
    table = {"SS": "SSN", "MR": "MRN", "DL": "LICENSE", "PPN": "LICENSE", "MB": "HEALTH_PLAN", "AN": "ACCOUNT"}
    named = [table[k] for k in sorted(k for k in kinds if k in table)]
    return named[0] if named else "SSN" if "ssn" in system else "MRN" if "mrn" in system else "ID"


def _telecom(system: str, value: str) -> Iterator[Code]:
    digits = re.sub(r"\D", "", value.partition("x")[0])
    if system in ("email", "url") and value:
        yield Code(system.upper(), fold_word(value), "words")
        spelled = value.replace("@", " at ").replace(".", " dot ")
        yield Code(system.upper(), fold_word(spelled), "words")
    elif len(digits) >= SHORTEST_PHONE:
        category = "FAX" if system == "fax" else "PHONE"
        yield Code(category, digits[-10:].lstrip("0"), "phone")
        if len(digits) >= 10:
            yield Code(category, digits[-SHORTEST_PHONE:], "phone")


def _address(address: Mapping[str, Any]) -> Iterator[Code]:
    for line in [str(x) for x in address.get("line") or []]:
        pieces = [fold_word(w) for w in line.split()]
        short, long = ([table.get(w, w) for w in pieces] for table in (_SHORT, _LONG))
        numbered = len(pieces) > 2 and pieces[0][:1].isdigit()
        for variant in [pieces, short, long, *([pieces[:-1]] if numbered and pieces[-1] in {*_SHORT, *_LONG} else [])]:
            if len(key := "".join(variant)) >= SHORTEST_CODE:
                yield Code("ADDRESS", key, "words")
    for place in (str(address.get("city") or ""), str(address.get("district") or "")):
        if len(key := fold_word(place)) >= SHORTEST_CODE:
            yield Code("ADDRESS", key, "place")
    postal = fold_word(str(address.get("postalCode") or ""))
    if len(postal) >= 5:
        yield Code("ADDRESS", postal[:5] if postal.isdigit() else postal, "postal")


def _date(value: str) -> tuple[int, int, int] | None:
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)", value)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _initials(text: str, known: frozenset[str]) -> Iterator[tuple[int, int]]:
    """Initials with points, or after a word that announces a person; abbreviations of medicine need that word."""
    for match in _INITIALS.finditer(text):
        letters = match["letters"]
        plain = re.sub(r"\W", "", letters)
        pointed = letters.count(".") >= len(plain) and plain.lower() not in words("words", "abbreviations")
        if plain[0] + plain[-1] in known and (match["context"] or pointed):
            yield match.span("letters")


def _places_of(code: Code, text: str, folded: Folded) -> Iterator[tuple[int, int]]:
    found = _within_words(code.key, folded) if code.kind in ("code", "phone") else folded.find(code.key)
    shape = _CODE_GAP if code.kind == "code" else _WORD_GAP
    for first, last in found:
        start, end = folded.spans[first][0], folded.spans[last - 1][1]
        gaps = [(a[1], b[0]) for a, b in pairwise(folded.spans[first:last])]
        if all(shape.fullmatch(text, *gap) for gap in gaps) and _looks_like(code.kind, text[start:end]):
            before = _COUNTRY.search(text[max(0, start - 6) : start]) if code.kind == "phone" else None
            after = _LAST_FOUR.match(text, end) if code.kind == "postal" else None
            yield start - len(before[0]) if before else start, after.end() if after else end


def _within_words(key: str, folded: Folded) -> Iterator[tuple[int, int]]:
    """Ranges of words that hold the key, with at most letters or zeros before it and no more digits after it."""
    at = folded.text.find(key)
    while at >= 0:
        first, last = folded.word_at(at), folded.word_at(at + len(key) - 1) + 1
        before = folded.text[folded.starts[first] : at]
        after = folded.text[at + len(key) : folded.starts[last]]
        if not after and (not before or (key.isdigit() and (before.isalpha() or not before.strip("0")))):
            yield first, last
        at = folded.text.find(key, at + 1)


def _looks_like(kind: str, found: str) -> bool:
    if kind == "phone":  # seven digits run together are any number
        return len(found) > SHORTEST_PHONE
    return kind != "place" or not found[0].islower()
