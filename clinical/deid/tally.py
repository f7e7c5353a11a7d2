"""Counts of a running job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clinical.deid.worker import Done
from clinical.formats.source import Problem


@dataclass
class Tally:
    """How many records, identifiers and problems there were.

    Args:
        records: written, by kind; findings: identifiers replaced in text, by category; dropped: elements that no rule
            lets through, by kind of record; problems: records left out, by kind; guards: what the guards saw, by kind.
        loss: clinical words that vanished, for the hospital alone.
    """

    notes: int = 0
    records: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    guards: Counter[str] = field(default_factory=Counter)
    loss: Counter[str] = field(default_factory=Counter)

    def add(self, done: Done) -> None:
        """Count one record."""
        self.guards.update(done.guards)
        self.loss.update(done.loss)
        if isinstance(done.result, Problem):
            self.problems[done.result.kind] += 1
            return
        self.records[done.result.kind] += 1
        self.notes += bool(done.result.text)
        self.findings.update(done.result.findings)
        self.dropped[done.result.kind] += done.result.dropped

    def merge(self, counts: Mapping[str, Any]) -> None:
        """Add what `counts` gave."""
        for name, value in counts.items():
            if isinstance(value, Mapping):
                getattr(self, name).update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    def counts(self) -> dict[str, Any]:
        """All counts, as JSON can hold them."""
        return {k: dict(sorted((+v).items())) if isinstance(v, Counter) else v for k, v in vars(self).items()}
