"""The people whom an HL7 v2 message names, in the shape of FHIR resources (the HL7 v2-to-FHIR guide's mapping)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from privacy.formats.er7 import Message, Segment
from privacy.formats.hl7 import hl7_table, staff_parts, telecom_of

_RECORD_NUMBERS = ("MR", "MRN", "PI")
_GENDERS = {"F": "female", "M": "male", "O": "other"}
# Segment and field of every number of the patient, with its type (table 0203) where the field itself says it.
_NUMBERS = (
    ("PID", 3, ""), ("PID", 2, ""), ("PID", 4, ""), ("PID", 18, "AN"), ("PID", 19, "SS"), ("PID", 20, "DL"),
    ("PV1", 19, "VN"), ("PV1", 50, ""), ("IN1", 36, "MB"), ("IN1", 49, "MB"),
)  # fmt: skip
# Name, address and telecom fields of the segments that each name one other person.
_OTHERS = {"NK1": (2, 4, (5, 6)), "GT1": (3, 5, (6, 7)), "IN1": (16, 19, ())}


def patient_of(message: Message) -> dict[str, Any]:
    """What one message says of its patient: names, numbers, addresses, birth date, relatives and doctors."""
    facts: dict[str, Any] = {
        "resourceType": "Patient",
        "name": [n for s in message.named("PID") for number in (5, 9) for n in _names(message, s, number)],
        "identifier": list(_identifiers(message)),
        "telecom": [t for s in message.named("PID") for n in (13, 14, 40) for t in _telecom(message, s, n)],
        "address": [a for s in message.named("PID") for a in _addresses(message, s, 11)],
        "contact": [*_maiden_names(message), *_contacts(message)],
        "generalPractitioner": [{"display": name} for name in dict.fromkeys(map(_display, _staff(message)))],
    }
    for segment in message.named("PID"):
        facts["birthDate"] = _date(segment.field(7))
        facts["gender"] = _GENDERS.get(segment.field(8).upper(), "unknown")
    return {key: value for key, value in facts.items() if value}


def record_number(message: Message, segment: Segment) -> str:
    """The number of the patient in one PID: the medical record number, else the first; "" where there is none."""
    numbers = [_typed(message, raw, "") for raw in message.repetitions(segment, 3)]
    named = [value for kind, value in numbers if kind in _RECORD_NUMBERS and value]
    return (named + [value for _, value in numbers if value] + [""])[0]


def others_of(message: Message) -> Iterator[dict[str, Any]]:
    """Relatives and staff whom one message names."""
    for contact in _contacts(message):
        address = {"address": [contact["address"]]} if "address" in contact else {}
        yield {**contact, **address, "resourceType": "RelatedPerson", "name": [contact["name"]]}
    yield from _staff(message)


def _identifiers(message: Message) -> Iterator[dict[str, Any]]:
    number = next((record_number(message, s) for s in message.named("PID")), "")
    for name, field, default in _NUMBERS:
        for segment in message.named(name):
            for raw in message.repetitions(segment, field):
                kind, value = _typed(message, raw, default)
                # A number that says not what it is, and is the only one, is the hospital's record number.
                kind = kind or ("MR" if value == number and field == 3 else "")
                if value:
                    yield {**({"type": {"coding": [{"code": kind}]}} if kind else {}), "value": value}


def _typed(message: Message, raw: str, default: str) -> tuple[str, str]:
    parts = [*message.separators.components(raw), "", "", "", ""]
    return (parts[4].strip() or default).upper(), parts[0].strip()


def _names(message: Message, segment: Segment, number: int) -> Iterator[dict[str, Any]]:
    for raw in message.repetitions(segment, number):
        if name := _name(message.separators.components(raw)):
            yield name


def _name(parts: list[str]) -> dict[str, Any]:
    family, *given = (part.strip() for part in parts[:3])
    words = [word for part in given for word in part.split()]
    return {k: v for k, v in (("family", family), ("given", words)) if v and v != '""'}


def _addresses(message: Message, segment: Segment, number: int) -> Iterator[dict[str, Any]]:
    for raw in message.repetitions(segment, number):
        street, more, *place = [*message.separators.components(raw), *[""] * 5]
        address = {
            "line": [line for line in (street, more) if line],
            **dict(zip(("city", "state", "postalCode"), place, strict=False)),
        }
        if any(address.values()):
            yield {key: value for key, value in address.items() if value}


def _telecom(message: Message, segment: Segment, number: int) -> Iterator[dict[str, str]]:
    for raw in message.repetitions(segment, number):
        for system, value in telecom_of(message.separators.components(raw)):
            yield {"system": system, "value": value}


def _maiden_names(message: Message) -> Iterator[dict[str, Any]]:
    for segment in message.named("PID"):
        for name in _names(message, segment, 6):
            yield {"relationship": [{"coding": [{"code": "MTH"}]}], "name": name}


def _contacts(message: Message) -> Iterator[dict[str, Any]]:
    for segment in message.named(*_OTHERS):
        name, address, telecom = _OTHERS[segment.name]
        addresses = list(_addresses(message, segment, address))
        numbers = [t for number in telecom for t in _telecom(message, segment, number)]
        for person in _names(message, segment, name):
            contact = {"name": person, "telecom": numbers, "address": addresses[0] if addresses else None}
            yield {key: value for key, value in contact.items() if value}


def _staff(message: Message) -> Iterator[dict[str, Any]]:
    """Everyone in a field that the table of rules gives to staff."""
    for segment in message.segments:
        for number, rule in hl7_table()["segments"].get(segment.name, {}).items():
            for raw in message.repetitions(segment, int(number)) if rule == "staff" else ():
                code, *name = staff_parts(message.separators, raw)
                if person := _name([*name, "", "", ""]):
                    known = {"identifier": [{"value": code}]} if code else {}
                    yield {"resourceType": "Practitioner", "name": [person], **known}


def _display(person: dict[str, Any]) -> str:
    name = person["name"][0]
    return " ".join([*name.get("given", ()), name.get("family", "")]).strip()


def _date(value: str) -> str:
    digits = value[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else ""
