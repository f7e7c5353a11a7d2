"""A patient's whole record for care: a clinician with purpose TREAT asks it or has it summed up, and each is logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clinical.reading import read_with_tagger
from clinical.record.dates import note_date
from clinical.record.passages import Note
from clinical.record.summary import Summary, summarise
from clinical.record.told import Told
from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.guard import Site
from privacy.consent_book import denied
from privacy.vault.originals import Vault

if TYPE_CHECKING:
    from clinical.record.ask import Answer
    from clinical.record.encoding import Encoding


def ask_for_care(site: Site, patient: str, questions: Sequence[str], encoding: Encoding | None = None) -> list[Answer]:
    """Ask all notes of a patient, each question in the context of those before it.

    The log has how many were asked and how many answered, never a question.

    Args:
        encoding: what searches and reads; the one that ships if not given.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT, or the patient refused and no glass was broken.
        InputError: the vault holds no note of this patient.
        IntegrityError: a note was altered, or the shipped weights do not fit the encoder of this machine.
    """
    return _ask(site, patient, _open(site, patient), questions, encoding)


def ask_note_for_care(
    site: Site, name: str, read: Callable[[], str], questions: Sequence[str], encoding: Encoding | None = None
) -> list[Answer]:
    """Ask one note that lies outside the vault, which `read` opens once the policy was asked.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT.
        InputError: the note cannot be read.
        IntegrityError: the shipped weights do not fit the encoder of this machine.
    """
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT)
    text = read()
    return _ask(site, "", [Note(name, note_date(text), text)], questions, encoding)


def summarise_for_care(site: Site, patient: str) -> Summary:
    """Sum up all notes of a patient, and log it with counts.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT, or the patient refused and no glass was broken.
        InputError: the vault holds no note of this patient.
        IntegrityError: a note was altered.
    """
    summary = summarise(Told(note, read_with_tagger(note.text)) for note in _open(site, patient))
    lines = (summary.problems, summary.medications, summary.results, summary.loops)
    _log(site, patient, {"notes": summary.notes, "lines": sum(map(len, lines))})
    return summary


def _ask(
    site: Site, patient: str, notes: Sequence[Note], questions: Sequence[str], encoding: Encoding | None
) -> list[Answer]:
    from clinical.record.ask import Conversation, Record

    conversation = Conversation(Record(notes, encoding))
    answers = [conversation.ask(question) for question in questions]
    stated = sum(answer.stated for answer in answers)
    _log(site, patient, {"notes": len(notes), "questions": len(questions), "answers": stated})
    return answers


def _open(site: Site, patient: str) -> list[Note]:
    """All original notes of a patient, after the policy was asked."""
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=patient, consent_denied=denied(site, patient))
    vault = Vault(site.home.vault, site.keys.wrapping)
    records = [record for owner, record in vault.kept() if owner == patient != record]
    if not records:
        hint = "Patients are named by pseudonym, as on the page Note and in the de-identified folder."
        raise InputError("no note of this patient in the vault", hint)
    texts = ((record, vault.get(patient, record).decode()) for record in records)
    return [Note(record, note_date(text), text) for record, text in texts]


def _log(site: Site, patient: str, counts: dict[str, int]) -> None:
    source = {"patient": patient} if patient else {"source": "command line"}
    site.guard.record(Event.NOTE_EXTRACTED, **source, purpose=Purpose.TREATMENT, counts=counts)
