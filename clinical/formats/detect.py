"""What a file is, by its content and never by its name; and a folder of several formats as one source."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE
from clinical.formats.fhir import FhirSource, open_fhir
from clinical.formats.hl7 import open_hl7
from clinical.formats.merging import merged
from clinical.formats.source import Place, Problem, Source
from clinical.formats.table import check_headers, header_fault, looks_like_table, open_table
from clinical.formats.text import is_html, open_text
from clinical.manifest import MANIFEST
from policies.errors import InputError
from privacy.formats.columns import ColumnRules, column_rules
from privacy.identity import master_id
from privacy.records import Format

LOOKED_AT = 64 * 1024
_HL7 = re.compile(rb"(?:\A|[\r\n\x0b])(?:(?:MSH|FHS|BHS)[^\w\s]|(?:EVN|PID)\|)")
_JSON = re.compile(rb'\{\s*["}]|\[\s*\{')
_RESOURCE = re.compile(rb'"resourceType"\s*:')
# First bytes of what holds no text that can be read here, and its name.
_BINARY = (
    (b"%PDF", "PDF"), (b"PK\x03\x04", "ZIP, DOCX or XLSX"), (b"\xd0\xcf\x11\xe0", "old DOC or XLS"),
    (b"\x1f\x8b", "gzip"), (b"\x89PNG", "PNG"), (b"\xff\xd8\xff", "JPEG"), (b"GIF8", "GIF"), (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"), (b"SQLite format 3", "SQLite"),
)  # fmt: skip
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_RTF = b"{\\rtf"
_READABLE = "FHIR (JSON, NDJSON), HL7 v2, CSV, plain text, RTF or HTML"


@dataclass
class MixedSource:
    """Files of several formats; a patient is known by all that any of them says of the same record number.

    Which ids are one person's is learnt when all people are read for the first time.

    Args:
        paths: the files that are read.
        parts: a source for each format.
        problems: files that are not read.
    """

    paths: tuple[Path, ...]
    parts: tuple[Source, ...]
    problems: tuple[Problem, ...] = ()
    _same: dict[tuple[str, str], set[str]] = field(default_factory=dict, repr=False)
    _indexed: bool = False

    def records(self) -> Iterator[Any]:
        """Problems with whole files, then the records of each format."""
        yield from self.problems
        for part in self.parts:
            yield from part.records()

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """What all parts say of one patient, as a FHIR Patient."""
        own = self._known(patient_id)
        if not own:
            raise KeyError("no part knows this patient")
        others = self._ids(master_id(merged(own), patient_id)) - {patient_id}
        return {**merged([*own, *(fact for other in sorted(others) for fact in self._known(other))]), "id": patient_id}

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Everyone whom any part names."""
        for part in self.parts:
            for person in part.people():
                if self._mixed and person.get("resourceType") == "Patient":
                    patient_id = str(person.get("id", ""))
                    self._same.setdefault(master_id(person, patient_id), set()).add(patient_id)
                yield person
        self._indexed = True

    def consents(self) -> Iterator[Mapping[str, Any]]:
        """Every FHIR Consent resource; other formats have none."""
        for part in self.parts:
            if isinstance(part, FhirSource):
                yield from part.consents()

    def _known(self, patient_id: str) -> list[Mapping[str, Any]]:
        found = []
        for part in self.parts:
            try:
                found.append(part.patient(patient_id))
            except KeyError:
                continue
        return found

    @property
    def _mixed(self) -> bool:
        """Of one part alone, no two ids are taken for one person's."""
        return len(self.parts) > 1

    def _ids(self, master: tuple[str, str]) -> set[str]:
        if self._mixed and not self._indexed:
            deque(self.people(), maxlen=0)
        return self._same.get(master, set())


def open_source(
    source: Path, *, largest_note: int = LARGEST_NOTE, columns: Path | None = None, patient: str | None = None
) -> MixedSource:
    """Open a file, or all files of a folder (not of folders in it), each as what it is.

    Args:
        largest_note: the most bytes that a note may have.
        columns: a hospital's own TOML file with rules of the columns of its tables.
        patient: the medical record number of the patient whose all plain texts are that no table names.

    Raises:
        InputError: as `files_by_format`.
    """
    paths, problems = files_by_format(source, columns)
    return _opened(paths, problems, largest_note, columns, patient)


def files_by_format(
    source: Path, columns: Path | None = None
) -> tuple[Mapping[Format, tuple[Path, ...]], tuple[Problem, ...]]:
    """The files of a source by what each begins as, and those that are not read; no record is looked at yet.

    Raises:
        InputError: there is none, nothing of it or of `columns` can be read, it is a table of nobody, or Confide wrote
            it as surrogates or texts.
    """
    _refuse_own(source if source.is_dir() else source.parent)
    rules = _column_rules(columns)
    found: dict[Format, list[Path]] = {kind: [] for kind in Format}
    problems = []
    for path in _files(source):
        kind = _in_folder(path, rules) if source.is_dir() else kind_of(path, rules)
        if isinstance(kind, Problem):
            problems.append(kind)
        else:
            found[kind].append(path)
    paths = {kind: tuple(files) for kind, files in found.items() if files}
    if not paths:
        reasons = ", ".join(sorted({problem.kind for problem in problems})) or "no files"
        raise InputError(f"nothing here can be read ({reasons})", f"Bring {_READABLE}.", file=source)
    check_headers(paths.get(Format.CSV, ()), rules)
    return paths, tuple(problems)


