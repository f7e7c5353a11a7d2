"""What a log that verifies still shows: entries never written, silence, a clock that went back, reviews owed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from policies.errors import IntegrityError
from policies.events import Entry, Event, decode
from policies.files import canonical_json
from policies.logview import LogView
from policies.notes import Checkpoint
from policies.tlog import leaf_hash
from policies.wording import counted

SILENCE = timedelta(hours=1)


@dataclass(frozen=True)
class Findings:
    """A log that verifies.

    Attributes:
        signed: its tree head.
        first: the first entry that was not pruned.
        warnings: what a person should look at, each with the number of an entry.
        events: every kind of event that stands in it.
    """

    signed: Checkpoint
    first: int
    warnings: tuple[str, ...]
    events: frozenset[Event] = frozenset()


@dataclass
class _Session:
    service: str
    entry: Entry


def owed_reviews(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Of each breaking of the glass that nobody reviewed, by its grant, the entry about its start."""
    started, reviewed = dict[str, Entry](), set[str]()
    for entry in entries:
        if entry.event is Event.BREAK_GLASS_STARTED:
            started[entry.details["grant"]] = entry
        elif entry.event is Event.BREAK_GLASS_REVIEWED:
            reviewed.add(entry.details["grant"])
    return {grant: entry for grant, entry in started.items() if grant not in reviewed}


class Watch:
    """Sees the entries of a log one after the other."""

    def __init__(self, view: LogView) -> None:
        self._view = view
        self._next: dict[int, int] = {}  # of each session, the number that its next entry should have
        self._services: dict[str, _Session] = {}
        self._glass: list[Entry] = []  # about breakings of the glass
        self._before: Entry | None = None
        self._events: set[Event] = set()
        self._warnings: list[str] = []

    def see(self, entry: Entry) -> None:
        """Look at the next entry.

        Raises:
            IntegrityError: its ciphertext is missing or altered, or it carries on a release that the log never held.
        """
        if entry.sealed:
            self._view.sealed(entry)
        if entry.event is Event.RELEASE_CARRIED:
            self._look_at_glass(self._carried(entry))
        if entry.event is Event.LOG_PRUNED:
            self._look_at_pruning(entry)
        if entry.event is Event.WITNESS_REFUSED:
            self._warnings.append(f"entry {entry.sequence}: {_refusal(entry.details)}")
        self._look_for_gap(entry)
        self._look_at_clock(entry)
        self._look_at_service(entry)
        self._look_at_glass(entry)
        self._events.add(entry.event)
        self._before = entry

    def findings(self, now: datetime) -> Findings:
        silent = (
            f"entry {one.entry.sequence} is the last sign of '{one.service}', which never stopped"
            for one in self._services.values()
            if now - datetime.fromisoformat(one.entry.time) > SILENCE
        )
        owed = (
            f"entry {entry.sequence}: nobody has reviewed why '{entry.actor}' broke the glass (grant {grant})"
            for grant, entry in owed_reviews(self._glass).items()
        )
        warnings = (*self._warnings, *self._unsigned(), *silent, *owed)
        return Findings(self._view.signed, self._view.first, warnings, frozenset(self._events))

    def _unsigned(self) -> list[str]:
        """A torn line was never written; a whole one may be what an older checkpoint, put back, no longer covers."""
        if not (count := self._view.unsigned):
            return []
        why = "an append was cut off before its signature, or an older checkpoint was put back"
        unsigned = counted(count, "whole entry")
        return [f"{unsigned} after the last signed one, from number {self._view.size} on, without a signature: {why}"]

    def _look_for_gap(self, entry: Entry) -> None:
        session = int(entry.session, 16)
        expected = self._next.get(session, entry.count if self._view.first else 0)
        if entry.count > expected:
            missing = f"{entry.count - expected} of the entries that '{entry.actor}' began before it"
            self._warnings.append(f"entry {entry.sequence}: {missing} were never written")
        elif entry.count < expected:
            self._warnings.append(f"entry {entry.sequence}: its session had used its number {entry.count} before")
        self._next[session] = entry.count + 1

    def _look_at_clock(self, entry: Entry) -> None:
        if self._before and entry.time < self._before.time:
            self._warnings.append(f"the clock went back at entry {entry.sequence}: {entry.time}")

    def _look_at_service(self, entry: Entry) -> None:
        if entry.event is Event.PROCESS_STARTED:
            self._services[entry.session] = _Session(entry.details["service"], entry)
        elif entry.event is Event.PROCESS_STOPPED:
            self._services.pop(entry.session, None)
        elif entry.session in self._services:
            self._services[entry.session].entry = entry

    def _look_at_glass(self, entry: Entry) -> None:
        if entry.event in (Event.BREAK_GLASS_STARTED, Event.BREAK_GLASS_REVIEWED):
            self._glass.append(entry)

    def _look_at_pruning(self, entry: Entry) -> None:
        """The policy's years from the day, as ISO 8601 text, must have passed when it was done."""
        year, day = entry.details["before"].split("-", 1)
        kept_until = f"{int(year) + entry.details['years']:04}-{day}"
        if kept_until > entry.time:
            self._warnings.append(f"entry {entry.sequence}: what it deleted was to be kept until {kept_until}")

    def _carried(self, entry: Entry) -> Entry:
        original = entry.details["entry"]
        if leaf_hash(canonical_json(original)) != self._view.leaf(original["seq"]):
            raise IntegrityError(f"entry {entry.sequence} carries on an entry {original['seq']} that never stood there")
        return decode(canonical_json(original), original["seq"], None)


def _refusal(details: Mapping[str, Any]) -> str:
    """A witness's own entry names the log that it refused; the server's names those that lack a signature."""
    if "missing" in details:
        return f"witnesses did not sign the log of {', '.join(sorted(details['missing']))} after a training"
    shown, known = counted(details["size"], "entry"), details["known"]
    return f"a tree head of '{details['log']}' with {shown} was not cosigned: it does not continue the {known} before"
