"""A hospital's FHIR R4 bulk export, read line by line; what cannot be used is said and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE, UnreadableNote, read_attachment
from policies.errors import InputError
from policies.files import sha256_hex
from privacy.records import RawRecord
from privacy.structured import known_types

LONGEST_LINE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Problem:
    """Something that was left out, named without any text of a record.

    Args:
        file: the file it stands in.
        line: its line, from 1.
        kind: a short name for counting.
        message: one sentence, with what to do.
    """

    file: str
    line: int
    kind: str
    message: str


@dataclass(frozen=True)
class _Place:
    path: Path
    line: int
    offset: int

    def problem(self, kind: str, message: str) -> Problem:
        return Problem(self.path.name, self.line, kind, message)


@dataclass(frozen=True)
class Export:
    """An export whose patients are indexed; resources are read when they are asked for.

    Only ids and offsets are held in memory, never the resources.

    Args:
        paths: its NDJSON files.
        largest_note: the most bytes that a note may have.
    """

    paths: tuple[Path, ...]
    largest_note: int = LARGEST_NOTE
    _patients: dict[str, _Place] = field(default_factory=dict, repr=False)
    _doubled: dict[str, _Place] = field(default_factory=dict, repr=False)
    _foreign: set[Path] = field(default_factory=set, repr=False)

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every resource that can be used, in the order of the files, and a problem for every other line."""
        seen: set[tuple[str, ...]] = set()
        for place, resource in self._lines():
            yield resource if isinstance(resource, Problem) else self._record(place, resource, seen)

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """The Patient resource with this id, which a record of this export named."""
        place = self._patients[patient_id]
        with place.path.open("rb") as stream:
            stream.seek(place.offset)
            return dict(_parsed(stream.readline()))

    def _index(self) -> None:
        hashes: dict[str, str] = {}
        for path in self.paths:
            self._foreign.add(path)
            for place, line in _raw_lines(path):
                if line is None or b'"resourceType"' in line:
                    self._foreign.discard(path)
                if line is None or b'"Patient"' not in line or (resource := _resource(line)) is None:
                    continue
                patient_id = resource.get("id")
                if resource.get("resourceType") == "Patient" and isinstance(patient_id, str):
                    digest = sha256_hex(line.strip())
                    if hashes.setdefault(patient_id, digest) != digest:
                        self._doubled[patient_id] = place
                    self._patients.setdefault(patient_id, place)

    def _lines(self) -> Iterator[tuple[_Place, Mapping[str, Any] | Problem]]:
        for path in self.paths:
            if path in self._foreign:
                yield _Place(path, 1, 0), Problem(path.name, 1, "not FHIR", "no line of this file is a FHIR resource")
                continue
            for place, line in _raw_lines(path):
                if line is None:
                    yield place, place.problem("line too long", f"the line has over {LONGEST_LINE} bytes; left out")
                elif resource := _resource(line):
                    yield place, resource
                elif line.strip():
                    message = "the line is not a whole JSON object (cut short?); export it again"
                    yield place, place.problem("not JSON", message)

    def _record(self, place: _Place, resource: Mapping[str, Any], seen: set[tuple[str, ...]]) -> RawRecord | Problem:
        kind, record_id = resource.get("resourceType"), resource.get("id")
        if not isinstance(kind, str):
            return place.problem("not FHIR", "the line has no resourceType; left out")
        if kind not in known_types():
            return place.problem("unknown resource type", "no rule says what of this resource may be kept; left out")
        if not isinstance(record_id, str) or not record_id:
            return place.problem("no id", f"the {kind} has no id; left out")
        patient_id = record_id if kind == "Patient" else _patient_of(resource)
        try:
            repeated = (kind, patient_id, record_id) in seen
            fault = self._whose(place, kind, patient_id) or _misfit(place, kind, resource, repeated)
            text = _text(resource, self.largest_note) if kind == "DocumentReference" and not fault else ""
        except UnreadableNote as error:
            fault = place.problem(error.kind, f"{error.message}; left out. {error.hint}")
        if fault:
            return fault
        seen.add((kind, patient_id, record_id))
        return RawRecord(patient_id, record_id, text, resource, place.path.name, place.line)

    def _whose(self, place: _Place, kind: str, patient_id: str) -> Problem | None:
        """What is wrong with the patient that a resource names."""
        if not patient_id:
            return place.problem("no subject", f"the {kind} names no patient; left out")
        if patient_id in self._doubled:
            other = self._doubled[patient_id]
            return place.problem(
                "two patients with one id",
                f"different Patient resources share this {kind}'s patient id ({other.path.name}, line {other.line}); "
                "nobody can tell whose records these are, so all of them are left out",
            )
        if patient_id not in self._patients:
            return place.problem("unknown patient", f"no Patient resource has the id that this {kind} names; left out")
        return None


def open_export(source: Path, largest_note: int = LARGEST_NOTE) -> Export:
    """Index an export: a folder with NDJSON files of any name, or one such file.

    Raises:
        InputError: there is no such place, or nothing in it that could be an export.
    """
    if source.is_dir():
        paths = tuple(sorted(p for p in source.iterdir() if p.suffix in (".ndjson", ".jsonl", ".json") and p.is_file()))
    else:
        paths = (source,) if source.is_file() else ()
    if not paths:
        raise InputError("no NDJSON file here", "Name a folder with a FHIR bulk export (*.ndjson).", file=source)
    export = Export(paths, largest_note)
    export._index()
    return export


def read_export(source: Path, largest_note: int = LARGEST_NOTE) -> Iterator[RawRecord | Problem]:
    """`open_export` and its records in one step."""
    return open_export(source, largest_note).records()


def _raw_lines(path: Path) -> Iterator[tuple[_Place, bytes | None]]:
    """Lines with their place; None for one that is longer than memory should hold."""
    with path.open("rb") as stream:
        number = offset = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            place, offset = _Place(path, number, offset), offset + len(line)
            if len(line) < LONGEST_LINE or line.endswith(b"\n"):
                yield place, line
                continue
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
                offset += len(line)
            yield place, None


def _parsed(line: bytes) -> Any:
    return json.loads(line, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _resource(line: bytes) -> Mapping[str, Any] | None:
    try:
        value = _parsed(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _patient_of(resource: Mapping[str, Any]) -> str:
    holder = resource.get("subject") or resource.get("patient")
    target = holder.get("reference") if isinstance(holder, dict) else None
    kind, _, name = target.rpartition("/") if isinstance(target, str) else ("", "", "")
    return name if kind == "Patient" or kind.endswith("/Patient") else ""


def _misfit(place: _Place, kind: str, resource: Mapping[str, Any], repeated: bool) -> Problem | None:
    if repeated:
        return place.problem("repeated id", f"an earlier {kind} has the same id; this one is left out")
    if kind == "Condition" and not any(c.get("code") for c in _codings(resource)):
        return place.problem("no code", "the Condition has no code; left out")
    return None


def _codings(resource: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    code = resource.get("code")
    codings = code.get("coding") if isinstance(code, dict) else None
    return [c for c in codings if isinstance(c, dict)] if isinstance(codings, list) else []


def _text(resource: Mapping[str, Any], largest: int) -> str:
    """The text of a DocumentReference's attachments; the same note in two formats counts once."""
    contents = resource.get("content")
    contents = contents if isinstance(contents, list) else []
    attachments = [c["attachment"] for c in contents if isinstance(c, dict) and isinstance(c.get("attachment"), dict)]
    if not attachments:
        raise UnreadableNote("no text", "the DocumentReference has no attachment")
    return "\n\n".join(dict.fromkeys(read_attachment(attachment, largest) for attachment in attachments))
