"""A patient's whole record for care: a clinician with purpose TREAT asks it or has it summed up, and each is logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from clinical.gateway import TURN, deidentifier_of
from clinical.patients import notes_of
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
    from clinical.record.ask import Answer, Conversation
    from clinical.record.encoding import Encoding


class Talk:
    """Questions to all notes of a patient, which are opened and indexed once, with the first.

    Args:
        site: of whoever asks; the policy is asked for every question.
        patient: pseudonym; empty for one note that lies outside the vault.
        notes: give what is asked; the patient's notes in the vault by default.
        encoding: what searches and reads; the one that ships if not given.
    """

    def __init__(
        self,
        site: Site,
        patient: str,
        notes: Callable[[], list[Note]] | None = None,
        encoding: Encoding | None = None,
    ) -> None:
        self._site, self._patient, self._encoding = site, patient, encoding
        self._open = notes or (lambda: _notes(site, patient))
        self._count = 0
        self._conversation: Conversation | None = None

    def ask(self, question: str) -> Answer:
        """The answer, in the context of the questions before; the log has that one was asked, never the question.

        Raises:
            AccessDenied: whoever asks is no clinician with purpose TREAT, or the patient refused and no glass was
                broken.
            InputError: the vault holds no note of this patient, or the note cannot be read.
            IntegrityError: a note was altered, or the shipped weights do not fit the encoder of this machine.
        """
        _permit(self._site, self._patient)
        with TURN:
            self._conversation = self._conversation or self._begun()
            answer = self._conversation.ask(question)
        _log(self._site, self._patient, {"notes": self._count, "questions": 1, "answers": int(answer.stated)})
        return answer

    def _begun(self) -> Conversation:
        from clinical.record.ask import Conversation, Record  # brings torch

        notes = self._open()
        self._count = len(notes)
        return Conversation(Record(notes, self._encoding))


def one_note(name: str, read: Callable[[], str]) -> Callable[[], list[Note]]:
    """A note that lies outside the vault, for `Talk`: `read` opens it once the policy was asked."""

    def notes() -> list[Note]:
        text = read()
        return [Note(name, note_date(text), text)]

    return notes


def summarise_for_care(site: Site, patient: str) -> Summary:
    """Sum up all notes of a patient, and log it with counts.

    Raises:
        AccessDenied: whoever asks is no clinician with purpose TREAT, or the patient refused and no glass was broken.
        InputError: the vault holds no note of this patient.
        IntegrityError: a note was altered.
    """
    _permit(site, patient)
    names, told = deidentifier_of(site).subject(None), []
    for note in _notes(site, patient):
        if note.text.strip():
            with TURN:
                told.append(Told(note, read_with_tagger(note.text, names.find(note.text))))
    summary = summarise(told)
    lines = (summary.complaints, summary.problems, summary.medications, summary.results, summary.loops)
    _log(site, patient, {"notes": summary.notes, "lines": sum(map(len, lines))})
    return summary


def _permit(site: Site, patient: str) -> None:
    refused = denied(site, patient) if patient else frozenset()
    site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=patient, consent_denied=refused)


def _notes(site: Site, patient: str) -> list[Note]:
    vault = Vault(site.home.vault, site.keys.wrapping)
    texts = [(record, vault.get(patient, record).decode()) for record in notes_of(site, patient)]
    if not texts:
        hint = "Patients are named by pseudonym, as on the page Patients and in the de-identified folder."
        raise InputError("no note of this patient in the vault", hint)
    return [Note(record, note_date(text), text) for record, text in texts]


def _log(site: Site, patient: str, counts: dict[str, int]) -> None:
    source = {"patient": patient} if patient else {"source": "one note"}
    site.guard.record(Event.NOTE_EXTRACTED, **source, purpose=Purpose.TREATMENT, counts=counts)
