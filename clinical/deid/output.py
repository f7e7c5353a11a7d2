"""Where de-identified records are written: one file for each kind, in the order of the source."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

from policies.files import canonical_json, write_whole
from privacy.formats.columns import ColumnRules
from privacy.records import DeidentifiedRecord, Format
from privacy.vault.codes import replace_codes

DOCUMENTS = "documents.ndjson"


class Output(ExitStack):
    """The growing files of a job.

    Args:
        folder: where they lie.
        sizes: bytes of each file that an earlier run left whole; what stands after them is cut off.
    """

    def __init__(self, folder: Path, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self._folder, self._files = folder, dict[str, IO[bytes]]()
        self._tables: dict[str, str] = {}
        for name, size in sizes.items():
            self._open(name).truncate(size)
            self._files[name].seek(size)

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def write(self, record: DeidentifiedRecord, source_file: int, codes: Mapping[str, str]) -> None:
        """Add a record.

        Args:
            source_file: number of the file that it came from, from 1; each table keeps a file of its own.
            codes: what stands in the place of each keyed pseudonym; empty where they stay.
        """
        match record.format:
            case Format.FHIR:
                self._add(f"{record.kind}.ndjson", canonical_json(record.body).decode() + "\n", codes)
            case Format.HL7:
                self._add("messages.hl7", record.body.rstrip("\r\n") + "\r\n", codes)
            case Format.CSV:
                name = f"table-{source_file:04d}.csv"
                if name not in self._files:
                    self._add(name, _row(list(record.body)), {})
                self._add(name, _row([str(value) for value in record.body.values()]), codes)
            case Format.TEXT:
                name = replace_codes(text_file(record.record), codes)
                write_whole(self._folder / name, record.body.encode())
                line = canonical_json({"file": name, "patient": record.patient, "record": record.record}).decode()
                self._add(DOCUMENTS, line + "\n", codes)

    def sync(self) -> Mapping[str, int]:
        """Make everything durable; returns the size of each file."""
        for stream in self._files.values():
            stream.flush()
            os.fsync(stream.fileno())
        return {name: stream.tell() for name, stream in self._files.items()}

    def _add(self, name: str, text: str, codes: Mapping[str, str]) -> None:
        self._open(name).write(replace_codes(text, codes).encode() if codes else text.encode())

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._files:
            path = self._folder / name
            path.touch()
            self._files[name] = self.enter_context(path.open("r+b"))
        return self._files[name]


def tables_without_text(folder: Path, rules: ColumnRules) -> list[str]:
    """Tables of a folder that hold no free text, as one that says whose text each is: their rows are no notes."""
    found = []
    for path in sorted(folder.glob("table-*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            if all(rules.rule(column) != "text" for column in next(csv.reader(stream))):
                found.append(path.name)
    return found


def text_file(code: str) -> str:
    """The name of the file that a text is written to, by the code of its document."""
    return f"{code}.txt"


def _row(values: list[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(values)
    return stream.getvalue()