def _column_rules(columns: Path | None) -> ColumnRules:
    if columns and not columns.is_file():
        hint = "Name a TOML file that says what your columns hold: [columns] YOUR_COLUMN = 'mrn'."
        raise InputError("no such file, so no rules of columns", hint, file=columns)
    return column_rules(columns)


def _in_folder(path: Path, rules: ColumnRules) -> Format | Problem:
    """As `kind_of`, for a file that nobody named; a table of nobody is a problem as well."""
    place = Place(path)
    if not path.is_file():
        return place.problem("folder", "name a folder by itself to read it")
    if path.name.startswith("."):
        return place.problem("hidden file", "its name begins with a dot; left out. Rename it if it holds records")
    kind = kind_of(path, rules)
    fault = header_fault(path, rules) if kind is Format.CSV else None
    return place.refused(fault) if fault else kind


def kind_of(path: Path, rules: ColumnRules) -> Format | Problem:
    """The format of a file, by its first 64 KB; a problem where it is none that can be read."""
    with path.open("rb") as stream:
        head = stream.read(LOOKED_AT)
    if head.startswith(_UTF_16):
        head = _decoded(head).encode()
    start = head.lstrip(b"\xef\xbb\xbf\x0b \t\r\n")
    if not start:
        return Place(path).problem("empty file", "the file is empty; left out")
    known = _text_format(head, start, rules)
    if isinstance(known, Format):
        return known
    return Place(path).problem("unknown format", f"{known} is not read here; export it as {_READABLE}")


def _text_format(head: bytes, start: bytes, rules: ColumnRules) -> Format | str:
    """The format of a file that begins with `head`, `start` without blanks; or the name of what is none of ours."""
    binary = next((name for magic, name in _BINARY if head.startswith(magic)), "")
    if binary or b"\x00" in head:
        return binary or "binary data"
    if _HL7.search(head):
        return Format.HL7
    if _JSON.match(start) or _RESOURCE.search(head):
        return Format.FHIR
    if start.startswith(b"<") and not is_html(head):
        return "XML"
    table = not start.startswith((_RTF, b"<")) and looks_like_table(_decoded(head), rules)
    return Format.CSV if table else Format.TEXT


def _opened(
    paths: Mapping[Format, tuple[Path, ...]],
    problems: tuple[Problem, ...],
    largest_note: int,
    columns: Path | None,
    patient: str | None,
) -> MixedSource:
    parts: list[Source] = []
    tables = open_table(paths[Format.CSV], columns, largest_note) if Format.CSV in paths else None
    if Format.FHIR in paths:
        parts.append(open_fhir(paths[Format.FHIR], largest_note))
    if Format.HL7 in paths:
        parts.append(open_hl7(paths[Format.HL7], largest_note))
    if tables:
        parts.append(tables)
    if Format.TEXT in paths:
        parts.append(open_text(paths[Format.TEXT], patient, tables, largest_note))
    return MixedSource(tuple(sorted(path for some in paths.values() for path in some)), tuple(parts), problems)


def _files(source: Path) -> list[Path]:
    """The files of a folder, without Confide's own manifest."""
    if not source.exists():
        raise InputError("no such file or folder", "Name a file or folder of records.", file=source)
    if not source.is_dir():
        return [source]
    return sorted(path for path in source.iterdir() if path.name != MANIFEST or not _own_manifest(source))


def _refuse_own(folder: Path) -> None:
    """Output of Confide is read again only where that changes nothing."""
    manifest = _own_manifest(folder)
    records = manifest.get("records")
    if manifest.get("mode") == "surrogate":
        why = "in surrogate mode: de-identifying it again would hide nothing and break its links"
    elif isinstance(records, dict) and "Document" in records:
        why = "and holds texts: de-identifying them again would give them to another patient"
    else:
        return
    raise InputError(f"was written by Confide {why}", "Name the folder with the original records.", file=folder)


def _own_manifest(folder: Path) -> Mapping[str, Any]:
    """What Confide's manifest says, signed or not; empty where Confide did not write the folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
        return manifest if isinstance(manifest, dict) and manifest["tool"] == "confide" else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _decoded(head: bytes) -> str:
    if head.startswith(_UTF_16):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace")
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the 64 KB cut in two is no sign of another charset.
        return head[: error.start].decode() if len(head) - error.start < 4 else head.decode("latin-1")
