"""Which group each document of a de-identified folder belongs to: sex, age band, type of note."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinical.dataset import resources, subject_of

SEX, AGE, TYPE = "sex", "age", "type of note"
NOT_SAID = "not said"
_BANDS = ((0, "under 18"), (18, "18-39"), (40, "40-64"), (65, "65 and over"))

Groups = Mapping[str, str]


def groups_of(folder: Path) -> dict[str, Groups]:
    """By document's id its group in each of the three respects; "not said" where the folder does not say.

    An age is the year of the note less that of birth, so it may be a year too high; both years are as the folder has
    them, after de-identification.
    """
    people = {patient["id"]: patient for patient in resources(folder, "Patient")}
    found: dict[str, Groups] = {}
    for document in resources(folder, "DocumentReference"):
        person = people.get(subject_of(document).removeprefix("Patient/"), {})
        found[document["id"]] = {
            SEX: str(person.get("gender", NOT_SAID)),
            AGE: _band(document.get("date"), person.get("birthDate")),
            TYPE: _type(document.get("type", {})),
        }
    return found


def _band(date: str | None, born: str | None) -> str:
    if not date or not born:
        return NOT_SAID
    years = max(0, int(date[:4]) - int(born[:4]))
    return [name for least, name in _BANDS if years >= least][-1]


def _type(said: Mapping[str, Any]) -> str:
    coding: Mapping[str, Any] = next(iter(said.get("coding", ())), {})
    return str(coding.get("display") or said.get("text") or coding.get("code") or NOT_SAID)
