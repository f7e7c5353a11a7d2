"""What the service does with a call, behind HTTP: token, policy and consent first, then notes, cards and the log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from clinical.gateway import extract_for_care, open_note, warm_up
from clinical.patients import notes_of
from dashboard.commands.extract import ready_model
from dashboard.hooks.cards import REASONS, card, unread_card
from dashboard.hooks.requests import Call, Feedback, SentNote, SentNotes, read, sent_notes, sent_patient
from dashboard.hooks.tokens import Seen, TokenRefused, caller
from policies.access import Action, Purpose
from policies.errors import InputError
from policies.events import Event
from policies.guard import Site, open_site
from policies.policy import load_policy
from policies.serving import in_use
from policies.workspace import Workspace
from privacy.consent_book import denied, pseudonyms
from privacy.vault.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from clinical.diagnosis import ConditionModel

SERVICE = "confide-patient-view"
MOST_NOTES = 3  # of a patient; a clinician waits for the answer
_QUIET_S = 60.0  # in which refusals of one kind are counted into one entry, so that nobody can fill the log
_DOCUMENTS = "DocumentReference?patient={{context.patientId}}&status=current&_sort=-date&_count=" + str(MOST_NOTES)


class Unfit(InputError):
    """The record system did not send what is needed to know whose notes these are (HTTP 412)."""


def discovery() -> dict[str, Any]:
    """What the service offers and asks for; it says nothing of anybody, so it needs no token."""
    return {
        "services": [
            {
                "hook": "patient-view",
                "title": "Confide: what notes of the patient say and may support",
                "description": "Facts of a patient's notes and ranked conditions, each with its sentences, for a "
                "professional's own review; never a diagnosis.",
                "id": SERVICE,
                "prefetch": {"patient": "Patient/{{context.patientId}}", "documents": _DOCUMENTS},
            }
        ]
    }


@dataclass
class Service:
    """One hospital's service. Policy, consents and the model in use are read anew for each call.

    Args:
        base: the URL under which record systems reach it, without a slash at the end.
        own: the site under the account that runs the service; refused tokens are logged under it.
    """

    workspace: Workspace
    own: Site
    base: str
    _refused: dict[str, tuple[float, int]] = field(default_factory=dict)
    _model: ConditionModel | None = None
    _turn: Lock = field(default_factory=Lock)

    def warm_up(self) -> None:
        """Open the model in use and all else that reading takes, before the first call comes."""
        warm_up(self.own, self._ready(self.own))

    def admit(self, token: str, path: str) -> Site:
        """The site, opened for the account that a token speaks for.

        Raises:
            TokenRefused: it speaks for nobody; the log says so.
        """
        hooks = load_policy(self.workspace.policy).hooks
        try:
            account = caller(token, self.base + path, hooks, Seen(self.own.home.tokens))
        except TokenRefused as error:
            self._note(error.part)
            raise
        return open_site(self.workspace, self.own.name, account)

    def view(self, site: Site, data: bytes) -> dict[str, Any]:
        """Cards for the patient whose record was opened.

        Raises:
            AccessDenied: the policy does not permit it, or the patient refused; the two cannot be told apart.
            InputError: no call that can be understood; Unfit where the patient was not sent along.
        """
        call = read(Call, data)
        patient = sent_patient(call)
        if patient is None:
            raise Unfit("the patient in context was not prefetched", "Send 'patient' as the discovery document asks.")
        try:
            known = pseudonyms(site, call.context.patient_id, patient)
        except (AttributeError, TypeError):
            raise InputError("'patient' is no Patient of FHIR R4", "Send it as the discovery document asks.") from None
        refused = frozenset[Purpose]().union(*(denied(site, one) for one in known))
        pseudonym = known[-1]
        site.guard.permit(Action.EXTRACT, Purpose.TREATMENT, patient=pseudonym, consent_denied=refused)
        facts = {"patient": pseudonym, "service": SERVICE, "hook_instance": str(call.hook_instance)}
        facts["practitioner"] = Pseudonyms(site.keys.pseudonyms).of(*call.context.user_id.split("/"))
        return {"cards": list(self._cards(site, call, facts))}

    def feedback(self, site: Site, data: bytes) -> None:
        """Log what clinicians did with cards, by code; what they typed is not kept, since it may name a patient."""
        site.guard.permit(Action.EXTRACT, Purpose.TREATMENT)
        for answer in read(Feedback, data).feedback:
            why = answer.override_reason
            code = why.reason.code if why and why.reason else ""
            site.guard.record(
                Event.FEEDBACK_RECEIVED, service=SERVICE, card=str(answer.card), outcome=answer.outcome,
                reason=code if code in REASONS else "other" if code else "", commented=bool(why and why.user_comment),
                at=answer.outcome_timestamp.isoformat(), purpose=Purpose.TREATMENT,
            )  # fmt: skip

    def _cards(self, site: Site, call: Call, facts: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        largest = site.guard.policy.deidentification.largest_note_bytes
        sent = sent_notes(call, largest)
        notes = self._kept(site, facts["patient"]) if sent is None else sent
        codes = Pseudonyms(site.keys.pseudonyms)
        model = self._ready(site)
        for note in notes.read[:MOST_NOTES]:
            uuid = str(uuid4())
            record = codes.of("DocumentReference", note.id) if sent is not None else note.id
            found = extract_for_care(site, note.text, model, {**facts, "record": record, "card": uuid})
            which = f"note of {note.date[:10]}" if note.date else "note in Confide's own records"
            yield card(uuid, site.name, which, note.text, found)
        if notes.unread:
            yield unread_card(str(uuid4()), site.name, notes.unread)

    def _kept(self, site: Site, patient: str) -> SentNotes:
        """Notes of the vault, which keeps no dates: the first few in the order of their codes."""
        records = notes_of(site, patient)
        first = records[:MOST_NOTES]
        read = [SentNote(record, "", open_note(site, patient, record).text) for record in first]
        return SentNotes(read, len(records) - len(first))

    def _ready(self, site: Site) -> ConditionModel | None:
        """The model in use, loaded once."""
        with self._turn:
            signed = in_use(site, self.workspace)
            if signed is None:
                return None
            if self._model is None or self._model.name != signed.name:
                self._model = ready_model(self.workspace, site)
            return self._model

    def _note(self, part: str) -> None:
        """Log a refused token; of many alike the first, and how many came since, a minute later at the soonest."""
        with self._turn:
            last, times = self._refused.get(part, (float("-inf"), 0))
            quiet = time.monotonic() - last < _QUIET_S
            self._refused[part] = (last, times + 1) if quiet else (time.monotonic(), 0)
        if not quiet:
            self.own.guard.record(Event.SIGNIN_FAILED, service=SERVICE, part=part, before=times)
