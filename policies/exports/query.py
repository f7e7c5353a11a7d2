"""What stands in an entry, seen by somebody who asks: by time, account, patient, purpose, outcome and event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from policies.access import Purpose
from policies.errors import InputError
from policies.events import Entry, Event
from policies.files import canonical_json, table_of
from policies.typed import day_of

_LENGTH_OF_A_DAY = len("2026-01-31")
_HASH, _SHOWN_OF_A_HASH = re.compile(r"[0-9a-f]{64}"), 16  # as everywhere where people read one
_OF_THE_POLICY = {"policy", "policy_set"}  # in nearly every entry, and the same in most


class Outcome(StrEnum):
    """How it went."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class Meaning:
    """What an event means to others; a row of `events.toml`.

    Attributes:
        type: code of DICOM's audit events (PS3.16, CID 400), or 'rest'.
        subtype: code of DICOM (CID 401) where one fits.
        action: C, R, U, D or E (create, read, update, delete, execute).
        words: for people.
    """

    type: str
    action: str
    words: str
    outcome: Outcome = Outcome.SUCCESS
    subtype: str = ""


@dataclass(frozen=True)
class Filter:
    """Which entries; what is empty asks for nothing.

    Attributes:
        since, until: days, YYYY-MM-DD in UTC; both are part of it.
        patient: pseudonym.
    """

    since: str = ""
    until: str = ""
    event: str = ""
    actor: str = ""
    patient: str = ""
    purpose: str = ""
    outcome: str = ""

    def __post_init__(self) -> None:
        _check_text(self.actor + self.patient)
        for day in filter(None, (self.since, self.until)):
            day_of(day)
        if self.since and self.until and self.since > self.until:
            raise InputError(f"from {self.since} until {self.until} there is no day", "Turn the two around.")
        for value, known in ((self.event, Event), (self.purpose, Purpose), (self.outcome, Outcome)):
            if value and value not in list(known):
                raise InputError(f"no {known.__name__.lower()} '{value}'", f"Use one of: {', '.join(known)}.")

    def matches(self, entry: Entry) -> bool:
        asked_and_found = (
            (self.event, entry.event),
            (self.actor, entry.actor),
            (self.purpose, purpose_of(entry)),
            (self.outcome, meaning_of(entry.event).outcome),
        )
        day = entry.time[:_LENGTH_OF_A_DAY]
        return (
            all(asked in ("", found) for asked, found in asked_and_found)
            and (not self.patient or self.patient in patients_of(entry))
            and self.since <= day <= (self.until or day)
        )

    def chosen(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        return filter(self.matches, entries)

    def words(self) -> dict[str, str]:
        """What was asked for, by name; for the log and for the head of a report."""
        return {name: str(value) for name, value in asdict(self).items() if value}


def meaning_of(event: Event) -> Meaning:
    """The row of an event."""
    row: dict[str, Any] = table_of("policies.exports", "events")[event.value]
    return Meaning(**{**row, "outcome": Outcome(row.get("outcome", Outcome.SUCCESS))})


def patients_of(entry: Entry) -> tuple[str, ...]:
    """Pseudonyms of the patients that an entry names."""
    one, several = entry.details.get("patient"), entry.details.get("patients")
    return (*([one] if isinstance(one, str) and one else []), *(several if isinstance(several, list) else []))


def purpose_of(entry: Entry) -> str:
    """The purpose of use, an HL7 code, or nothing."""
    return str(entry.details.get("purpose", ""))


def in_words(asked: Mapping[str, str]) -> str:
    """What a filter asked for, for people."""
    return ", ".join(f"{name} {value}" for name, value in asked.items()) or "all entries"


def facts_of(details: Mapping[str, Any]) -> str:
    """The details of an entry for people: patient and purpose first, without the hashes of the policy in force.

    Nothing is cut off but hashes, of which the first 16 digits are shown.
    """
    first = [name for name in ("patient", "patients", "purpose") if name in details]
    others = sorted(details.keys() - {*first} - _OF_THE_POLICY)
    return ", ".join(f"{name} {_told(details[name])}" for name in (*first, *others) if details[name] not in ("", []))


def short_hashes(text: str) -> str:
    """A text in which of each hash the first 16 digits stand, as in `facts_of`."""
    return _HASH.sub(lambda found: found[0][:_SHOWN_OF_A_HASH], text)


def _told(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_told, value))
    if isinstance(value, Mapping):
        return f"({', '.join(f'{name} {_told(part)}' for name, part in sorted(value.items()))})"
    return short_hashes(value if isinstance(value, str) else canonical_json(value).decode())


def _check_text(typed: str) -> None:
    try:
        typed.encode()
    except UnicodeEncodeError:  # the terminal gave bytes that are no UTF-8
        raise InputError("an account or a patient that is no text", "Write it in UTF-8.") from None
