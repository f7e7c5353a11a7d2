"""Who saw a patient: every opening of the patient's notes or name that the log tells of, by account and one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.view.audit import Log
from policies.auditindex import Hit, Search
from policies.events import Event
from policies.wording import to_the_minute

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
    """Every entry about a patient, the newest first.

    Args:
        patient: pseudonym.
    """
    every = log.index.search(Search(patient=patient))
    return Seen(bool(every), tuple(hit for hit in every if hit.event in OPENINGS), every)


def accounts(openings: Sequence[Hit]) -> list[Mapping[str, Any]]:
    """One row for each account, whoever came last first."""
    by_account = dict[str, list[Hit]]()
    for hit in openings:
        by_account.setdefault(hit.actor, []).append(hit)
    return [_account(actor, own) for actor, own in by_account.items()]


def _account(actor: str, own: Sequence[Hit]) -> Mapping[str, Any]:
    times = Counter(hit.event for hit in own)
    span = {"First (UTC)": to_the_minute(own[-1].time), "Last (UTC)": to_the_minute(own[0].time)}
    return {"Account": actor, **span, **{words: times[event] for event, words in OPENINGS.items()}}
