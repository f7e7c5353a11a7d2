"""What a job has done so far, so that one that was killed goes on where it stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from policies.files import canonical_json

JOURNAL = "journal.ndjson"


@dataclass
class Progress:
    """The sum of a journal's lines.

    Args:
        items: records and problems that are done.
        sizes, problems: bytes of each output file, and of the file of problems, that are whole.
        counts: one mapping for each batch.
        patients: their pseudonyms.
    """

    items: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    problems: int = 0
    counts: list[Mapping[str, Any]] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)


class Journal:
    """One line for each finished batch, written after the batch's records are durable.

    Args:
        folder: of the unfinished output.
        job: a hash of all that decides the output; a journal of another job is not gone on with.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self._path, self._job = folder / JOURNAL, job

    def read(self) -> Progress | None:
        """How far the job came; None where there is no journal, or one of another job."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return None
        lines = [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
        if not lines or lines[0] != {"job": self._job}:
            return None
        done = Progress()
        for line in lines[1:]:
            done.items += line["items"]
            done.sizes.update(line["sizes"])
            done.problems = line["problems"]
            done.counts.append(line["counts"])
            done.patients.update(line["patients"])
        with self._path.open("r+b") as stream:
            stream.truncate(raw.rfind(b"\n") + 1)  # a torn last line counts for nothing
        return done

    def begin(self) -> None:
        """Start a new journal."""
        self._path.write_bytes(canonical_json({"job": self._job}) + b"\n")

    def add(
        self, items: int, sizes: Mapping[str, int], problems: int, counts: Mapping[str, Any], patients: list[str]
    ) -> None:
        """Write that a batch is done; its records must be durable before."""
        done = {"items": items, "sizes": sizes, "problems": problems, "counts": counts, "patients": patients}
        with self._path.open("ab") as stream:
            stream.write(canonical_json(done) + b"\n")
            stream.flush()
            os.fsync(stream.fileno())

    def end(self) -> None:
        """The job is whole; its journal goes."""
        self._path.unlink()
