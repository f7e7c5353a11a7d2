"""Entries as FHIR R4 AuditEvent, after the patterns of IHE BALP (Basic Audit Log Patterns 1.1).

A view of one patient's note, and a disclosure about one patient, claim BALP's profiles; everything else follows the
same pattern of agents, source and entities, with DICOM's codes for its type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from policies.events import Entry, Event
from policies.exports.query import Meaning, Outcome, meaning_of, patients_of, purpose_of
from policies.files import canonical_json, sha256_hex

_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
_READ = {"system": "http://hl7.org/fhir/restful-interaction", "code": "read", "display": "read"}
_DISCLOSE = {"system": f"{_TERMINOLOGY}iso-21089-lifecycle", "code": "disclose"}
_URI = "5"  # http://hl7.org/fhir/network-type
_SUCCESS, _SERIOUS_FAILURE = "0", "8"  # BALP's examples write 8 for what was denied
_SHOWN_ELSEWHERE = ("patient", "patients", "purpose", "record", "recipient")


def to_ndjson(entries: Iterable[tuple[str, Entry]]) -> bytes:
    """One AuditEvent a line; entries come with the name of their log."""
    return b"".join(canonical_json(audit_event(log, entry)) + b"\n" for log, entry in entries)


def audit_event(log: str, entry: Entry) -> dict[str, Any]:
    """The AuditEvent of one entry; its id is the same in every export."""
    meaning, purpose = meaning_of(entry.event), _purpose(entry)
    return {
        "resourceType": "AuditEvent",
        "id": sha256_hex(f"{log}\n{entry.sequence}".encode())[:32],
        **_profile(entry),
        "type": _type(meaning),
        "subtype": _subtypes(entry, meaning),
        "action": meaning.action,
        "recorded": entry.time,
        "outcome": _SUCCESS if meaning.outcome is Outcome.SUCCESS else _SERIOUS_FAILURE,
        "outcomeDesc": meaning.words,
        **({"purposeOfEvent": purpose} if purpose else {}),
        "agent": _agents(log, entry),
        "source": {
            "site": log,
            "observer": _confide(log),
            "type": [{"system": f"{_TERMINOLOGY}security-source-type", "code": "4", "display": "Application Server"}],
        },
        "entity": [*map(_patient, patients_of(entry)), *_record(log, entry), _entry(log, entry)],
    }


def _profile(entry: Entry) -> dict[str, Any]:
    if len(patients_of(entry)) != 1:
        return {}
    if meaning_of(entry.event).type == "rest" and "record" in entry.details:
        return {"meta": {"profile": [f"{_PROFILE}PatientRead"]}}
    if entry.event is Event.DISCLOSURE_MADE:
        return {"meta": {"profile": [f"{_PROFILE}PrivacyDisclosure.Source"]}}
    return {}


def _type(meaning: Meaning) -> dict[str, str]:
    if meaning.type == "rest":
        return {"system": f"{_TERMINOLOGY}audit-event-type", "code": "rest", "display": "Restful Operation"}
    return {"system": _DICOM, "code": meaning.type}


def _subtypes(entry: Entry, meaning: Meaning) -> list[dict[str, str]]:
    """The code that a profile wants, DICOM's where one fits, and always our own."""
    found = [{"system": "urn:confide:event", "code": str(entry.event), "display": meaning.words}]
    if meaning.subtype:
        found.insert(0, {"system": _DICOM, "code": meaning.subtype})
    if meaning.type == "rest":
        found.insert(0, _READ)
    if entry.event in (Event.DISCLOSURE_MADE, Event.UPDATE_RELEASED):
        found.insert(0, _DISCLOSE)
    return found


def _agents(log: str, entry: Entry) -> list[dict[str, Any]]:
    """Who acted, where the data came from (Confide at this hospital), and where it went."""
    purpose = _purpose(entry)
    user = {
        "type": {"coding": [{"system": f"{_TERMINOLOGY}v3-ParticipationType", "code": "IRCP"}]},
        "who": {"identifier": {"system": f"urn:confide:account:{log}", "value": entry.actor}},
        "requestor": True,
        **({"purposeOfUse": purpose} if purpose else {}),
    }
    recipient = str(entry.details.get("recipient", ""))
    there = {"display": recipient} if recipient else _confide(log)
    address = f"urn:confide:recipient:{sha256_hex(recipient.encode())[:16]}" if recipient else _address(log)
    return [user, _machine("110153", _confide(log), _address(log)), _machine("110152", there, address)]


def _machine(role: str, who: dict[str, str], address: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _DICOM, "code": role}]},
        "who": who,
        "requestor": False,
        "network": {"address": address, "type": _URI},
    }


def _confide(log: str) -> dict[str, str]:
    return {"display": f"Confide at {log}"}


def _address(log: str) -> str:
    return f"urn:confide:log:{log}"


def _patient(pseudonym: str) -> dict[str, Any]:
    return {
        "what": {"type": "Patient", "identifier": {"system": "urn:confide:pseudonym", "value": pseudonym}},
        **_kind("1", "1"),
    }


def _record(log: str, entry: Entry) -> list[dict[str, Any]]:
    record = entry.details.get("record")
    if not isinstance(record, str):
        return []
    return [{"what": {"identifier": {"system": f"urn:confide:record:{log}", "value": record}}, **_kind("2", "4")}]


def _entry(log: str, entry: Entry) -> dict[str, Any]:
    """The entry itself, by its number, so that whoever reads the export finds it and its proof in the log."""
    facts = [
        {"type": name, "valueString": value if isinstance(value, str) else canonical_json(value).decode()}
        for name, value in sorted(entry.details.items())
        if name not in _SHOWN_ELSEWHERE and value != ""
    ]
    what = {"identifier": {"system": _address(log), "value": str(entry.sequence)}}
    # No entity of type 2 beside a record: BALP's PatientRead wants exactly one.
    kind = _kind("4", "20") if "record" in entry.details else _kind("2", "20")
    return {"what": what, **kind, **({"detail": facts} if facts else {})}


def _kind(entity_type: str, role: str) -> dict[str, Any]:
    return {
        "type": {"system": f"{_TERMINOLOGY}audit-entity-type", "code": entity_type},
        "role": {"system": f"{_TERMINOLOGY}object-role", "code": role},
    }


def _purpose(entry: Entry) -> list[dict[str, Any]]:
    code = purpose_of(entry)
    return [{"coding": [{"system": f"{_TERMINOLOGY}v3-ActReason", "code": code}]}] if code else []
