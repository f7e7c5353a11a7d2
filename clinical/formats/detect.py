"""What a file is, by its content and never by its name; and a folder of several formats as one source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE
from clinical.formats.fhir import open_fhir
from clinical.formats.hl7 import open_hl7
from clinical.formats.merging import merged
from clinical.formats.source import Place, Problem, Source
from clinical.formats.table import looks_like_table, open_table
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


@dataclass(frozen=True)
class MixedSource:
    """Files of several formats; a patient is known by all that any of them says of the same record number.

    Args:
        paths: the files that are read.
        parts: a source for each format.
        problems: files that are not read.
    """

    paths: tuple[Path, ...]
    parts: tuple[Source, ...]
    problems: tuple[Problem, ...] = ()
    _same: dict[tuple[str, str], set[str]] = field(default_factory=dict, repr=False)

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
        others = self._same.get(master_id(merged(own), patient_id), set()) - {patient_id}
        return {**merged([*own, *(fact for other in sorted(others) for fact in self._known(other))]), "id": patient_id}

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Everyone whom any part names."""
        for part in self.parts:
            yield from part.people()

    def _known(self, patient_id: str) -> list[Mapping[str, Any]]:
        found = []
        for part in self.parts:
            try:
                found.append(part.patient(patient_id))
            except KeyError:
                continue
        return found

    def _index(self) -> None:
        """Which ids of different parts are one person's; of one part alone, none are."""
        if len(self.parts) > 1:
            for person in self.people():
                if person.get("resourceType") == "Patient":
                    patient_id = str(person.get("id", ""))
                    self._same.setdefault(master_id(person, patient_id), set()).add(patient_id)


def open_source(
    source: Path, *, largest_note: int = LARGEST_NOTE, columns: Path | None = None, patient: str | None = None
) -> Source:
    """Open a file, or all files of a folder (not of folders in it), each as what it is.

    Args:
        largest_note: the most bytes that a note may have.
        columns: a hospital's own TOML file with rules of the columns of its tables.
        patient: the medical record number of the patient whose all plain texts are that no table names.

    Raises:
        InputError: nothing here can be read, or Confide wrote it in surrogate mode.
    """
    _refuse_surrogates(source if source.is_dir() else source.parent)
    rules = column_rules(columns)
    found: dict[Format, list[Path]] = {kind: [] for kind in Format}
    problems = []
    for path in _files(source):
        kind = (
            kind_of(path, rules)
            if path.is_file()
            else Place(path).problem("folder", "name a folder by itself to read it")
        )
        if isinstance(kind, Problem):
            problems.append(kind)
        else:
            found[kind].append(path)
    paths = {kind: tuple(files) for kind, files in found.items() if files}
    if not paths:
        reasons = ", ".join(sorted({problem.kind for problem in problems})) or "no files"
        raise InputError(f"nothing here can be read ({reasons})", f"Bring {_READABLE}.", file=source)
    return _opened(paths, tuple(problems), largest_note, columns, patient)


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
    mixed = MixedSource(tuple(sorted(path for some in paths.values() for path in some)), tuple(parts), problems)
    mixed._index()
    return mixed


def _files(source: Path) -> list[Path]:
    """The files of a folder, without hidden ones and Confide's own manifest."""
    if not source.exists():
        raise InputError("no such file or folder", file=source)
    if not source.is_dir():
        return [source]
    visible = (path for path in source.iterdir() if not path.name.startswith("."))
    return sorted(path for path in visible if path.name != MANIFEST or _written_mode(source) is None)


def _refuse_surrogates(folder: Path) -> None:
    if _written_mode(folder) == "surrogate":
        raise InputError(
            "was written by Confide in surrogate mode: de-identifying it again would hide nothing and break its links",
            "Name the folder with the original records.",
            file=folder,
        )


def _written_mode(folder: Path) -> str | None:
    """The mode that Confide's manifest names; None where Confide did not write the folder."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())["manifest"]
        return str(manifest.get("mode", "")) if manifest["tool"] == "confide" else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _decoded(head: bytes) -> str:
    if head.startswith(_UTF_16):
        return head[: len(head) // 2 * 2].decode("utf-16", "replace")
    try:
        return head.decode("utf-8")
    except UnicodeDecodeError as error:
        # A character that the 64 KB cut in two is no sign of another charset.
        return head[: error.start].decode() if len(head) - error.start < 4 else head.decode("latin-1")
