"""Write three made-up hospitals as FHIR exports with their gold standard."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

from bench.layouts import BOTH, Half, own, table
from bench.layouts.bodies import bodies
from bench.layouts.marking import unmarked
from bench.layouts.notes import Note, Patient
from bench.layouts.people import person
from bench.layouts.values import Address, coded, email

SITES = ("alder", "brook", "cliff")
NOTES_PER_PATIENT = 3
OLD = 0.15  # share of patients over 89
FIRST_VISIT = date(2014, 2, 1)
Files = dict[str, list[dict[str, Any]]]


def write_exports(out: Path, notes: int, seed: int, halves: Sequence[Half] = BOTH, corpora: Path | None = None) -> int:
    """Write Patient, Encounter and DocumentReference NDJSON and gold.jsonl per hospital; return how many notes."""
    texts = bodies(corpora, seed)
    for number, site in enumerate(SITES):
        files: Files = {"Patient.ndjson": [], "Encounter.ndjson": [], "DocumentReference.ndjson": [], "gold.jsonl": []}
        for n in range(notes):
            index = n // NOTES_PER_PATIENT
            half = halves[index % len(halves)]
            patient = _patient(Random(f"{seed}/{site}/{half}/{index}"), half, site, f"{site[0]}{index:04d}")
            if n % NOTES_PER_PATIENT == 0:
                files["Patient.ndjson"].append(_patient_resource(patient))
            place, rng = n % NOTES_PER_PATIENT, Random(f"{seed}/{site}/{half}/note {n}")
            usual, body = layouts_of(half, number), rng.choice(own(texts, half))
            last = [layout for layout in usual if layout.get("old") and patient.old and place == NOTES_PER_PATIENT - 1]
            usual = last or [layout for layout in usual if not layout.get("old")]
            layout = usual[(index // len(halves) * NOTES_PER_PATIENT + place) % len(usual)]
            for name, row in _note_rows(rng, patient, layout, f"{patient.id}-{place}", body).items():
                files[name].append(row)
        for name, rows in files.items():
            _write(out / site / name, rows)
    return notes * len(SITES)


def layouts_of(half: Half, hospital: int) -> list[dict[str, Any]]:
    """The layouts that a hospital uses: two in three of the half's, other ones at each."""
    return [layout for n, layout in enumerate(table(f"layouts_{half}")["layout"]) if (n + hospital) % 3]


def _patient(rng: Random, half: Half, site: str, key: str) -> Patient:
    own_self = person(rng, half, "p")
    years = rng.randrange(90, 97) if rng.random() < OLD else rng.randrange(2, 89)
    born = FIRST_VISIT - timedelta(days=round((years + rng.uniform(0.1, 0.9)) * 365.25))
    values = {"mrn": coded(rng, half, "MRN", f"MRN_{site.upper()}"), "email": email(rng, half, own_self, site)}
    values |= {k: coded(rng, half, c) for k, c in (("ssn", "SSN"), ("ph", "PHONE"), ("plan", "HEALTH_PLAN"))}
    return Patient(key, half, site, own_self, born, Address(rng, half), values, years > 89)


def _note_rows(rng: Random, patient: Patient, layout: dict[str, Any], key: str, body: list[str]) -> dict[str, Any]:
    visit, subject = FIRST_VISIT + timedelta(days=rng.randrange(1, 2500)), {"reference": f"Patient/{patient.id}"}
    text, spans = Note(rng, patient, layout, visit, body).written()
    data = base64.b64encode(text.encode()).decode()
    encounter = {"resourceType": "Encounter", "id": f"e-{key}", "status": "finished", "class": {"code": "AMB"}}
    document = {"resourceType": "DocumentReference", "id": f"d-{key}", "status": "current", "subject": subject}
    return {
        "Encounter.ndjson": encounter | {"subject": subject, "period": {"start": visit.isoformat()}},
        "DocumentReference.ndjson": document
        | {"date": f"{visit}T09:00:00Z", "context": {"encounter": [{"reference": f"Encounter/e-{key}"}]}}
        | {"category": [{"coding": [{"system": "urn:layout", "code": layout["name"]}]}]}
        | {"content": [{"attachment": {"contentType": "text/plain", "data": data}}]},
        "gold.jsonl": {"id": f"d-{key}", "spans": [list(span) for span in spans]},
    }


def _patient_resource(patient: Patient) -> dict[str, Any]:
    who, home = patient.self, patient.home
    bare = {key: unmarked(value)[0] for key, value in patient.values.items()}
    given = {} if who.single else {"given": [who.first, who.middle]}
    return {
        "resourceType": "Patient",
        "id": patient.id,
        "identifier": [
            {"system": f"urn:{patient.site}:mrn", "value": bare["mrn"]},
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": bare["ssn"]},
        ],
        "name": [{"family": who.last} | given],
        "telecom": [{"system": "phone", "value": bare["ph"]}, {"system": "email", "value": bare["email"]}],
        "gender": "female" if who.female else "male",
        "birthDate": patient.born.isoformat(),
        "address": [{"line": [home.street], "city": home.city, "state": home.state, "postalCode": home.zip}],
    }


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    beside.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    beside.replace(path)
