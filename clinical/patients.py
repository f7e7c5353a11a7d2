"""The list of a hospital's patients: with their names for care, by pseudonym for everyone else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from policies.access import Action, Conditions, Purpose
from policies.guard import Site
from privacy.consent_book import denied, refused
from privacy.vault.originals import FEEDBACK, Vault
from privacy.vault.person import Person, people_of, person_of


@dataclass(frozen=True)
class Listed:
    """A patient in the list.

    Attributes:
        patient: pseudonym.
        notes: how many are kept.
        person: None where whoever asks may not know it.
        refused: the patient refused care with Confide, and no glass was broken.
    """

    patient: str
    notes: int
    person: Person | None = field(default=None, repr=False)
    refused: bool = False


def open_people(site: Site) -> Mapping[str, Person]:
    """Who the patients are, for `list_patients`; who refused is left sealed.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT.
        IntegrityError: one was altered.
    """
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT)
    vault = Vault(site.home.vault, site.keys.wrapping)
    return people_of(vault, refused(site, Purpose.TREATMENT, vault.patients()))


def list_patients(site: Site, people: Mapping[str, Person] | None = None) -> list[Listed]:
    """Every patient who is not erased, as it stands now.

    Args:
        people: of `open_people`, for care; who refused since is not named. Without it there are pseudonyms alone.
    """
    vault = Vault(site.home.vault, site.keys.wrapping)
    counts = vault.counts()
    broken = _broken(site, refused(site, Purpose.TREATMENT, list(counts)))
    opened = (
        {patient: person_of(vault, patient) for patient, grant in broken.items() if grant} if people is not None else {}
    )
    shown = {**(people or {}), **{patient: opened.get(patient) for patient in broken}}
    closed = {patient for patient, grant in broken.items() if not grant}
    return [Listed(own, notes, shown.get(own), own in closed) for own, notes in counts.items()]


def person_for(site: Site, patient: str, people: Mapping[str, Person] | None) -> Person | None:
    """Who one patient is, where the notes are open to whoever asks, now.

    Args:
        people: as `list_patients` has it.
    """
    if people is None or not may_view(site, patient):
        return None
    return people.get(patient) or person_of(Vault(site.home.vault, site.keys.wrapping), patient)


def _broken(site: Site, patients: Iterable[str]) -> dict[str, bool]:
    """Of patients who refused, whether this account broke the glass."""
    guard = site.guard
    return {patient: guard.grants.active(guard.actor, patient) is not None for patient in patients}


def notes_of(site: Site, patient: str) -> list[str]:
    """Pseudonyms of one patient's notes; none where the patient was erased."""
    names = Vault(site.home.vault, site.keys.wrapping).names(patient)
    return [record for record in names if record != patient and not record.startswith(FEEDBACK)]


def may_view(site: Site, patient: str) -> bool:
    """Whether the notes of a patient are open to whoever asks, now; it is not logged."""
    guard = site.guard
    if Vault(site.home.vault, site.keys.wrapping).holding(patient) is None:
        return False  # who was erased is not shown from what a page remembers
    under = Conditions(denied(site, patient), guard.grants.active(guard.actor, patient) is not None)
    return guard.decide(Action.VIEW_NOTE, Purpose.TREATMENT, under).permitted
