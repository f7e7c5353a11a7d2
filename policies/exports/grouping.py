"""Entries for people to read: those that say the same stand together, and so do the rounds of a plan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from policies.events import Entry
from policies.exports.query import facts_of, patients_of
from policies.files import canonical_json
from policies.wording import counted

Named = tuple[str, Entry]
"""An entry with the name of its log."""
_DAY, _SECOND = len("2026-01-31"), len("2026-01-31T00:00:00")
_RANGES = ("round", "booking", "epsilon")  # what of a round is shown from its first to its last
_HASHES = {"sha256", "updates", "weights", "memory", "inputs", "model"}  # what of a round stands in no row of several


@dataclass(frozen=True)
class Group:
    """Entries of one log and one account that say the same, in their order; often one alone."""

    log: str
    entries: tuple[Entry, ...]

    @property
    def first(self) -> Entry:
        return self.entries[0]

    @property
    def numbers(self) -> str:
        """The log, and the numbers of the first and the last; others may lie between them."""
        return f"{self.log} {_range(str(entry.sequence) for entry in self.entries)}"

    @property
    def times(self) -> str:
        return _range(entry.time[:_SECOND] for entry in self.entries)

    @property
    def facts(self) -> str:
        """The details; of several rounds those that they share, and from where to where the others go."""
        if len(self.entries) == 1:
            return facts_of(self.first.details)
        ranges = {
            name: _range(str(entry.details[name]) for entry in self.entries)
            for name in _RANGES
            if name in self.first.details
        }
        told = facts_of({**_shared(self.first), **ranges})
        return f"{counted(len(self.entries), 'entry')}: {told}" if told else counted(len(self.entries), "entry")


def grouped(entries: Iterable[Named]) -> list[Group]:
    """Entries in the order of the first of each group; one that names a patient stands alone."""
    found = dict[Hashable, list[Named]]()
    for number, (log, entry) in enumerate(entries):
        alone = number if patients_of(entry) else None
        day = "" if "round" in entry.details else entry.time[:_DAY]
        what = (log, entry.actor, entry.event, day, canonical_json(_shared(entry)), alone)
        found.setdefault(what, []).append((log, entry))
    return [Group(group[0][0], tuple(entry for _, entry in group)) for group in found.values()]


def _shared(entry: Entry) -> dict[str, object]:
    """The details that the rounds of a plan have in common."""
    own = {*_RANGES, *_HASHES} if "round" in entry.details else set()
    return {name: value for name, value in entry.details.items() if name not in own}


def _range(parts: Iterable[str]) -> str:
    every = list(parts)
    return every[0] if every[0] == every[-1] else f"{every[0]} to {every[-1]}"
