"""The synthetic cohort as a FHIR R4 bulk export, as a hospital's own system would write it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from clinical.dataset import document_text
from clinical.synthetic.notes import Note, Visit, write_note
from clinical.synthetic.people import Person, person
from clinical.synthetic.tables import Comorbidity, Condition, conditions, table

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
RESOURCE_TYPES = ("Patient", "Encounter", "Condition", "DocumentReference")
NOTES_PER_PATIENT = (0.45, 0.30, 0.15, 0.10)
# Chance that a further note is on the main condition too; with the first, some 80 % of the notes are.
MAIN_CONDITION = 0.6
FIRST_DAY, DAYS = date(2020, 1, 6), 1200
# Encounter class by style of note; every other one is ambulatory.
CLASSES = {"discharge": "IMP", "admission": "IMP", "emergency": "EMER", "phone": "VR"}
# Weight in the case mix of what a hospital sees often, sometimes and hardly ever.
RICH, POOR, RARE = 3.0, 0.8, 0.06

Resource = dict[str, Any]


@dataclass(frozen=True)
class HospitalProfile:
    """A made-up hospital: its seed, its number of patients, and the weight of each ICD-10-CM code in its case mix."""

    name: str
    seed: int
    patients: int
    case_mix: Mapping[str, float]


@dataclass(frozen=True)
class ExportCounts:
    """Numbers of resources written."""

    patients: int
    encounters: int
    conditions: int
    documents: int


def condition_labels() -> dict[str, str]:
    """The ICD-10-CM codes that notes can be labelled with, and their titles."""
    return {code: condition.title for code, condition in conditions().items()}


def demo_hospitals(patients: int = 300, seed: int = 7) -> tuple[HospitalProfile, ...]:
    """The three hospitals of the demonstration, each seeing often what another hardly sees."""

    def weight(row: Mapping[str, Any], code: str) -> float:
        return RICH if code in row["rich"] else RARE if code in row["rare"] else POOR

    return tuple(
        HospitalProfile(row["key"], seed, patients, {code: weight(row, code) for code in conditions()})
        for row in table("people")["hospital"]
    )


def write_export(folder: Path, profile: HospitalProfile, advance: Callable[[int], None] | None = None) -> ExportCounts:
    """Write a hospital's Patient, Encounter, Condition and DocumentReference NDJSON files into a folder.

    The same profile gives the same bytes. Each file is written beside its place and renamed when all are whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts = dict.fromkeys(RESOURCE_TYPES, 0)
    parts = {kind: folder / f".{kind}.ndjson.part" for kind in RESOURCE_TYPES}
    try:
        with ExitStack() as stack:
            files = {k: stack.enter_context(p.open("w", encoding="utf-8", newline="\n")) for k, p in parts.items()}
            for number in range(profile.patients):
                for resource in patient_resources(profile, number):
                    kind = resource["resourceType"]
                    files[kind].write(json.dumps(resource, ensure_ascii=False, separators=(",", ":")) + "\n")
                    counts[kind] += 1
                if advance:
                    advance(1)
        for kind, part in parts.items():
            part.replace(folder / f"{kind}.ndjson")
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return ExportCounts(*counts.values())


def patient_resources(profile: HospitalProfile, number: int) -> Iterator[Resource]:
    """All resources of one patient, drawn from a generator of the patient's own."""
    rng = Random(f"{profile.seed}/{profile.name}/{number}")
    hospital = next(row for row in table("people")["hospital"] if row["key"] == profile.name)
    seen_for, age = _seen_for(rng, profile.case_mix)
    first_day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
    patient = person(rng, hospital, seen_for, age, first_day)
    yield patient_resource(patient, hospital)
    for past in patient.history:
        yield condition_resource(rng, patient, past, None, first_day - timedelta(days=400))
    first_seen: dict[str, date] = {}
    day = first_day
    for condition in seen_for:
        yield from _visit(rng, patient, Visit(condition, hospital, day, first_seen.setdefault(condition.code, day)))
        day += timedelta(days=rng.randrange(6, 40) if condition.once else rng.randrange(15, 200))


def made_up_texts(count: int) -> list[str]:
    """So many notes of made-up patients, the same at every run: text for what must not depend on a real one."""
    hospitals = demo_hospitals()
    notes = (
        document_text(resource)
        for number in range(count)
        for resource in patient_resources(hospitals[number % len(hospitals)], -1 - number)
        if resource["resourceType"] == "DocumentReference"
    )
    return list(islice(notes, count))


