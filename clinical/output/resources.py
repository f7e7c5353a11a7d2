"""One statement of a note as the FHIR R4 resource that says it: which resource, which status, which codes.

Problems and findings are Condition, or FamilyMemberHistory; medications are MedicationStatement, or AllergyIntolerance
where the note speaks of an allergy; tests are Observation, procedures Procedure, devices DeviceUseStatement. Statuses:
`tables/output.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from clinical.extraction.words import table
from clinical.output.codes import sure_codes
from clinical.output.statements import Statement

if TYPE_CHECKING:
    from clinical.coding.library import Library

Resource = dict[str, Any]
ASSERTION = "urn:confide:fhir:assertion"
_HL7 = "http://terminology.hl7.org/CodeSystem/"
_UCUM = "http://unitsofmeasure.org"
_NUMBER = re.compile(r"(?P<comparator>[<>]=?)?(?P<value>\d+(?:\.\d+)?)")
_RANGE = re.compile(r"(?P<low>\d+(?:\.\d+)?)[-–](?P<high>\d+(?:\.\d+)?)")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # which a FHIR string must not hold (R4, 2.24.0.1)


def resource_of(statement: Statement, subject: Mapping[str, str], library: Library | None = None) -> Resource | None:
    """The resource of one statement; None where it says nothing of this patient that R4 could hold.

    Args:
        subject: a Reference to the patient.
        library: the code systems that the hospital imported.
    """
    made = _MAKERS[statement.kind](statement, dict(subject), _named(statement, library))
    return made and {**made, "extension": [{"url": ASSERTION, "valueCode": statement.status}]}


def plain(text: str) -> str:
    """Text as a FHIR string may hold it."""
    return _NO_TEXT.sub(" ", text)


def coded(system: str, code: str, text: str = "") -> Resource:
    """A CodeableConcept of a code of HL7's own terminology."""
    return {"coding": [{"system": f"{_HL7}{system}", "code": code}], **({"text": plain(text)} if text else {})}


def _rows(name: str) -> Mapping[str, Any]:
    rows: Mapping[str, Any] = table("output")[name]
    return rows


def _named(statement: Statement, library: Library | None) -> Resource:
    """The concept in words, and the codes that name as much.

    Codings of one CodeableConcept mean the same (R4, 2.24.0.6), so further candidates do not stand here.
    """
    first = statement.mentions[0]
    systems = _rows("system")
    codings = [
        {"system": systems[one.system], "code": one.code, "display": plain(one.display), "userSelected": False}
        for one in sure_codes(first.text, first.kind, library)
        if one.system in systems and not statement.specimen  # the codes are those of the usual specimen
    ]
    return {**({"coding": codings} if codings else {}), "text": plain(statement.concept or first.text)}


def _condition(statement: Statement, subject: Resource, named: Resource) -> Resource | None:
    if statement.status == "family":
        return _family(statement, subject, named)
    if not (row := _rows("condition").get(statement.status)):
        return None
    verification, clinical = row
    began = statement.times if verification != "refuted" and clinical != "resolved" else ()
    return {
        "resourceType": "Condition",
        "verificationStatus": coded("condition-ver-status", verification),
        **({"clinicalStatus": coded("condition-clinical", clinical)} if clinical else {}),
        "code": named,
        "subject": subject,
        **_sites(statement),
        **({"onsetString": plain(", ".join(began))} if began else {}),
    }


def _family(statement: Statement, subject: Resource, named: Resource) -> Resource:
    words = re.findall(r"[a-z]+", statement.cue.lower())
    codes = (_rows("relative")[word] for word in words if word in _rows("relative"))
    return {
        "resourceType": "FamilyMemberHistory",
        "status": "partial",
        "patient": subject,
        "relationship": coded("v3-RoleCode", next(codes, "FAMMEMB"), statement.cue),
        "condition": [{"code": named}],
    }


def _medication(statement: Statement, subject: Resource, named: Resource) -> Resource | None:
    if statement.standing == "allergy":
        return {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": coded("allergyintolerance-clinical", "active"),
            "verificationStatus": coded("allergyintolerance-verification", "unconfirmed"),
            "code": named,
            "patient": subject,
        }
    if not (status := _rows("medication_statement").get(statement.standing)):
        return None
    dosage = _dosage(statement.values, statement.details)
    return {
        "resourceType": "MedicationStatement",
        "status": status,
        "medicationCodeableConcept": named,
        "subject": subject,
        **({"dosage": [dosage]} if dosage else {}),
    }


