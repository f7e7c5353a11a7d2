"""A workspace of a large hospital: the stage of the pictures with many made-up patients, notes and log entries."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

from bench import stage
from clinical.synthetic import made_up_texts
from dashboard.signin import accounts
from policies import audit
from policies.access import Action, Purpose
from policies.audit import AuditLog
from policies.care_team import Member
from policies.events import Event
from policies.files import write_whole
from policies.guard import Site, open_site
from policies.policy import Role
from policies.workspace import Workspace
from privacy.vault.originals import Vault

NOTES_OF_A_PATIENT, OWN_PATIENTS, TEXTS, GROUP = 4, 100, 400, 256
FAMILY = "Anders"  # with the patient's number behind it: the only such names in the workspace
Advance = Callable[[int], None]
Tell = Callable[[str, int], Advance]
"""From what is being made, and how much of it, to what is told as it goes on."""


@dataclass(frozen=True)
class Size:
    """How large the hospital is: notes, entries of the log, and people with an account."""

    notes: int
    entries: int
    people: int

    @property
    def patients(self) -> int:
        return self.notes // NOTES_OF_A_PATIENT


@dataclass(frozen=True)
class Staff:
    """Somebody with an account.

    Attributes:
        own: numbers of the patients whom a clinician treats, whom nobody else treats; of the others none.
    """

    account: str
    role: Role
    purpose: Purpose
    own: frozenset[int]


def staff(people: int) -> list[Staff]:
    """Six of ten are clinicians, two officers, and one each is of IT and a data steward."""
    roles = [Role.CLINICIAN] * 3 + [Role.COMPLIANCE_OFFICER, Role.HOSPITAL_IT] + [Role.CLINICIAN] * 3
    roles += [Role.COMPLIANCE_OFFICER, Role.DATA_STEWARD]
    purposes = {Role.CLINICIAN: Purpose.TREATMENT, Role.DATA_STEWARD: Purpose.RESEARCH}
    found, clinicians = list[Staff](), 0
    for number in range(people):
        role = roles[number % len(roles)]
        first = OWN_PATIENTS * clinicians
        own = frozenset(range(first, first + OWN_PATIENTS)) if role is Role.CLINICIAN else frozenset()
        clinicians += bool(own)
        found.append(Staff(f"person{number:02}", role, purposes.get(role, Purpose.OPERATIONS), own))
    return found


def name_of(number: int) -> str:
    """The name of a patient, which no other has."""
    return f"Iris {FAMILY}{number:06}"


def pseudonym_of(number: int) -> str:
    return sha256(f"patient {number}".encode()).hexdigest()[:32]


def make(folder: Path, base: Path | None, size: Size, tell: Tell) -> Workspace:
    """The workspace in a folder; one that was made there before, of the same size, is taken.

    Args:
        base: a stage that exists; it is copied. One is made where none is named.
    """
    done, workspace, people = folder / "DONE", Workspace(folder / "workspace"), staff(size.people)
    if done.exists() and done.read_text() == repr(size):
        return workspace
    shutil.rmtree(folder, ignore_errors=True)
    if base:
        shutil.copytree(base, workspace.root)
    else:
        stage.make(workspace.root)
    _appoint(workspace, people)
    site = open_site(workspace, stage.SITE)
    with patch.object(os, "fsync", lambda _: None):
        _fill_vault(site, size.notes, tell("notes", size.notes))
        treated = [Member(pseudonym_of(number), one.account) for one in people for number in one.own]
        site.guard.care_teams.change(treated, [])
        _fill_log(site, [one.account for one in people], size, tell("entries", size.entries))
    write_whole(done, repr(size).encode())
    return workspace


def _appoint(workspace: Workspace, people: Sequence[Staff]) -> None:
    text = workspace.policy.read_text("utf-8")
    roles = "".join(f'{one.account} = ["{one.role}"]\n' for one in people)
    workspace.policy.write_text(text.replace("\n[people]\n", f"\n[people]\n{roles}"), "utf-8")
    for one in people:
        accounts(workspace).add(one.account, stage.PASSWORD)


def _fill_vault(site: Site, notes: int, advance: Advance) -> None:
    vault, texts = Vault(site.home.vault, site.keys.wrapping), made_up_texts(TEXTS)
    for first in range(0, notes // NOTES_OF_A_PATIENT, GROUP):
        numbers = range(first, min(first + GROUP, notes // NOTES_OF_A_PATIENT))
        vault.put(row for number in numbers for row in _records(number, texts))
        advance(len(numbers) * NOTES_OF_A_PATIENT)


def _records(number: int, texts: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """A patient as the vault keeps one, and the notes."""
    patient, (given, family) = pseudonym_of(number), name_of(number).split()
    born = f"19{number % 70 + 20}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    known = {"resourceType": "Patient", "id": f"p{number}", "name": [{"given": [given], "family": family}],
             "birthDate": born, "gender": "female"}  # fmt: skip
    yield patient, patient, json.dumps(known).encode()
    for note in range(NOTES_OF_A_PATIENT):
        text = f"{name_of(number)} was seen on 2025-{note + 1:02}-11.\n{texts[(number + 97 * note) % len(texts)]}"
        yield patient, sha256(f"{number}/{note}".encode()).hexdigest()[:32], text.encode()


def _fill_log(site: Site, actors: Sequence[str], size: Size, advance: Advance) -> None:
    """Entries as a year of looks at patients leaves them, by the log's own functions but for the time of each."""
    chance, end = random.Random(1), datetime.now(UTC)
    log = AuditLog(site.home.audit, site.keys, actors[0])
    for first in range(0, size.entries, GROUP):
        age = timedelta(days=365) * (1 - first / size.entries)
        log._actor = chance.choice(actors)
        group = [_entry(chance, size.patients) for _ in range(min(GROUP, size.entries - first))]
        with patch.object(audit, "_now", lambda at=end - age: at.isoformat(timespec="microseconds")):
            log.append_all(group)
        advance(len(group))


def _entry(chance: random.Random, patients: int) -> tuple[Event, dict[str, object]]:
    patient, record = pseudonym_of(chance.randrange(patients)), f"{chance.getrandbits(128):032x}"
    about: dict[str, object] = {"policy": "b" * 64, "patient": patient, "purpose": Purpose.TREATMENT}
    decided: dict[str, object] = {**about, "action": Action.VIEW_NOTE, "roles": ["clinician"], "policy_set": "a" * 64}
    read: dict[str, object] = {
        **about,
        "record": record,
        "model": "c" * 16,
        "counts": {"mentions": chance.randrange(90)},
    }
    kinds: tuple[tuple[Event, dict[str, object]], ...] = (
        (Event.ACCESS_DECIDED, {**decided, "rules": ["clinician-treats"]}),
        (Event.NOTE_VIEWED, {**about, "record": record}),
        (Event.NOTE_EXTRACTED, read),
        (Event.ACCESS_DENIED, decided),
        (Event.PAGE_VIEWED, {"page": "patients", "policy": "b" * 64}),
    )
    return chance.choices(kinds, (50, 30, 15, 2, 3))[0]
