"""The list of a hospital's patients: with their names for the care team of each, by pseudonym for everyone else."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from policies.access import Action, Conditions, Purpose
from policies.guard import Site
from privacy.consent_book import denials, denied
from privacy.vault.originals import FEEDBACK, Vault
from privacy.vault.person import Person, people_of, person_of


class Closed(StrEnum):
    """Why a patient is closed to whoever asks: refused care with Confide, or has another care team."""

    REFUSED = "refused"
    OTHERS = "others"


@dataclass(frozen=True)
class Listed:
    """A patient in the list.

    Attributes:
        patient: pseudonym.
        notes: how many are kept.
        person: None where whoever asks may not know it.
        closed: why whoever asks may not, unless the glass is broken; None where name and notes are open.
    """

    patient: str
    notes: int
    person: Person | None = field(default=None, repr=False)
    closed: Closed | None = None


def open_people(site: Site) -> dict[str, Person]:
    """Who the patients are that are open to whoever asks, for `list_patients`; the others are left sealed.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT.
        IntegrityError: one was altered, or a row of the care teams was.
    """
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT)
    vault = _vault(site)
    return people_of(vault, closed(site, vault.patients()))


def list_patients(site: Site, people: dict[str, Person] | None = None) -> list[Listed]:
    """Every patient who is not erased, as it stands now.

    Args:
        people: of `open_people`, for care; who is open since then is opened into it, and who is closed since then is
            not named. Without it there are pseudonyms alone.
    """
    vault = _vault(site)
    counts = vault.counts()
    shut = closed(site, counts)
    if people is not None and (new := counts.keys() - shut.keys() - people.keys()):
        people.update(people_of(vault, counts.keys() - new))
    shown = people or {}
    return [Listed(own, notes, None if own in shut else shown.get(own), shut.get(own)) for own, notes in counts.items()]


def person_for(site: Site, patient: str, people: dict[str, Person] | None) -> Person | None:
    """Who one patient is, where the notes are open to whoever asks, now.

    Args:
        people: as `list_patients` has it.
    """
    if people is None or not may_view(site, patient):
        return None
    return people.get(patient) or person_of(_vault(site), patient)


def notes_of(site: Site, patient: str) -> list[str]:
    """Pseudonyms of one patient's notes; none where the patient was erased."""
    return [record for record in _vault(site).names(patient) if record != patient and not record.startswith(FEEDBACK)]


def may_view(site: Site, patient: str) -> bool:
    """Whether the notes of a patient are open to whoever asks, now; it is not logged."""
    if _vault(site).holding(patient) is None:
        return False  # who was erased is not shown from what a page remembers
    return site.guard.would_permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient, denied(site, patient))


def closed(site: Site, patients: Collection[str]) -> dict[str, Closed]:
    """Of these patients those who are closed to whoever asks, now, and why.

    It is what the access policy says of each alone, asked once for all of whom the same is true.
    """
    guard, said = site.guard, denials(site)
    broken = guard.grants.broken(guard.actor, patients)
    treated = guard.care_teams.treated(guard.actor, patients)

    @cache
    def permitted(refused: frozenset[Purpose], glass: bool, team: bool) -> bool:
        under = Conditions(refused, glass, care_team=team)
        return guard.decide(Action.VIEW_NOTE, Purpose.TREATMENT, under).permitted

    nothing = frozenset[Purpose]()
    return {
        own: Closed.REFUSED if Purpose.TREATMENT in said.get(own, nothing) else Closed.OTHERS
        for own in patients
        if not permitted(said.get(own, nothing), own in broken, own in treated)
    }


def _vault(site: Site) -> Vault:
    return Vault(site.home.vault, site.keys.wrapping)
