"""Who a patient is, in every format: the medical record number where there is one, else the id of the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES = ("MR", "MRN", "PI")  # HL7 table 0203: medical record number, patient internal identifier


def master_id(patient: Mapping[str, Any], patient_id: str) -> tuple[str, str]:
    """Kind and value of the identifier that one person bears in all files of a hospital.

    Args:
        patient: FHIR-shaped, as a source knows the patient.
        patient_id: the id in the source, for patients without a record number.
    """
    named = (i for i in patient.get("identifier", ()) if isinstance(i, Mapping))
    identifiers = [i for i in named if normal(str(i.get("value", "")))]
    for wanted in (*_TYPES, "system"):
        for identifier in identifiers:
            if wanted in _kinds(identifier):
                return "identifier", normal(str(identifier["value"]))
    return "Patient", patient_id


def normal(value: str) -> str:
    """Letters and digits alone, in capitals: 785-2774 and 7852774 are one number."""
    return "".join(character for character in value.upper() if character.isalnum())


def _kinds(identifier: Mapping[str, Any]) -> set[str]:
    kinds = {str(c.get("code", "")) for c in (identifier.get("type") or {}).get("coding", ())}
    return kinds | ({"system"} if "mrn" in str(identifier.get("system", "")).lower() else set())
