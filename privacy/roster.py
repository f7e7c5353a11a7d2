"""What a hospital already knows about one patient, as a recognizer for that patient's own notes.

Only the patient's own Patient resource may go in: a roster of other patients would let one patient's data shape
another's example, and the epsilon of training would be wrong.
"""

from __future__ import annotations

import re
from calendar import month_abbr
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from presidio_analyzer import EntityRecognizer, RecognizerResult

from privacy.identifiers import stop_words

SHORTEST_CODE = 4
SHORTEST_LONE_NAME = 3
_GAP = r"[\s.,'’-]{1,3}"
# A lone name before one of these is a thing of medicine, not a person.
_NOT_EPONYM = (
    r"(?!['’]?s?[ -](?:catheter|disease|syndrome|sign|test|maneuver|procedure|palsy|clamp|retractor|forceps|score|scale"
    r"|criteria|lymphoma|fracture|esophagus|ulcer|drain|tube|needle|suture|phenomenon|thyroiditis|bulb)s?\b)"
)
_BLANKS = r"[\s,.]+"
_LETTER = r"[^\W\d_]"


class Roster(EntityRecognizer):  # type: ignore[misc]
    """Finds what a Patient resource says of its patient, in the spellings that notes use.

    Args:
        known: pairs of a category and a regular expression.
    """

    def __init__(self, known: Iterable[tuple[str, str]], name: str = "roster") -> None:
        by_category: dict[str, list[str]] = {}
        for category, pattern in known:
            by_category.setdefault(category, []).append(pattern)
        self._patterns = {
            # At one place the first alternative wins, so whole names are handed in before their words.
            category: re.compile("|".join(dict.fromkeys(patterns)))
            for category, patterns in by_category.items()
        }
        super().__init__(supported_entities=sorted(by_category), name=name)

    def load(self) -> None:
        """Nothing to load; Presidio asks for the method."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: object = None) -> list[RecognizerResult]:
        """Findings of the known identifiers in `text`, each with score 1."""
        return [
            RecognizerResult(category, *match.span(), 1.0)
            for category, compiled in self._patterns.items()
            for match in compiled.finditer(text)
        ]


def roster_of(patient: Mapping[str, Any]) -> Roster:
    """The recognizer for one FHIR Patient resource; elements that it lacks are not looked for."""
    return Roster(_known(patient))


def names_roster(names: Iterable[str]) -> Roster:
    """A recognizer for the words of names that were found elsewhere in the same note."""
    found = {w for name in names for w in re.findall(rf"{_LETTER}[\w'’-]*", re.sub(r"['’]s\b", "", name))}
    words = sorted(found, key=lambda word: (-len(word), word))  # the same order in every process
    return Roster((("NAME", _lone(word)) for word in words if _may_stand_alone(word)), name="same note")


def _known(patient: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in patient.get("name", []):
        for pattern in _names(str(name.get("family", "")), [str(g) for g in name.get("given", [])]):
            yield "NAME", pattern
    for identifier in patient.get("identifier", []):
        value = str(identifier.get("value", ""))
        if len(_letters_and_digits(value)) >= SHORTEST_CODE:
            yield _identifier_category(identifier), _code(value)
    for contact in patient.get("telecom", []):
        yield from _telecom(str(contact.get("system", "")), str(contact.get("value", "")))
    for address in patient.get("address", []):
        yield from (("ADDRESS", pattern) for pattern in _address(address))
    yield from (("DATE", pattern) for pattern in _dates(str(patient.get("birthDate", ""))))


def _names(family: str, given: list[str]) -> Iterator[str]:
    """First last, last first, with and without middle names or initials, initials, and each name alone."""
    given = [g for g in given if g.strip(". ")]
    if family and given:
        first, last = _word(given[0]), _word(family)
        middle = [rf"(?:{_word(m)}|{re.escape(m[0])}\b)\.?" for m in given[1:]]
        between = "".join(f"(?:{m}{_GAP})?" for m in middle) or rf"(?:{_LETTER}\b\.?{_GAP})?"
        after = "".join(f"(?:{_GAP}{m})?" for m in middle)
        initials = "".join(rf"(?:{re.escape(m[0])}\.?[ ]?)?" for m in given[1:])
        start = rf"\b{re.escape(given[0][0])}"
        yield rf"(?i:\b{first}{_GAP}{between}{last}\b)"
        yield rf"(?i:\b{last}{_GAP}{first}\b{after})"
        yield rf"{start}\.?[ ]?{initials}(?<=[. ])(?i:{last})\b"
        yield rf"{start}\.[ ]?{initials}{re.escape(family[0])}\.(?!\w)"
    yield from (_lone(word) for word in [family, *given] if _may_stand_alone(word))


def _may_stand_alone(word: str) -> bool:
    return len(word) >= SHORTEST_LONE_NAME and word[0].isupper() and word.lower() not in stop_words()


def _word(name: str) -> str:
    """A name with any space, dash or apostrophe between its parts."""
    return r"[\s'’-]{0,2}".join(re.escape(piece) for piece in re.split(r"[\s'’-]+", name.strip()) if piece)


def _lone(name: str) -> str:
    """One name, or with initials: capitalised or all capitals, and not before a noun that makes it an eponym."""
    capitals = [name.upper()] if len(name) > SHORTEST_LONE_NAME else []  # Ana is a name, ANA a test of the blood
    spelled = "|".join(dict.fromkeys(map(_word, (name, name.capitalize(), *capitals))))
    return rf"\b(?:[A-Z]\.[ ]?){{0,2}}(?:{spelled})(?![\w])(?!-\w){_NOT_EPONYM}(?:[ ][A-Z]\.(?=\s))?"


def _letters_and_digits(value: str) -> str:
    return re.sub(r"[\W_]", "", value)


def _code(value: str) -> str:
    """A code with or without punctuation between its characters."""
    return r"(?<!\w)" + r"[-–./ ]?".join(map(re.escape, _letters_and_digits(value))) + r"(?!\w)"


def _identifier_category(identifier: Mapping[str, Any]) -> str:
    kinds = {c.get("code") for c in identifier.get("type", {}).get("coding", [])}
    system = str(identifier.get("system", "")).lower()
    table = {"SS": "SSN", "MR": "MRN", "DL": "LICENSE", "PPN": "LICENSE", "MB": "HEALTH_PLAN", "AN": "ACCOUNT"}
    named = [table[k] for k in sorted(k for k in kinds if k in table)]
    return named[0] if named else "SSN" if "ssn" in system else "MRN" if "mrn" in system else "ID"


def _telecom(system: str, value: str) -> Iterator[tuple[str, str]]:
    digits = re.sub(r"\D", "", value)
    if system in ("email", "url") and value:
        yield system.upper(), rf"(?i:{re.escape(value)})"
    elif len(digits) >= 7:
        apart = r"[\s().–/-]{0,3}".join(digits[-10:])
        yield "FAX" if system == "fax" else "PHONE", rf"(?<!\d)(?:\+?\d{{1,3}}[\s.-]?)?\(?{apart}(?!\d)"


def _address(address: Mapping[str, Any]) -> Iterator[str]:
    lines = [str(line) for line in address.get("line", [])]
    city = str(address.get("city", ""))
    for value in [*lines, city]:
        if len(value) >= SHORTEST_CODE:
            words = (re.escape(word) for word in re.split(r"[\s,.]+", value) if word)
            yield rf"(?i:\b{_BLANKS.join(words)}\b)"
    zip_code = str(address.get("postalCode", ""))
    if len(zip_code) >= 5:
        yield rf"(?<!\d){re.escape(zip_code[:5])}(?:-?\d{{4}})?(?!\d)"


def _dates(birth_date: str) -> Iterator[str]:
    """The birth date in digits and words, with its year or without."""
    if not (found := re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", birth_date)):
        return
    year, month, day = found.groups()
    m, d, y = rf"0?{int(month)}", rf"0?{int(day)}", rf"(?:{year}|{year[2:]})"
    separator = r"[\s/.\u2013-]"
    yield rf"(?<![\d/.-])(?:{m}{separator}{d}|{d}{separator}{m}){separator}{y}(?![\d/]|[.-]\d)"
    yield rf"(?<![\d/.-])(?:{year}{separator}?{month}{separator}?{day}|{month}{day}{year}|{day}{month}{year})(?!\d)"
    if not (1 <= int(month) <= 12):
        return
    name = month_abbr[int(month)]
    yield rf"(?i:\b{name}[a-z]{{0,6}}\.?\s{d}(?:st|nd|rd|th)?(?:,?\s{y})?\b)"
    yield rf"(?i:\b{d}(?:st|nd|rd|th)?(?:\sof)?[\s-]{name}[a-z]{{0,6}}\.?(?:,?[\s-]{y})?\b)"
