"""The two sides of de-identification, as frozen types that cannot be mistaken for one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Format(StrEnum):
    """What a record is written in."""

    FHIR = "fhir"
    HL7 = "hl7"
    CSV = "csv"
    TEXT = "text"


@dataclass(frozen=True)
class RawRecord:
    """One record as the hospital wrote it; its `repr` shows no content and no identifier.

    Args:
        format, kind: FHIR and its resource type; HL7 and "Message"; CSV and "Row"; text and "Document".
        patient_id: the id of its patient in the source.
        record_id: its own id in the source.
        body: FHIR: the parsed resource; HL7: the message; CSV: the row by column; text: the text.
        text: the note in it, decoded; empty where it holds none.
        file, line: where it stands in the source, for messages.
    """

    format: Format
    kind: str
    patient_id: str = field(repr=False)
    record_id: str = field(repr=False)
    body: Any = field(repr=False)
    text: str = field(repr=False)
    file: str
    line: int


@dataclass(frozen=True)
class DeidentifiedRecord:
    """One record after de-identification, under pseudonyms.

    Args:
        patient, record: pseudonyms.
        body: as in the raw record, with its elements kept, generalised, replaced or dropped by rule.
        text: the note with its identifiers replaced, empty where there was none.
        findings: how many identifiers of each category were replaced in text.
        dropped: how many elements no rule let through.
    """

    format: Format
    kind: str
    patient: str
    record: str
    body: Any = field(repr=False)
    text: str = field(repr=False)
    findings: Mapping[str, int]
    dropped: int
