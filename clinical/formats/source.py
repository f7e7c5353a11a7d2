"""What every format yields: records, problems with their place, and the people whom the source names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from policies.errors import InputError
from privacy.records import RawRecord


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
class Place:
    """Where a record begins.

    Args:
        path: its file.
        line: its first line, from 1.
        offset: bytes before it in the file.
    """

    path: Path
    line: int = 1
    offset: int = 0

    def problem(self, kind: str, message: str) -> Problem:
        """What is wrong here."""
        return Problem(self.path.name, self.line, kind, message)

    def refused(self, error: InputError) -> Problem:
        """What an error says of what stands here."""
        return self.problem(error.kind, f"{error.message}; left out. {error.hint}")


class Source(Protocol):
    """Records of one or more files, with what the source knows of their patients."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are read."""
        ...

    def records(self) -> Iterator[RawRecord | Problem]:
        """Every record that can be used, in the order of the files, and a problem for everything else."""
        ...

    def patient(self, patient_id: str) -> Mapping[str, Any]:
        """What the source knows of a patient that one of its records named, in the shape of a FHIR Patient."""
        ...

    def people(self) -> Iterator[Mapping[str, Any]]:
        """Every patient, relative and staff member whom the source names, in the shape of FHIR resources."""
        ...
