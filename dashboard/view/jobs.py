"""De-identifications at a hospital: how many records, how fast, what was left out; no word of a record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from dashboard.view.logged import logged, when
from policies.errors import IntegrityError
from policies.events import Entry, Event
from policies.guard import Site

_NONE = "–"


@dataclass(frozen=True)
class Job:
    """One de-identification, as the log says it.

    Attributes:
        began: when its export was read; seconds: until its output was signed, or none where it was not.
        records, problems: by kind; identifiers: that were replaced in text.
        standing: "done", "stopped", or "goes on, or was killed".
    """

    began: str
    who: str
    files: int
    standing: str
    seconds: float | None = None
    patients: int = 0
    notes: int = 0
    records: int = 0
    identifiers: int = 0
    problems: tuple[tuple[str, int], ...] = ()

    @property
    def rate(self) -> float | None:
        """Records a second."""
        return self.records / self.seconds if self.seconds else None

    def row(self) -> dict[str, Any]:
        """The job as a table shows it."""
        return {
            "Began": self.began,
            "Who": self.who,
            "State": self.standing,
            "Files": self.files,
            "Records": self.records,
            "Notes": self.notes,
            "Patients": self.patients,
            "Identifiers replaced": self.identifiers,
            "Left out": sum(times for _, times in self.problems),
            "Seconds": _NONE if self.seconds is None else f"{self.seconds:.1f}",
            "Records a second": _NONE if self.rate is None else f"{self.rate:.0f}",
        }


def jobs(site: Site) -> tuple[Job, ...]:
    """Every job, the newest first: what one process did from reading an export to its signed output or its end."""
    ends = (Event.RECORDS_DEIDENTIFIED, Event.PROCESS_STOPPED)
    open_, done = dict[str, Entry](), list[Job]()
    for entry in logged(site, Event.EXPORT_READ, *ends):
        if entry.event is Event.EXPORT_READ:
            open_[entry.session] = entry
        elif begun := open_.pop(entry.session, None):
            done.append(_done(begun, entry) if entry.event is Event.RECORDS_DEIDENTIFIED else _begun(begun, "stopped"))
    found = [*done, *(_begun(entry, "goes on, or was killed") for entry in open_.values())]
    return tuple(sorted(found, key=lambda job: job.began, reverse=True))


def rates(found: Sequence[Job]) -> list[tuple[str, float]]:
    """When each finished job began, and its records a second, the oldest first."""
    return [(job.began, job.rate) for job in reversed(found) if job.rate]


def left_out(found: Sequence[Job]) -> list[dict[str, Any]]:
    """What was left out in all jobs, by kind, the commonest first."""
    kinds = Counter[str]()
    for job in found:
        kinds.update(dict(job.problems))
    return [{"What was wrong": kind, "Records": times} for kind, times in kinds.most_common()]


def problem_files(site: Site) -> list[dict[str, Any]]:
    """Files on this machine that say where each problem stands, the newest first; nothing in them is shown here."""
    folder = site.home.problems("any").parent
    found = sorted(folder.glob("deid-*.ndjson"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [
        {
            "Written (UTC)": datetime.fromtimestamp(path.stat().st_mtime, UTC).strftime("%Y-%m-%d %H:%M"),
            "Problems": _lines(path, path.stat().st_mtime_ns),
            "File": str(path),
        }
        for path in found
        if path.stat().st_size
    ]


@lru_cache(maxsize=256)
def _lines(path: Path, changed: int) -> int:
    """Lines of a file as it was when it changed last."""
    try:
        with path.open("rb") as stream:
            return sum(1 for line in stream if json.loads(line))
    except ValueError:
        raise IntegrityError(f"{path}: no file of problems", "Run the job again; it writes the file anew.") from None


def _begun(entry: Entry, standing: str) -> Job:
    return Job(when(entry), entry.actor, entry.details["files"], standing)


def _done(begun: Entry, ended: Entry) -> Job:
    seconds = datetime.fromisoformat(ended.time) - datetime.fromisoformat(begun.time)
    counts = ended.details
    return Job(
        began=when(begun),
        who=begun.actor,
        files=begun.details["files"],
        standing="done",
        seconds=seconds.total_seconds(),
        patients=counts["patients"],
        notes=counts["notes"],
        records=sum(counts["records"].values()),
        identifiers=sum(counts["findings"].values()),
        problems=tuple(counts["problems"].items()),
    )
