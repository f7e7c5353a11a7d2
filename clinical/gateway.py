"""The one gateway for care: a clinician with purpose TREAT sees a patient's name and note; each view is logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from policies.access import Action, Purpose
from policies.events import Event
from policies.guard import Site
from privacy.consent_book import denied
from privacy.vault.originals import Vault
from privacy.vault.person import person_of

if TYPE_CHECKING:
    from clinical.diagnosis import ConditionModel, Extraction
    from privacy.subject import Deidentifier, Settings

# One note at a time in a process: spaCy's memory zone forgets, at its end, the words that another thread still reads.
_TURN = Lock()


@dataclass(frozen=True)
class CareNote:
    """A note as it was written, with the patient's name; for the care view and nothing else."""

    patient: str
    record: str
    name: str = field(repr=False)
    text: str = field(repr=False)


def list_notes(site: Site) -> list[tuple[str, str]]:
    """Pseudonyms of (patient, record) for every note of the site's vault; names nobody."""
    vault = Vault(site.home.vault, site.keys.wrapping)
    return [(patient, record) for patient, record in vault.kept() if record != patient]


def open_note(site: Site, patient: str, record: str) -> CareNote:
    """One original note for the care of its patient.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT, or the patient refused and no glass was broken.
        IntegrityError: the note was erased or altered.
    """
    site.guard.permit(Action.VIEW_NOTE, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    vault = Vault(site.home.vault, site.keys.wrapping)
    site.guard.record(Event.NOTE_VIEWED, patient=patient, record=record, purpose=Purpose.TREATMENT)
    return CareNote(patient, record, person_of(vault, patient).name, vault.get(patient, record).decode())


def extract_for_care(site: Site, text: str, model: ConditionModel | None, source: Mapping[str, str]) -> Extraction:
    """Read a note for its patient's care, and log it with counts: a hash of a short text could be guessed.

    Threads wait for each other.

    Args:
        source: pseudonyms of patient and record, or where else the text comes from; all of it is logged.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT.
        IntegrityError: the model's calibration at this hospital was altered.
    """
    patient = source.get("patient", "")
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    found = _read(site, text, model)
    counts = {"mentions": len(found.facts.mentions), "suggestions": len(found.suggestions)}
    site.guard.record(Event.NOTE_EXTRACTED, **source, model=found.model, purpose=Purpose.TREATMENT, counts=counts)
    return found


def warm_up(site: Site, model: ConditionModel | None) -> None:
    """Open everything that reading a note takes, by reading a made-up one, so that no clinician waits for it."""
    _read(site, "Cough and fever for two days. " * site.guard.policy.extraction.smallest_words, model)


def _read(site: Site, text: str, model: ConditionModel | None) -> Extraction:
    from clinical.diagnosis import extract  # these bring torch and Presidio
    from clinical.diagnosis.kept import kept
    from privacy.subject import Settings

    rules = site.guard.policy.deidentification
    nobody = _deidentifier(Settings(rules, datetime.now(UTC).year, site.keys.pseudonyms)).subject(None)
    calibration = kept(site, model.name) if model else None
    with _TURN:
        return extract(text, model, nobody, site.guard.policy.extraction, calibration)


@lru_cache(maxsize=2)
def _deidentifier(settings: Settings) -> Deidentifier:
    """Rules and tagger take a second to build, and stay the same until the policy changes."""
    from privacy.subject import Deidentifier

    return Deidentifier(settings)
