"""What a record system sends: a call of `patient-view`, and feedback on cards (CDS Hooks 2.0); the rest is ignored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from clinical.attachments import document_text
from policies.errors import InputError

_HINT = "Send what CDS Hooks 2.0 asks for."
_Body = TypeVar("_Body", bound=BaseModel)


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel)


class Context(_Sent):
    """Of `patient-view`: who looks at whose record. What is meant for professionals goes to no patient or relative."""

    user_id: str = Field(pattern=r"^(Practitioner|PractitionerRole)/[A-Za-z0-9.-]{1,64}$")
    patient_id: str = Field(pattern=r"^[A-Za-z0-9.-]{1,64}$")


class Call(_Sent):
    """A call of the service; `prefetch` holds what the discovery document asked for."""

    hook: Literal["patient-view"]
    hook_instance: UUID
    fhir_server: str = ""
    context: Context
    prefetch: dict[str, Any] = {}


class Reason(_Sent):
    code: str


class Override(_Sent):
    reason: Reason | None = None
    user_comment: str = ""


class Answer(_Sent):
    """What a clinician did with one card."""

    card: UUID
    outcome: Literal["accepted", "overridden"]
    override_reason: Override | None = None
    outcome_timestamp: AwareDatetime


class Feedback(_Sent):
    feedback: list[Answer] = Field(min_length=1, max_length=100)


@dataclass(frozen=True)
class SentNote:
    """A note that the record system sent along, with the id and the date of its DocumentReference."""

    id: str
    date: str
    text: str = field(repr=False)


@dataclass(frozen=True)
class SentNotes:
    """The notes that could be read, the newest first, and how many there are that could not."""

    read: Sequence[SentNote]
    unread: int


def read(kind: type[_Body], data: bytes) -> _Body:
    """The body of a request.

    Raises:
        InputError: no JSON, or fields are missing or wrong; they are named, and no value of theirs is.
    """
    try:
        return kind.model_validate(json.loads(data))
    except ValidationError as error:
        wrong = sorted({".".join(str(p) for p in problem["loc"] if isinstance(p, str)) for problem in error.errors()})
        raise InputError(f"missing or wrong: {', '.join(wrong) or 'the request'}", _HINT) from None
    except (ValueError, RecursionError):
        raise InputError("not JSON", _HINT) from None


def sent_patient(call: Call) -> Mapping[str, Any] | None:
    """The Patient that was prefetched; None where there is none, or it is another than the one in context."""
    patient = call.prefetch.get("patient")
    if not isinstance(patient, Mapping):
        return None
    return patient if (patient.get("resourceType"), patient.get("id")) == ("Patient", call.context.patient_id) else None


def sent_notes(call: Call, largest: int) -> SentNotes | None:
    """The notes of the patient that were prefetched; None where none were asked for.

    Raises:
        InputError: they are no Bundle, or one of them is not of the patient in context.
    """
    bundle = call.prefetch.get("documents")
    if bundle is None:
        return None
    try:
        if bundle["resourceType"] != "Bundle":
            raise InputError("'documents' is no Bundle of DocumentReference", _HINT)
        resources = [entry["resource"] for entry in bundle.get("entry", ())]
        found = [one for one in resources if one["resourceType"] == "DocumentReference" and one["status"] == "current"]
        if not {str(one["subject"]["reference"]) for one in found} <= _references(call):
            raise InputError("a document is not of the patient in context", _HINT)
        notes = [SentNote(str(one["id"]), str(one.get("date", "")), _text(one, largest)) for one in found]
    except (KeyError, TypeError, AttributeError):
        raise InputError("'documents' is no Bundle of DocumentReference", _HINT) from None
    held = sorted((note for note in notes if note.text), key=lambda note: _moment(note.date), reverse=True)
    return SentNotes(held, len(notes) - len(held))


def _references(call: Call) -> set[str]:
    """How a resource may name the patient in context: within the server, or by the server's own address."""
    own = f"Patient/{call.context.patient_id}"
    return {own, *([f"{call.fhir_server.rstrip('/')}/{own}"] if call.fhir_server else [])}


def _moment(date: str) -> datetime:
    try:
        found = datetime.fromisoformat(date)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _text(document: Mapping[str, Any], largest: int) -> str:
    """The text of a document, or nothing where none of it can be read."""
    try:
        return document_text(document, largest)
    except InputError:
        return ""
