"""De-identification of HL7 v2 messages by rule: a segment or field that no rule names is dropped and counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from policies.files import table_of
from privacy.formats.er7 import STANDARD, Message, Segment, Separators, parse_message, write_segment
from privacy.formats.fhir_rules import fhir_table
from privacy.text.dates import OLDEST_AGE

if TYPE_CHECKING:
    from privacy.subject import Subject

_NULL = '""'  # HL7's "delete what you have": says nothing of the patient
_UNMISTAKABLE = 3  # a code this short is no identifier
_CODE = re.compile(r"[!-~µ°²³]{1,24}")
_SIMPLE_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
# A number, a range or a ratio; or one part of a structured number, such as its comparator.
_NUMBER = re.compile(rf"[<>=]{{0,2}}(?:{_SIMPLE_NUMBER}(?:[-:/+](?:{_SIMPLE_NUMBER})?)?|[-:/+.]?)")
_TYPE = re.compile(r"[A-Za-z]{1,5}")
_DATE = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)((?:\d\d){0,3})(?:\.\d{1,4})?([+-]\d{4})?)?)?")


def deidentify_message(message: str, subject: Subject) -> tuple[str, int]:
    """One message under the standard's separators with its fields kept, generalised or replaced.

    Lines of one observation or comment that follow each other are read as one text, so that a name broken over two
    lines is found.

    Returns: the message, its segments ended by a carriage return; and how many segments and fields were dropped.
    Raises:
        BrokenMessage: it cannot be taken apart.
    """
    parsed = parse_message(message)
    walk = _Walk(parsed, subject)
    lines = [line for group in _groups(parsed) for line in walk.group(group)]
    return "".join(f"{line}\r" for line in lines), walk.dropped


def note_of(message: Message) -> str:
    """The text that a message carries: its observations of text types and its comments, in order."""
    fields = ((segment, _text_field(message, segment)) for segment in message.segments)
    note = "\n".join(_lines(message, segment, number) for segment, number in fields if number)
    return note if note.strip() else ""


def hl7_table() -> Mapping[str, Any]:
    """The rules: by segment and field, by type of value, by observation; and the names of character sets."""
    return table_of("privacy", "tables/hl7")


class _Walk:
    """Goes through one message and counts what does not come through."""

    def __init__(self, message: Message, subject: Subject) -> None:
        self._message, self._subject = message, subject
        self._values = _Values(message.separators, subject)
        self.dropped = 0

    def group(self, segments: Sequence[Segment]) -> Iterator[str]:
        if segments[0].name not in hl7_table()["segments"]:
            self.dropped += len(segments)
            return
        texts: Sequence[str | None] = [None] * len(segments)
        if number := _text_field(self._message, segments[0]):
            texts = self._joint_text([_lines(self._message, segment, number) for segment in segments])
        for segment, text in zip(segments, texts, strict=True):
            yield write_segment(segment.name, self._fields(segment, number, text))

    def _fields(self, segment: Segment, text_field: int, text: str | None) -> list[str]:
        fields = []
        for number, field in enumerate(segment.fields, 1):
            if text is not None and number == text_field:
                fields.append(text)
                continue
            kept = self._field(segment, number, field)
            self.dropped += bool(field.strip()) and not kept
            fields.append(kept)
        return fields

    def _field(self, segment: Segment, number: int, field: str) -> str:
        rule = hl7_table()["segments"][segment.name].get(str(number), "")
        rule = _value_rule(self._message, segment) if rule == "value" else rule
        name, _, words = rule.partition(" ")
        if not rule or not field.strip() or field == _NULL:
            return _NULL if rule and field == _NULL else ""
        if name == "say":
            return str(words)
        kept = (self._values.apply(name, words, raw) for raw in self._message.repetitions(segment, number))
        return "~".join(value for value in kept if value)

    def _joint_text(self, texts: Sequence[str]) -> list[str]:
        """The texts of consecutive segments, searched as one; all in the first where the lines no longer match."""
        whole = "\n".join(texts)
        lines = self._subject.text(whole).split("\n") if whole.strip() else whole.split("\n")
        if len(lines) != whole.count("\n") + 1:
            return [STANDARD.encode("\n".join(lines)), *[""] * (len(texts) - 1)]
        rest = iter(lines)
        return [STANDARD.encode("\n".join(islice(rest, text.count("\n") + 1))) for text in texts]


class _Values:
    """The rules of the table, each from one repetition as it was written to what may leave, "" for nothing."""

    def __init__(self, separators: Separators, subject: Subject) -> None:
        self._separators, self._subject = separators, subject
        self._searched: dict[str, str] = {}
        self._rules: Mapping[str, Callable[[str], str]] = {
            "keep": self._keep, "number": self._number, "concept": self._concept, "text": self._text,
            "date": self._date, "birth_date": self._birth_date, "age": self._age, "identifier": self._identifier,
            "name": self._name, "staff": self._staff, "address": self._address, "telecom": self._telecom,
            "organisation": self._organisation,
        }  # fmt: skip

    def apply(self, rule: str, kind: str, raw: str) -> str:
        """One repetition by a rule of the table."""
        if rule == "code":
            value = self._parts(raw)[0]
            return self._subject.code(kind, value) if value else ""
        return self._rules[rule](raw)

    def _parts(self, raw: str, least: int = 1) -> list[str]:
        parts = [part.strip() for part in self._separators.components(raw)]
        return parts + [""] * (least - len(parts))

    def _keep(self, raw: str) -> str:
        return _written(part if self._is_code(part) else "" for part in self._parts(raw))

    def _number(self, raw: str) -> str:
        plain = raw.replace(" ", "")
        return self._keep(plain) if all(map(_NUMBER.fullmatch, self._parts(plain))) else ""

    def _concept(self, raw: str) -> str:
        """Code, text and system, and the alternate three (CE, CWE)."""
        pairs = zip(self._parts(raw, 6)[:6], (False, True, False) * 2, strict=True)
        parts = [self._search(part) if is_text else part * self._is_code(part) for part, is_text in pairs]
        return _written(parts) if any(parts[:2] + parts[3:5]) else ""

    def _text(self, raw: str) -> str:
        return STANDARD.encode(self._search(self._separators.decode(raw)))

    def _date(self, raw: str) -> str:
        return self._dated(raw, self._subject.date)

    def _birth_date(self, raw: str) -> str:
        return self._dated(raw, self._subject.birth_date)

    def _dated(self, raw: str, rule: Callable[[str], str | None]) -> str:
        found = _DATE.fullmatch(self._parts(raw)[0])
        if not found:
            return ""
        day, time, zone = "-".join(filter(None, found.groups()[:3])), found.group(4) or "", found.group(5) or ""
        kept = (rule(day) or "") if _is_date(day) else ""
        whole = len(kept) == len("2000-01-31")
        return kept.replace("-", "") + (time + zone if whole and time else "")

    def _age(self, raw: str) -> str:
        value = self._separators.decode(raw).strip()
        if re.fullmatch(r"\d{1,3}(?:\.\d+)?", value):
            return str(self._subject.age(int(float(value)))) if float(value) > OLDEST_AGE else value
        return self._text(raw)

    def _identifier(self, raw: str) -> str:
        parts = self._parts(raw, 5)
        kind = parts[4] if _TYPE.fullmatch(parts[4]) else ""
        return _written([self._subject.identifier(parts[0]), "", "", "", kind]) if parts[0] else ""

    def _name(self, raw: str) -> str:
        return _written(self._person(self._parts(raw)))

    def _staff(self, raw: str) -> str:
        number, *name = staff_parts(self._separators, raw)
        return _written([self._subject.code("Practitioner", number) if number else "", *self._person(name)])

    def _person(self, parts: Sequence[str]) -> list[str]:
        family, *given = [*parts[:3], ""]
        person = self._subject.name(family, [g for g in given if g]) if any(parts[:3]) else None
        return [person[0], *person[1][:2]] if person else []

    def _address(self, raw: str) -> str:
        _, _, city, state, postal_code, country = self._parts(raw, 6)[:6]
        kept = self._subject.area(state, city, postal_code)
        place = [kept.get("city", ""), kept.get("state", ""), kept.get("postalCode", "")]
        return _written(["", "", *place, country if _TYPE.fullmatch(country) else ""])

    def _telecom(self, raw: str) -> str:
        system, value = next(telecom_of(self._parts(raw)), ("", ""))
        kept = (self._subject.telecom(system, value) or "") if value else ""
        return _written(["", "", "", kept] if system == "email" else [kept])

    def _organisation(self, raw: str) -> str:
        value = self._parts(raw)[0]
        if value and self._subject.replaces_organisations:
            return self._subject.code("Organization", value)
        return STANDARD.encode(self._search(value))

    def _is_code(self, value: str) -> bool:
        short = len(value) <= _UNMISTAKABLE
        return _CODE.fullmatch(value) is not None and (short or not self._subject.find(value, tagged=False))

    def _search(self, value: str) -> str:
        if value not in self._searched:
            self._searched[value] = self._subject.text(value) if value.strip() else ""
        return self._searched[value]


def telecom_of(parts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """System (FHIR's word) and value of an XTN: its e-mail address, its number as one or from its parts."""
    number, _, kind, email, country, area, local, extension, *_ = [*parts, *[""] * 8]
    number = number or " ".join(filter(None, (country, area, local, extension)))
    yield from (("email", value) for value in dict.fromkeys((email, number)) if "@" in value)
    if number and "@" not in number:
        yield "fax" if kind == "FX" else "phone", number


def staff_parts(separators: Separators, raw: str) -> list[str]:
    """Id, family and given names of a person with an id (XCN), or of one inside a name with dates (NDL)."""
    first, _, _ = raw.partition(separators.component)
    whole = first.replace(separators.subcomponent, separators.component) if separators.subcomponent in first else raw
    return [part.strip() for part in separators.components(whole)]


def _groups(message: Message) -> Iterator[list[Segment]]:
    """Segments one by one, but consecutive lines of one text together."""

    def key(numbered: tuple[int, Segment]) -> tuple[str, object]:
        index, segment = numbered
        joined = _text_field(message, segment)
        return segment.name, segment.field(3) if joined and segment.name == "OBX" else joined or -index

    for _, group in groupby(enumerate(message.segments), key):
        yield [segment for _, segment in group]


def _text_field(message: Message, segment: Segment) -> int:
    """The number of the field that holds a line of a longer text, 0 where there is none."""
    if segment.name == "NTE":
        return 3
    return 5 if segment.name == "OBX" and _value_rule(message, segment) == "text" else 0


def _lines(message: Message, segment: Segment, number: int) -> str:
    return "\n".join(map(message.separators.decode, message.repetitions(segment, number)))


def _value_rule(message: Message, observation: Segment) -> str:
    table, asked = hl7_table(), message.separators.components(observation.field(3))
    unit = message.separators.components(observation.field(6))[0].strip().lower()
    own = [rule for code in asked[0:4:3] if (rule := table["observations"].get(code))]  # the code, and the other one
    if not own and fhir_table()["years"].get(unit) == 1 and observation.field(2) in ("NM", "SN"):
        own = ["age"]  # years that were counted may be years of life
    return str(own[0] if own else table["values"].get(observation.field(2), ""))


def _is_date(day: str) -> bool:
    try:
        date.fromisoformat(f"{day}-01-01"[:10])
    except ValueError:
        return False
    return True


def _written(parts: Iterator[str] | Sequence[str]) -> str:
    return "^".join(map(STANDARD.encode, parts)).rstrip("^")
