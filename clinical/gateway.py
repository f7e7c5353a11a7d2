"""The one gateway for care: a clinician of the patient's care team sees name and note, and each view is logged.

Where these raise AccessDenied, whoever asks is no clinician with purpose TREAT, or no glass was broken for a patient
who refused, or of whose care team the clinician is not.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.files import sha256_hex
from policies.guard import Site
from policies.policy import TextMode
from privacy.consent_book import denied
from privacy.text.replacement import Tokens
from privacy.vault.originals import Vault
from privacy.vault.person import person_of
from privacy.vault.pseudonyms import PSEUDONYM_BYTES

if TYPE_CHECKING:
    from clinical.coding.library import Library
    from clinical.diagnosis import ConditionModel, Extraction
    from privacy.subject import Deidentifier, Settings

# One note at a time in a process: spaCy's memory zone forgets, at its end, the words that another thread still reads.
TURN = Lock()


@dataclass(frozen=True)
class CareNote:
    """A note as it was written, with the patient's name; for the care view and nothing else."""

    patient: str
    record: str
    name: str = field(repr=False)
    text: str = field(repr=False)


def deidentified(site: Site, note: CareNote) -> str:
    """A note that was opened, as today's policy would release it; made-up names may differ from those released."""
    rules, vault = site.guard.policy.deidentification, Vault(site.home.vault, site.keys.wrapping)
    known = json.loads(vault.get(note.patient, note.patient))
    tokens = Tokens(vault.key_of(note.patient), note.patient) if rules.mode is TextMode.ENCRYPT else None
    with TURN:
        return deidentifier_of(site).subject(known, str(known.get("id", "")), tokens).text(note.text)


def keep_note(site: Site, patient: str, text: str) -> str:
    """Keep a note that came from outside among a patient's originals; returns its pseudonym.

    Raises:
        AccessDenied: the patient is closed to whoever asks.
        InputError: the vault holds no such patient.
    """
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    vault, record = Vault(site.home.vault, site.keys.wrapping), secrets.token_hex(PSEUDONYM_BYTES)
    if vault.holding(patient) is None:
        raise InputError("the vault holds no such patient", "Choose one of the list; one who was erased is gone.")
    site.guard.record(Event.NOTE_KEPT, patient=patient, record=record, purpose=Purpose.TREATMENT)
    vault.put([(patient, record, text.encode())], known=True)
    return record


def export_for_care(site: Site, text: str, found: Extraction, source: Mapping[str, str], library: Library) -> bytes:
    """What was read in a note as a FHIR R4 Bundle; the export is logged before it is handed out.

    Args:
        source: as `extract_for_care` has it.

    Raises:
        AccessDenied: the patient is closed to whoever asks.
    """
    from clinical.output import Source, as_bundle  # brings torch

    patient = source.get("patient", "")
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    named = Source(f"DocumentReference/{source['record']}", f"Patient/{patient}") if patient else Source()
    data = json.dumps(as_bundle(text, found, named, library)).encode()
    digest = sha256_hex(data)
    site.guard.record(Event.NOTE_EXPORTED, **source, form="fhir", purpose=Purpose.TREATMENT, sha256=digest)
    return data


def list_notes(site: Site) -> list[tuple[str, str]]:
    """Pseudonyms of (patient, record) for every note of the site's vault; names nobody."""
    vault = Vault(site.home.vault, site.keys.wrapping)
    return [(patient, record) for patient, record in vault.kept() if record != patient]


def open_note(site: Site, patient: str, record: str) -> CareNote:
    """One original note for the care of its patient.

    Raises:
        AccessDenied: the patient is closed to whoever asks.
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
        AccessDenied: the patient, where there is one, is closed to whoever asks.
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

    nobody = deidentifier_of(site).subject(None)
    calibration = kept(site, model.name) if model else None
    with TURN:
        return extract(text, model, nobody, site.guard.policy.extraction, calibration)


def deidentifier_of(site: Site) -> Deidentifier:
    """What tells names and numbers from the rest of a text here; opened once, which takes seconds."""
    from privacy.subject import Settings  # brings Presidio

    return _deidentifier(Settings(site.guard.policy.deidentification, datetime.now(UTC).year, site.keys.pseudonyms))


@lru_cache(maxsize=2)
def _deidentifier(settings: Settings) -> Deidentifier:
    """Rules and tagger take a second to build, and stay the same until the policy changes."""
    from privacy.subject import Deidentifier

    return Deidentifier(settings)
