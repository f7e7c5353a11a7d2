"""Who saw a patient: every opening of the patient's notes or name that the log tells of, by account and one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.view.audit import Log
from policies.auditindex import Hit, Search
from policies.events import Event

# What of a patient was opened, or was to be opened.
OPENINGS = {
    Event.NOTE_VIEWED: "Notes opened",
    Event.NOTE_EXTRACTED: "Notes read for facts",
    Event.NOTE_EXPORTED: "Notes exported",
    Event.NOTE_KEPT: "Notes added",
    Event.PAGE_VIEWED: "Pages about the patient",
    Event.PATIENT_REIDENTIFIED: "Names opened",
    Event.BREAK_GLASS_STARTED: "Glass broken",
    Event.ACCESS_DENIED: "Denied",
}
_MOST = 10_000


@dataclass(frozen=True)
class Seen:
    """What the log tells of one patient.

    Attributes:
        known: whether any entry names the patient.
        openings: the entries in which something was opened, or was to be.
        every: all entries that name the patient.
    """

    known: bool
    openings: tuple[Hit, ...]
    every: tuple[Hit, ...]


def who_saw(log: Log, patient: str) -> Seen:
    """The newest 10,000 entries about a patient, the newest first.

    Args:
        patient: pseudonym.
    """
    every = log.index.search(Search(patient=patient), _MOST)
    return Seen(bool(every), tuple(hit for hit in every if hit.event in OPENINGS), every)


def accounts(openings: Sequence[Hit]) -> list[Mapping[str, Any]]:
    """One row for each account, whoever came last first."""
    rows = list[Mapping[str, Any]]()
    for actor in dict.fromkeys(hit.actor for hit in openings):
        own = [hit for hit in openings if hit.actor == actor]
        times = Counter(hit.event for hit in own)
        span = {"First (UTC)": _minute(own[-1]), "Last (UTC)": _minute(own[0])}
        rows.append({"Account": actor, **span, **{words: times[event] for event, words in OPENINGS.items()}})
    return rows


def _minute(hit: Hit) -> str:
    return hit.time[:16].replace("T", " ")
