"""Notes as files of plain text, RTF or HTML, one note each; whose they are is said beside them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE, UnreadableNote, read_attachment
from clinical.formats.source import Place, Problem
from clinical.formats.table import TableSource
from privacy.records import Format, RawRecord

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body|div|p|table|pre|h[1-6])[\s>]",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class TextSource:
    """Files with a note each.

    Args:
        paths: the files.
        owner: the medical record number of the patient whose all notes are that no table names; None for nobody.
        tables: tables beside the files; rows with a column for the file's name say whose note it is.
        largest_note: the most bytes that a note may have.
    """

    paths: tuple[Path, ...]
    owner: str | None = field(default=None, repr=False)
    tables: TableSource | None = None
    largest_note: int = LARGEST_NOTE

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every note that has a patient, and a problem for every other file."""
        return map(self._record, self.paths)

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """What the tables say of one patient, or the number alone."""
        if self.owner is not None and patient_id == f"mrn:{self.owner}":
            return self._owner()
        if self.tables is None:
            raise KeyError(patient_id)
        return self.tables.patient(patient_id)

    def people(self) -> Iterator[Mapping[str, Any]]:
        """The one patient who was named; all others stand in the tables."""
        if self.owner is not None:
            yield self._owner()

    def _owner(self) -> Mapping[str, Any]:
        number = {"type": {"coding": [{"code": "MR"}]}, "value": self.owner}
        return {"resourceType": "Patient", "id": f"mrn:{self.owner}", "identifier": [number]}

    def _record(self, path: Path) -> RawRecord | Problem:
        place = Place(path)
        listed = self.tables.documents.get(path.name) if self.tables else None
        if listed == "":
            return place.problem("several patients", "rows of different patients name this file; left out")
        if listed is None and self.owner is None:
            message = "nothing says whose note this is; left out. Name the patient with --patient, or put a table"
            return place.problem("no patient", f"{message} with the columns file and mrn beside the notes.")
        try:
            text = read_note(path, self.largest_note)
        except UnreadableNote as error:
            return place.refused(error)
        patient_id = listed if listed is not None else f"mrn:{self.owner}"
        return RawRecord(Format.TEXT, "Document", patient_id, path.name, text, text, path.name, 1)


def open_text(
    paths: tuple[Path, ...],
    patient: str | None = None,
    tables: TableSource | None = None,
    largest_note: int = LARGEST_NOTE,
) -> TextSource:
    """Files with a note each, of the patients that `tables` or `patient`, a medical record number, names."""
    return TextSource(paths, patient, tables, largest_note)


def read_note(path: Path, largest: int = LARGEST_NOTE) -> str:
    """The text of a file, whose format is told by its first characters.

    Raises:
        UnreadableNote: it is too large, empty, or neither UTF-8 nor UTF-16 with a byte order mark.
    """
    if path.stat().st_size > largest:
        raise UnreadableNote(
            f"the note has over {largest} bytes", "Split it, or raise the limit.", kind="note too large"
        )
    data = path.read_bytes()
    kind = "text/rtf" if data.lstrip().startswith(b"{\\rtf") else "text/html" if is_html(data) else "text/plain"
    return read_attachment({"contentType": kind, "data": base64.b64encode(data).decode()}, largest)


def is_html(data: bytes) -> bool:
    """Whether a file begins as HTML does."""
    start = data[:4096]
    codec = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    return _HTML.match(start.decode(codec, "replace").lstrip("\ufeff")) is not None
