"""FHIR R4 and R5 as it is exported: bulk NDJSON, single resources and Bundles; what cannot be used is said.

A Bundle goes in as its resources: its entries are handed out one by one, with references to other entries by `fullUrl`
resolved to Type/id, and come out as bulk NDJSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE, UnreadableNote, read_attachment
from clinical.formats.bundles import entries, patients_named
from clinical.formats.source import Place, Problem
from policies.errors import InputError
from policies.files import canonical_json, sha256_hex
from privacy.formats.fhir_notes import attachments, contained_in, note_text, plain_attachment
from privacy.formats.fhir_rules import known_types
from privacy.records import Format, RawRecord

LONGEST_LINE = 64 * 1024 * 1024
_PEOPLE = ("Patient", "Practitioner", "RelatedPerson")
_OF_NOBODY = frozenset(
    ("Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device", "Provenance")
)
# An attachment in another form than text is left behind where the same resource also holds text.
_NO_TEXT = ("not text", "no text", "empty note")


@dataclass(frozen=True)
class FhirSource:
    """FHIR files whose patients are indexed; resources are read when they are asked for.

    Of NDJSON only ids and offsets are held in memory, never the resources; a Bundle is in memory while it is read.

    Args:
        paths: its files.
        largest_note: the most bytes that a note may have.
    """

    paths: tuple[Path, ...]
    largest_note: int = LARGEST_NOTE
    _patients: dict[str, Place] = field(default_factory=dict, repr=False)
    _doubled: dict[str, Place] = field(default_factory=dict, repr=False)
    _foreign: set[Path] = field(default_factory=set, repr=False)
    _documents: set[Path] = field(default_factory=set, repr=False)
    _consents: list[Place] = field(default_factory=list, repr=False)
    _opened: dict[Place, dict[str, Mapping[str, Any]]] = field(default_factory=dict, repr=False)

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every resource that can be used, in the order of the files, and a problem for everything else.

        Attachments with text, HTML and RTF are handed out as plain text; `text` is the note that they make up.
        """
        seen: set[tuple[str, ...]] = set()
        for path in self.paths:
            if path in self._foreign:
                yield Place(path).problem("not FHIR", "nothing in this file is a FHIR resource")
                continue
            for place, chunk in self._chunks(path):
                yield from self._usable(place, chunk, seen)

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """The Patient resource with this id, which a record of this source named."""
        place = self._patients[patient_id]
        if place not in self._opened:  # the patients of one Bundle are asked for one after the other
            self._opened.clear()
            self._opened[place] = _patients_at(place, place.path in self._documents)
        return self._opened[place][patient_id]

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Every Patient, Practitioner and RelatedPerson, also those within other resources."""
        for path in self.paths:
            for _, chunk in self._chunks(path):
                if chunk is None or not any(f'"{kind}"'.encode() in chunk for kind in _PEOPLE):
                    continue
                for resource in _resources(chunk):
                    people = (resource, *contained_in(resource))
                    yield from (p for p in people if p.get("resourceType") in _PEOPLE and _is_person(p))

    def consents(self) -> Iterator[Mapping[str, Any]]:
        """Every Consent resource."""
        for place in self._consents:
            chunk = _chunk_at(place, place.path in self._documents)
            yield from (r for r in _resources(chunk) if r.get("resourceType") == "Consent")

    def _index(self) -> None:
        hashes: dict[str, str] = {}
        for path in self.paths:
            if _is_document(path):
                self._documents.add(path)
            self._foreign.add(path)
            for place, chunk in self._chunks(path):
                if chunk is None or b'"resourceType"' in chunk:
                    self._foreign.discard(path)
                if chunk is not None and b'"Consent"' in chunk:
                    self._consents.append(place)
                for resource in _resources(chunk) if chunk and b'"Patient"' in chunk else ():
                    kind = resource.get("resourceType")
                    if kind == "Patient" and isinstance(resource.get("id"), str) and _is_person(resource):
                        self._add(place, resource, hashes)

    def _add(self, place: Place, patient: Mapping[str, Any], hashes: dict[str, str]) -> None:
        digest = sha256_hex(canonical_json({k: v for k, v in patient.items() if k != "meta"}))
        if hashes.setdefault(patient["id"], digest) != digest:
            self._doubled[patient["id"]] = place
        self._patients.setdefault(patient["id"], place)

    def _chunks(self, path: Path) -> Iterator[tuple[Place, bytes | None]]:
        """What holds one JSON value: the whole file, or a line of it; None for one longer than memory should hold."""
        if path in self._documents:
            yield Place(path), path.read_bytes() if path.stat().st_size <= LONGEST_LINE else None
        else:
            yield from _lines(path)

    def _usable(self, place: Place, chunk: bytes | None, seen: set[tuple[str, ...]]) -> Iterator[RawRecord | Problem]:
        if chunk is None:
            yield place.problem("too long", f"one JSON value of over {LONGEST_LINE} bytes; left out. Export as NDJSON.")
        elif chunk.strip():
            resource = _parsed(chunk)
            if resource is None:
                yield place.problem("not JSON", "this is not a whole JSON object (cut short?); export it again")
            elif resource.get("resourceType") != "Bundle":
                yield self._record(place, resource, seen)
            else:
                for number, entry in enumerate(_entries(resource), 1):
                    yield _of_entry(self._record(place, entry, seen), number)

    def _record(self, place: Place, resource: Mapping[str, Any], seen: set[tuple[str, ...]]) -> RawRecord | Problem:
        if fault := _unusable(place, resource):
            return fault
        kind, record_id = resource["resourceType"], resource["id"]
        patients = {record_id} if kind == "Patient" else patients_named(resource)
        key = (kind, next(iter(patients), ""), record_id)
        repeated = place.problem("repeated id", f"an earlier {kind} has the same id; this one is left out")
        if fault := self._whose(place, kind, patients) or (repeated if key in seen else None):
            return fault
        try:
            body = self._with_plain_text(resource)
            text = note_text(body)
        except UnreadableNote as error:
            return place.refused(error)
        except (AttributeError, TypeError, RecursionError):
            return place.problem("malformed resource", f"the {kind} is not shaped as FHIR says; left out")
        seen.add(key)
        return RawRecord(Format.FHIR, kind, key[1], record_id, body, text, place.path.name, place.line)

    def _whose(self, place: Place, kind: str, patients: Iterable[str]) -> Problem | None:
        """What is wrong with the patients that a resource names."""
        named = sorted(patients)
        if not named:
            message = f"the {kind} names no patient; left out"
            return None if kind in _OF_NOBODY else place.problem("no subject", message)
        if len(named) > 1:
            return place.problem("several patients", f"the {kind} belongs to more than one patient; left out")
        if other := self._doubled.get(named[0]):
            return place.problem(
                "two patients with one id",
                f"different Patient resources share this {kind}'s patient id ({other.path.name}, line {other.line}); "
                "nobody can tell whose records these are, so all of them are left out",
            )
        if named[0] not in self._patients:
            return place.problem("unknown patient", f"no Patient resource has the id that this {kind} names; left out")
        return None

    def _with_plain_text(self, resource: Mapping[str, Any]) -> Mapping[str, Any]:
        """The resource, which was parsed for this alone, with its attachments as plain text.

        Raises:
            UnreadableNote: an attachment that should hold text cannot be read, or a document has none that does.
        """
        refused: list[UnreadableNote] = []
        read = 0
        for attachment in attachments(resource):
            try:
                attachment.update(plain_attachment(read_attachment(attachment, self.largest_note)))
                read += 1
            except UnreadableNote as error:
                if error.kind not in _NO_TEXT:
                    raise
                refused.append(error)
        if resource["resourceType"] == "DocumentReference" and not read:
            raise refused[0] if refused else UnreadableNote("the DocumentReference has no attachment", kind="no text")
        return resource


def open_fhir(paths: Sequence[Path], largest_note: int = LARGEST_NOTE) -> FhirSource:
    """Index FHIR files of any kind and name: NDJSON, Bundles, single resources.

    Raises:
        InputError: there are no files.
    """
    if not paths:
        raise InputError("no FHIR file here", "Name a folder with a FHIR export (*.ndjson or *.json).")
    source = FhirSource(tuple(paths), largest_note)
    source._index()
    return source


def _unusable(place: Place, resource: Mapping[str, Any]) -> Problem | None:
    kind, record_id = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str):
        return place.problem("not FHIR", "there is no resource with a resourceType; left out")
    if kind not in known_types():
        return place.problem("unknown resource type", "no rule says what of this resource may be kept; left out")
    if not isinstance(record_id, str) or not record_id:
        return place.problem("no id", f"the {kind} has no id; left out")
    return None


def _entries(bundle: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    try:
        return list(entries(bundle))
    except RecursionError:
        return [{}]


def _of_entry(found: RawRecord | Problem, number: int) -> RawRecord | Problem:
    return (
        replace(found, message=f"entry {number} of the Bundle: {found.message}")
        if isinstance(found, Problem)
        else found
    )


def _resources(chunk: bytes) -> Iterator[Mapping[str, Any]]:
    value = _parsed(chunk)
    if value and value.get("resourceType") == "Bundle":
        yield from _entries(value)
    elif value:
        yield value


def _chunk_at(place: Place, is_document: bool) -> bytes:
    with place.path.open("rb") as stream:
        stream.seek(place.offset)
        return stream.read() if is_document else stream.readline()


def _patients_at(place: Place, is_document: bool) -> dict[str, Mapping[str, Any]]:
    resources = _resources(_chunk_at(place, is_document))
    return {str(r.get("id")): r for r in resources if r.get("resourceType") == "Patient"}


def _is_person(resource: Mapping[str, Any]) -> bool:
    """Whether names, numbers and addresses can be read: of a person of another shape nothing could be looked for."""
    lists = (resource.get(name, []) for name in ("identifier", "name", "telecom", "address", "contact"))
    try:
        canonical_json(resource)
    except ValueError:  # a lone surrogate
        return False
    return all(isinstance(own, list) and all(map(_is_entry, own)) for own in lists)


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type", {}), dict | str)


def _is_document(path: Path) -> bool:
    """Whether the file is one JSON value over many lines: the first breaks off, and the next begins no other value."""
    with path.open("rb") as stream:
        filled = (line.strip() for line in iter(lambda: stream.readline(LONGEST_LINE), b"") if line.strip())
        first, second = next(filled, b""), next(filled, b"")
    return bool(second) and _parsed(first) is None and not (first.endswith(b"}") and second.startswith(b"{"))


def _lines(path: Path) -> Iterator[tuple[Place, bytes | None]]:
    """Lines with their place; None for one that is longer than memory should hold."""
    with path.open("rb") as stream:
        number = offset = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            place, offset = Place(path, number, offset), offset + len(line)
            if len(line) < LONGEST_LINE or line.endswith(b"\n"):
                yield place, line
                continue
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
                offset += len(line)
            yield place, None


def _parsed(chunk: bytes) -> Mapping[str, Any] | None:
    """The JSON object; None where it is none, names one element twice, or holds what is no JSON."""
    try:
        value = json.loads(chunk, parse_constant=_refused, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) < len(pairs):  # readers differ in which of the two they take (RFC 8259, section 4)
        raise ValueError("an element is named twice")
    return whole
