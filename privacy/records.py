"""The two sides of de-identification, as frozen types that cannot be mistaken for one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class RawRecord:
    """One FHIR resource as the hospital wrote it; its `repr` shows no content and no identifier.

    Args:
        patient_id: the id of the Patient it belongs to.
        record_id: the id of the resource.
        text: the decoded note, empty where the resource holds none.
        resource: the resource as parsed from JSON.
        file, line: where it stands in the export, for messages.
    """

    patient_id: str = field(repr=False)
    record_id: str = field(repr=False)
    text: str = field(repr=False)
    resource: Mapping[str, Any] = field(repr=False)
    file: str
    line: int


@dataclass(frozen=True)
class DeidentifiedRecord:
    """One resource after de-identification, under pseudonyms.

    Args:
        patient: pseudonym of the patient.
        record: pseudonym of the resource.
        text: the note with its identifiers replaced, empty where there was none.
        resource: the resource with its elements kept, generalised or dropped by rule.
        findings: how many identifiers of each category were replaced in the text.
    """

    patient: str
    record: str
    text: str = field(repr=False)
    resource: Mapping[str, Any] = field(repr=False)
    findings: Mapping[str, int]
