"""Tables as CSV: any usual delimiter, quoted cells over several lines, and whose row each one is."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from clinical.attachments import LARGEST_NOTE
from clinical.formats.merging import by_birth, merged
from clinical.formats.source import Place, Problem
from clinical.formats.table_people import others_of, patient_id_of, patient_of
from policies.errors import InputError
from privacy.formats.columns import ColumnRules, column_rules, file_name, row_text
from privacy.records import Format, RawRecord

DELIMITERS = ",;\t|"
LONGEST_CELL = 64 * 1024 * 1024
_LOOKED_AT = 20  # rows


@dataclass(frozen=True)
class TableSource:
    """Tables whose patients are known.

    What the rows say of each patient is held in memory, each thing once.

    Args:
        paths: the files.
        rules: of the columns.
        largest_note: the most bytes that the text of a row may have.
        documents: patient ids by the names of files that rows point to; "" where they name several.
    """

    paths: tuple[Path, ...]
    rules: ColumnRules = field(default_factory=ColumnRules)
    largest_note: int = LARGEST_NOTE
    documents: dict[str, str] = field(default_factory=dict, repr=False)
    _facts: dict[str, dict[str, None]] = field(default_factory=dict, repr=False)

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every row that has a patient, and a problem for every other."""
        for path in self.paths:
            for place, row in _rows(path, self.rules.charset):
                yield row if isinstance(row, Problem) else self._record(place, row)

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """What all rows say of one patient, as a FHIR Patient."""
        return {**merged([json.loads(fact) for fact in self._facts[patient_id]]), "id": patient_id}

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Patients, once for each date of birth that they are given; relatives and staff."""
        for patient_id, known in self._facts.items():
            yield from by_birth(patient_id, [json.loads(fact) for fact in known])
        seen: set[str] = set()
        for _, row in self._good_rows():
            for person in others_of(row, self.rules):
                if (said := json.dumps(person)) not in seen:
                    seen.add(said)
                    yield person

    def _index(self) -> None:
        for _, row in self._good_rows():
            if patient_id := patient_id_of(row, self.rules):
                known = self._facts.setdefault(patient_id, {})
                known.update(dict.fromkeys(_single_facts(patient_of(row, self.rules))))
                for header, value in row.items():
                    if value.strip() and self.rules.rule(header) == "file":
                        same = self.documents.setdefault(file_name(value), patient_id) == patient_id
                        self.documents[file_name(value)] = patient_id if same else ""

    def _good_rows(self) -> Iterator[tuple[Place, dict[str, str]]]:
        for path in self.paths:
            for place, row in _rows(path, self.rules.charset):
                if not isinstance(row, Problem):
                    yield place, row

    def _record(self, place: Place, row: dict[str, str]) -> RawRecord | Problem:
        patient_id, text = patient_id_of(row, self.rules), row_text(row, self.rules)
        if not patient_id:
            return place.problem("no patient", "the row names no patient; left out")
        if len(text.encode()) > self.largest_note:
            return place.problem("note too large", f"the row's text has over {self.largest_note} bytes; left out")
        record_id = f"{place.path.name}:{place.line}"
        return RawRecord(Format.CSV, "Row", patient_id, record_id, row, text, place.path.name, place.line)


def open_table(paths: tuple[Path, ...], rules: Path | None = None, largest_note: int = LARGEST_NOTE) -> TableSource:
    """Index the patients of tables.

    Args:
        rules: a hospital's own TOML file with rules of columns.

    Raises:
        InputError: a table has no column with the patient's number, or two columns of one name.
    """
    source = TableSource(paths, column_rules(rules), largest_note)
    check_headers(paths, source.rules)
    source._index()
    return source


def check_headers(paths: Iterable[Path], rules: ColumnRules) -> None:
    """Raises InputError for the first table of which nothing can be used."""
    for path in paths:
        if fault := header_fault(path, rules):
            raise InputError(fault.message, fault.hint, file=path, kind=fault.kind)


def looks_like_table(text: str, rules: ColumnRules) -> bool:
    """Whether the beginning of a file is a table: headers that a rule knows, or rows of three cells and more alike."""
    rows = _first_rows(text, delimiter_of(text))
    header = rows[0] if rows else []
    if len(header) < 2 or not all(cell.strip() and len(cell) <= 64 for cell in header):
        return False
    known = sum(rules.rule(cell.strip()) is not None for cell in header)
    alike = len(rows) >= 3 and len(header) >= 3 and all(len(row) == len(header) for row in rows)
    return 2 * known >= len(header) or (alike and len(set(header)) == len(header))


def delimiter_of(text: str) -> str:
    """The delimiter that parts the first line into the most cells."""
    line = next((line for line in text.lstrip("\ufeff").splitlines() if line.strip()), "")
    return max(DELIMITERS, key=lambda delimiter: len(next(csv.reader([line], delimiter=delimiter), [])))


def header_fault(path: Path, rules: ColumnRules) -> InputError | None:
    """Why nothing of a table can be used: two columns of one name, or none with the patient's number."""
    try:
        header = [name.strip() for name in next(_raw_rows(path, rules.charset))[1]]
    except (UnicodeDecodeError, csv.Error, StopIteration):
        return None  # the reading says so, with the rest of what is wrong
    repeated = [number for number, name in enumerate(header, 1) if name in header[: number - 1]]
    if repeated:
        message = f"column {repeated[0]} has the name of an earlier one"
        return InputError(message, "Name each column once.", kind="repeated column")
    if any(rules.rule(name) in ("patient", "mrn") for name in header):
        return None
    wanted = [name for name, rule in rules.own.items() if rule in ("patient", "mrn")] or ["mrn", "patient_id"]
    return InputError(
        f"no column with the patient's number: {' or '.join(wanted)}",
        "Name that column in a TOML file and pass it with --columns: [columns] YOUR_COLUMN = 'mrn'.",
        kind="no patient column",
    )


