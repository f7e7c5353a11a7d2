"""De-identified documents for tests, as 'confide deid' writes them: hand-written notes of a few made-up patients."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SENTENCES = {
    "lung": ("Cough and fever for days.", "Sputum is green.", "Crackles at the right base."),
    "heart": ("Chest pain on the stairs.", "Ankles are swollen.", "The pulse is irregular."),
    "gut": ("Belly pain after meals.", "Vomits since the morning.", "Stool is loose."),
}
LABELS = tuple(SENTENCES)
WORDS = tuple(sorted({word.strip(".") for lines in SENTENCES.values() for line in lines for word in line.split()}))

Resource = dict[str, Any]


def document(record: str, patient: str, text: str, *categories: str, encounter: str = "") -> Resource:
    data = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": record,
        "subject": {"reference": f"Patient/{patient}"},
        "category": [{"coding": [{"code": category}]} for category in categories],
        "context": {"encounter": [{"reference": f"Encounter/{encounter}"}]} if encounter else {},
        "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
    }


def condition(record: str, patient: str, encounter: str, *codes: str) -> Resource:
    return {
        "resourceType": "Condition",
        "id": record,
        "subject": {"reference": f"Patient/{patient}"},
        "encounter": {"reference": f"Encounter/{encounter}"},
        "code": {"coding": [{"code": code} for code in codes]},
    }


def write(folder: Path, resources: Iterable[Resource]) -> Path:
    """One file for each kind of resource."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.ndjson"):
        path.unlink()
    for resource in resources:
        with (folder / f"{resource['resourceType']}.ndjson").open("a") as stream:
            stream.write(json.dumps(resource) + "\n")
    return folder


def cohort(patients: int, prefix: str = "p") -> list[Resource]:
    """A cohort in which the words of a note tell its category; every third patient has two notes."""
    notes = []
    for number in range(patients):
        label = LABELS[number % len(LABELS)]
        for note in range(2 if number % 3 == 0 else 1):
            text = "\n".join(SENTENCES[label][note:])
            notes.append(document(f"{prefix}{number:03d}-{note}", f"{prefix}{number:03d}", text, label))
    return notes
