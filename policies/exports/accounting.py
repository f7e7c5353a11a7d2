"""What was disclosed about one patient, to whom, when and why (45 CFR 164.528)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from policies.access import Purpose
from policies.errors import IntegrityError
from policies.events import Entry, Event
from policies.exports.query import Filter, patients_of, purpose_of
from policies.ledger import COHORT, Accountant, by_plan
from policies.releases import Release, epsilon_text, from_details
from policies.retention import keep_from, releases_of
from policies.workspace import SERVER

YEARS = 6  # 164.528(a)(1)
_DAY = len("2026-01-31")
_OF_A_COUNT = 0  # the round of a count of patients; the rounds of a plan begin at 1
_SERVER = f"the server '{SERVER}' of the federation"  # gets every model update
STATEMENT = "data of this patient may or may not have been part of it"  # 164.528(b)(4)(i)(F)


@dataclass(frozen=True)
class Disclosure:
    """One row of an accounting.

    Attributes:
        first, last: days; of a series of disclosures, its first and its last (164.528(b)(3)).
        what: a short description.
        times: how often.
        epsilon: of a model update or a count: the bound on what this row alone may tell, a decimal string.
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


@dataclass(frozen=True)
class Accounting:
    """What was disclosed about one patient.

    Attributes:
        known: whether an entry of the log, of any year, names the patient.
        epsilon: the bound on what all model updates and counts of `rows` may tell together, a decimal string, or
            nothing where there are none. Releases compose to less or more than the sum of their rows.
    """

    patient: str
    known: bool
    rows: tuple[Disclosure, ...]
    epsilon: str


@dataclass(frozen=True)
class _Released:
    """A model update or a count that left, with what the log says was booked for it."""

    entry: Entry
    booked: Entry

    @property
    def plan(self) -> str:
        """Of a count it is the ledger's word for counts: these lead up to the plan that was begun next."""
        return str(self.booked.details["plan"])

    @property
    def release(self) -> Release:
        return from_details(self.booked.details["release"])


def accounting(entries: Sequence[Entry], patient: str, today: date, accountant: Accountant) -> Accounting:
    """Every disclosure of the last six years that concerns a patient, or may concern the patient.

    A model update is computed from a whole cohort and is listed for each of its patients, by study, as the rule allows
    for research on 50 or more (164.528(b)(4)). A name that was opened for other than treatment is listed although it
    may have stayed in the hospital.

    Args:
        entries: of a whole log, or those of it that name the patient or are about releases.
        patient: pseudonym.

    Raises:
        IntegrityError: a model update was released that nothing was booked for.
    """
    since = keep_from(today, YEARS).isoformat()
    named = [entry for entry in entries if patient in patients_of(entry)]
    recent = [*Filter(since=since).chosen(named)]
    told = [_direct(entry) for entry in named if entry.event is Event.DISCLOSURE_MADE]
    rows = [row for row in told if row.first >= since]
    rows += [_opened(entry) for entry in recent if _left_care(entry)]
    left = [one for one in _released(releases_of(entries)) if one.entry.time >= since]
    rows += _studies(left, accountant)
    ordered = tuple(sorted(rows, key=lambda row: (row.first, row.entries)))
    return Accounting(patient, bool(named), ordered, _epsilon(left, accountant))


def concluded(told: Accounting, log: str) -> Iterator[str]:
    """What stands below the rows, in sentences."""
    if told.epsilon:
        yield f"all model updates and counts together: epsilon {told.epsilon}; what they tell overlaps, so it is no sum"
    if not told.known:
        yield f"no record of '{told.patient}' is in the log of {log}: compare the pseudonym with the records"
    elif not told.rows:
        yield "nothing that concerns this patient was disclosed in six years"


def _direct(entry: Entry) -> Disclosure:
    """It stands under the day on which it was made, which may be before that of its entry."""
    facts = entry.details
    row = _row([entry], str(facts["recipient"]), str(facts["what"]), purpose_of(entry))
    return replace(row, first=str(facts["day"]), last=str(facts["day"]))


def _opened(entry: Entry) -> Disclosure:
    return _row([entry], entry.actor, "the patient's name", purpose_of(entry))


def _left_care(entry: Entry) -> bool:
    return entry.event is Event.PATIENT_REIDENTIFIED and purpose_of(entry) != Purpose.TREATMENT


def _released(releases: Iterable[Entry]) -> list[_Released]:
    """What left, each with its booking: of the same plan and round, or, of a count, the last that was booked before."""
    booked = dict[tuple[str, int], Entry]()
    found = []
    for entry in releases:
        plan, number = str(entry.details.get("plan")), entry.details.get("round", _OF_A_COUNT)
        if entry.event is Event.BUDGET_SPENT:
            booked[plan, number] = entry
        elif entry.event is Event.UPDATE_RELEASED:
            booking = booked.get((COHORT if number == _OF_A_COUNT else plan, number))
            if booking is None:
                raise IntegrityError(f"entry {entry.sequence} is about a model update for which nothing was booked")
            found.append(_Released(entry, booking))
    return found


def _studies(released: Sequence[_Released], accountant: Accountant) -> list[Disclosure]:
    """The model updates of each plan, and the counts of patients before it."""
    rows = []
    for plan, group in groupby(sorted(released, key=_place), key=lambda one: one.entry.details["plan"]):
        series = list(group)
        what = "a noisy count of patients" if series[0].plan == COHORT else f"model updates of plan {plan[:16]}"
        entries = [one.entry for one in series]
        rows.append(_row(entries, _SERVER, f"{what}; {STATEMENT}", Purpose.RESEARCH, _epsilon(series, accountant)))
    return rows


def _epsilon(released: Sequence[_Released], accountant: Accountant) -> str:
    """Of these releases alone; nothing where there are none."""
    if not released:
        return ""
    delta = float(released[-1].booked.details["delta"])  # the same for the life of the cohort
    return epsilon_text(accountant(by_plan((one.plan, one.release) for one in released), delta))


def _row(series: Sequence[Entry], recipient: str, what: str, purpose: str, epsilon: str = "") -> Disclosure:
    first, last = series[0].time[:_DAY], series[-1].time[:_DAY]
    numbers = tuple(entry.sequence for entry in series)
    return Disclosure(first, last, recipient, what, purpose, len(series), epsilon, numbers)


def _place(one: _Released) -> tuple[str, int]:
    return str(one.entry.details["plan"]), one.entry.sequence