def _single_facts(patient: Mapping[str, Any]) -> Iterator[str]:
    for key, value in patient.items():
        for item in value if isinstance(value, list) else [value]:
            yield json.dumps({key: [item] if isinstance(value, list) else item})


def _first_rows(text: str, delimiter: str) -> list[list[str]]:
    """The first rows without the last, which may be cut."""
    reader = csv.reader(StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    try:
        rows = [row for row, _ in zip(reader, range(_LOOKED_AT + 1), strict=False) if row]
    except csv.Error:
        return []
    return rows[:-1] if len(rows) > _LOOKED_AT else rows


def _rows(path: Path, charset: str) -> Iterator[tuple[Place, dict[str, str] | Problem]]:
    """Rows by column, and a problem for what is none."""
    header: list[str] | None = None
    place = Place(path)
    try:
        for number, row in _raw_rows(path, charset):
            place = Place(path, number)
            if header is None:
                header = [name.strip() for name in row]
            elif len(row) == len(header):
                yield place, dict(zip(header, row, strict=True))
            elif any(cell.strip() for cell in row):
                message = f"the row has {len(row)} cells, the header {len(header)}; left out."
                yield place, place.problem("ragged row", f"{message} Quote cells that hold delimiters.")
    except UnicodeDecodeError:
        message = f"not {charset} text from here on; left out. Save as UTF-8, or name the charset in --columns."
        yield place, place.problem("unknown charset", message)
    except csv.Error:
        yield (
            place,
            place.problem("broken row", "a quoted cell does not end (cut short?); the file is left out from here on"),
        )


def _raw_rows(path: Path, charset: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with the line that they begin in."""
    csv.field_size_limit(LONGEST_CELL)
    with path.open("rb") as stream:
        start = stream.read(4096)
    codec = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else charset
    codec = "utf-8-sig" if codec.lower() in ("utf-8", "utf8") else codec
    with path.open(encoding=codec, newline="") as text:
        delimiter = delimiter_of(start.decode(codec, "replace"))
        reader, line = csv.reader(text, delimiter=delimiter, strict=True), 1
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