def _seen_for(rng: Random, case_mix: Mapping[str, float]) -> tuple[list[Condition], int]:
    """The condition of each note, the patient's main one first, and an age at which a person could have them all."""
    known = conditions()
    main = known[rng.choices(list(case_mix), list(case_mix.values()))[0]]
    mean, sd, lowest, highest = main.age
    age = round(min(max(rng.gauss(mean, sd), lowest), highest))
    others = [c for c, w in case_mix.items() if w and c != main.code and known[c].age[2] <= age <= known[c].age[3]]
    further = rng.choices((0, 1, 2, 3), NOTES_PER_PATIENT)[0]
    drawn = rng.choices(others, [case_mix[c] for c in others], k=further) if others else [main.code] * further
    return [main, *(main if rng.random() < MAIN_CONDITION else known[code] for code in drawn)], age


def _visit(rng: Random, patient: Person, visit: Visit) -> Iterator[Resource]:
    """An encounter, its one diagnosis, and its note."""
    note, day = write_note(rng, patient, visit), visit.day
    diagnosis = condition_resource(rng, patient, visit.condition, f"{rng.getrandbits(64):016x}", day)
    encounter = {
        "resourceType": "Encounter",
        "id": diagnosis["encounter"]["reference"].removeprefix("Encounter/"),
        "status": "finished",
        "class": {"system": f"{TERMINOLOGY}/v3-ActCode", "code": CLASSES.get(note.style, "AMB")},
        "subject": {"reference": f"Patient/{patient.id}"},
        "period": {"start": f"{day}T08:00:00Z", "end": f"{day}T17:00:00Z"},
        "diagnosis": [{"condition": {"reference": f"Condition/{diagnosis['id']}"}, "rank": 1}],
        "serviceProvider": {"display": visit.hospital["name"]},
    }
    yield encounter
    yield diagnosis
    yield document_resource(rng, encounter, day, note)


def patient_resource(patient: Person, hospital: Mapping[str, Any]) -> Resource:
    """The FHIR Patient."""
    mrn_type = {"coding": [{"system": f"{TERMINOLOGY}/v2-0203", "code": "MR"}]}
    return {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [
            {"type": mrn_type, "system": f"https://{hospital['domain']}/mrn", "value": patient.mrn},
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": patient.ssn},
        ],
        "name": [{"use": "official", "family": patient.last, "given": [patient.first]}],
        "telecom": [{"system": "phone", "value": patient.phone}, {"system": "email", "value": patient.email}],
        "gender": patient.gender,
        "birthDate": patient.born.isoformat(),
        "address": [
            {"line": [patient.street], "city": patient.city, "state": patient.state, "postalCode": patient.zip}
        ],
    }


def condition_resource(
    rng: Random, patient: Person, coded: Condition | Comorbidity, encounter: str | None, recorded: date
) -> Resource:
    """A FHIR Condition: the diagnosis of an encounter, or, without one, an item of the problem list."""
    category = "encounter-diagnosis" if encounter else "problem-list-item"
    resource = {
        "resourceType": "Condition",
        "id": f"{rng.getrandbits(64):016x}",
        "clinicalStatus": {"coding": [{"system": f"{TERMINOLOGY}/condition-clinical", "code": "active"}]},
        "verificationStatus": {"coding": [{"system": f"{TERMINOLOGY}/condition-ver-status", "code": "confirmed"}]},
        "category": [{"coding": [{"system": f"{TERMINOLOGY}/condition-category", "code": category}]}],
        "code": {"coding": [{"system": ICD, "code": coded.code, "display": coded.title}], "text": coded.title},
        "subject": {"reference": f"Patient/{patient.id}"},
        "recordedDate": recorded.isoformat(),
    }
    return resource | ({"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {})


def document_resource(rng: Random, encounter: Resource, day: date, note: Note) -> Resource:
    """The FHIR DocumentReference that carries a note in base64."""
    return {
        "resourceType": "DocumentReference",
        "id": f"{rng.getrandbits(64):016x}",
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": note.loinc, "display": note.kind}]},
        "subject": encounter["subject"],
        "date": f"{day}T16:30:00Z",
        "author": [{"display": note.author}],
        "content": [
            {
                "attachment": {
                    "contentType": "text/plain; charset=utf-8",
                    "data": base64.b64encode(note.text.encode()).decode(),
                }
            }
        ],
        "context": {"encounter": [{"reference": f"Encounter/{encounter['id']}"}], "period": encounter["period"]},
    }
