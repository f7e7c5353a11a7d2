"""What was disclosed about one patient, to whom, when and why (45 CFR 164.528)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from policies.access import Purpose
from policies.events import Entry, Event
from policies.exports.query import Filter, patients_of, purpose_of
from policies.retention import keep_from, releases_of

YEARS = 6  # 164.528(a)(1)
_DAY = len("2026-01-31")
STATEMENT = "data of this patient may or may not have been part of it"  # 164.528(b)(4)(i)(F)


@dataclass(frozen=True)
class Disclosure:
    """One row of an accounting.

    Attributes:
        first, last: days; of a series of disclosures, its first and its last (164.528(b)(3)).
        what: a short description.
        times: how often.
        epsilon: of a model update: the bound on all that was released of a patient until then, a decimal string.
        entries: numbers in the log.
    """

    first: str
    last: str
    recipient: str
    what: str
    purpose: str
    times: int
    epsilon: str
    entries: tuple[int, ...]


def accounting(entries: Sequence[Entry], patient: str, today: date, joined: str) -> list[Disclosure]:
    """Every disclosure of the last six years that concerns a patient, or may concern the patient.

    A model update is computed from a whole cohort and is listed for each of its patients, by study, as the rule allows
    for research on 50 or more (164.528(b)(4)). A name that was opened for other than treatment is listed although it
    may have stayed in the hospital.

    Args:
        patient: pseudonym.
        joined: who received model updates.
    """
    recent = Filter(since=keep_from(today, YEARS).isoformat())
    own = [entry for entry in recent.chosen(entries) if patient in patients_of(entry)]
    rows = [_direct(entry) for entry in own if entry.event is Event.DISCLOSURE_MADE]
    rows += [_opened(entry) for entry in own if _left_care(entry)]
    rows += _studies([*recent.chosen(releases_of(entries))], joined)
    return sorted(rows, key=lambda row: (row.first, row.entries))


def _direct(entry: Entry) -> Disclosure:
    facts = entry.details
    return _row([entry], str(facts.get("recipient", "")), str(facts.get("what", "")), purpose_of(entry))


def _opened(entry: Entry) -> Disclosure:
    return _row([entry], entry.actor, "the patient's name", purpose_of(entry))


def _left_care(entry: Entry) -> bool:
    return entry.event is Event.PATIENT_REIDENTIFIED and purpose_of(entry) != Purpose.TREATMENT


def _studies(entries: Sequence[Entry], recipient: str) -> list[Disclosure]:
    """The model updates of each plan."""
    spent = {_round(entry): entry.details["epsilon"] for entry in entries if entry.event is Event.BUDGET_SPENT}
    updates = [entry for entry in entries if entry.event is Event.UPDATE_RELEASED]
    rows = []
    for plan, group in groupby(sorted(updates, key=_plan), key=_plan):
        series = list(group)
        epsilon = str(spent.get(_round(series[-1]), "unknown"))
        what = f"model updates of plan {plan[:16]}; {STATEMENT}"
        rows.append(_row(series, recipient, what, Purpose.RESEARCH, epsilon))
    return rows


def _row(series: Sequence[Entry], recipient: str, what: str, purpose: str, epsilon: str = "") -> Disclosure:
    first, last = series[0].time[:_DAY], series[-1].time[:_DAY]
    numbers = tuple(entry.sequence for entry in series)
    return Disclosure(first, last, recipient, what, purpose, len(series), epsilon, numbers)


def _plan(entry: Entry) -> str:
    return str(entry.details["plan"])


def _round(entry: Entry) -> tuple[str, int]:
    return _plan(entry), entry.details["round"]