def _dosage(values: Mapping[str, str], details: str) -> Resource:
    """A Dosage; what is not coded stands in its text, which holds all of it."""
    if not values:
        return {}
    made: Resource = {"text": plain(details)}
    if amount := _amount(values.get("dose", ""), values.get("unit", "")):
        made["doseAndRate"] = [amount]
    if "route" in values:
        made["route"] = {"text": plain(values["route"])}
    if frequency := values.get("frequency"):
        plainly = frequency.removesuffix(" prn")
        if plainly != frequency or frequency == "prn":
            made["asNeededBoolean"] = True
        code = _rows("timing").get(plainly)
        made["timing"] = {"code": coded("v3-GTSAbbreviation", code, frequency) if code else {"text": plain(frequency)}}
    return made


def _amount(dose: str, unit: str) -> Resource:
    if quantity := _quantity(dose, unit):
        return {} if "comparator" in quantity else {"doseQuantity": quantity}
    if span := _RANGE.fullmatch(dose):
        return {"doseRange": {end: _quantity(span[end], unit) for end in ("low", "high")}}
    return {}


def _quantity(value: str, unit: str) -> Resource:
    """A Quantity with a UCUM code where UCUM has the unit; nothing where the value is no single number."""
    if not (found := _NUMBER.fullmatch(value.replace(",", ""))):
        return {}
    code = _rows("ucum").get(unit)
    return {
        "value": float(found["value"]) if "." in found["value"] else int(found["value"]),
        **({"comparator": found["comparator"]} if found["comparator"] else {}),
        **({"unit": plain(unit)} if unit else {}),
        **({"system": _UCUM, "code": code} if code else {}),
    }


def _observation(statement: Statement, subject: Resource, named: Resource) -> Resource | None:
    if not (status := _rows("observation").get(statement.status)):
        return None
    values = statement.values
    known = _rows("interpretation")
    flag = next((known[word] for word in (values.get("flag", ""), values.get("value", "")) if word in known), "")
    sites = _sites(statement).get("bodySite", ())
    return {
        "resourceType": "Observation",
        "status": status,
        "code": named,
        "subject": subject,
        **_result(values.get("value", ""), values.get("unit", "")),
        **({"interpretation": [coded("v3-ObservationInterpretation", flag)]} if flag else {}),
        **({"referenceRange": [{"text": plain(values["range"])}]} if values.get("range") else {}),
        **({"bodySite": {"text": ", ".join(site["text"] for site in sites)}} if sites else {}),
    }


def _result(value: str, unit: str) -> Resource:
    """The value of an Observation, or why there is none: the note names the test and not its result."""
    if quantity := _quantity(value, unit):
        return {"valueQuantity": quantity}
    if value:
        return {"valueString": plain(f"{value} {unit}".strip())}
    return {"dataAbsentReason": coded("data-absent-reason", "unknown")}


def _procedure(statement: Statement, subject: Resource, named: Resource) -> Resource | None:
    if not (status := _rows("procedure").get(statement.status)):
        return None
    made = {"resourceType": "Procedure", "status": status, "code": named, "subject": subject}
    return {**made, **_sites(statement)}


def _device(statement: Statement, subject: Resource, named: Resource) -> Resource | None:
    if not (status := _rows("device_use").get(statement.status)):
        return None
    device = {"resourceType": "Device", "id": "device", "type": named, "patient": subject}
    made = {"resourceType": "DeviceUseStatement", "status": status, "subject": subject, "contained": [device]}
    sites = _sites(statement).get("bodySite", ())
    where = {"bodySite": {"text": ", ".join(site["text"] for site in sites)}} if sites else {}
    return {**made, "device": {"reference": "#device"}, **where}


def _sites(statement: Statement) -> Resource:
    return {"bodySite": [{"text": plain(site)} for site in statement.sites]} if statement.sites else {}


_MAKERS: Mapping[str, Callable[[Statement, Resource, Resource], Resource | None]] = {
    "problem": _condition,
    "finding": _condition,
    "medication": _medication,
    "test": _observation,
    "procedure": _procedure,
    "device": _device,
}
