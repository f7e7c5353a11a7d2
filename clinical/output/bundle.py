"""An extraction as a FHIR R4 Bundle of type collection: resources, where in the note each stands, what they support.

Every resource has a Provenance (R4, 6.3): the agent is this program, an `assembler`, with its version and that of the
model; the entity is the document, once for each mention. R4 has no element for a place within a document, so the entity
carries an extension (R4, 2.5): `start` and `end` as in the TextPositionSelector of the Web Annotation Data Model (W3C
2017, 4.2.5), that is, characters from 0, the end not included, and `exact` as in its TextQuoteSelector (4.2.4).

Suggestions are predictions of one RiskAssessment, never a Condition: a suggestion is no diagnosis. R4 writes
probabilities in percent (RiskAssessment.prediction.probability); a share that is not calibrated is none, and is
said in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from clinical.diagnosis import Extraction, Suggestion, intended_use
from clinical.extraction.mentions import Mention
from clinical.output.resources import Resource, coded, plain, resource_of
from clinical.output.statements import statements_of
from clinical.output.words import basis_lines

if TYPE_CHECKING:
    from clinical.coding.library import Library

POSITION, CUE = "urn:confide:fhir:text-position", "urn:confide:fhir:cue-position"


@dataclass(frozen=True)
class Source:
    """What the note is and whose, as FHIR references ("DocumentReference/7", "Patient/3"); empty where not known."""

    document: str = ""
    patient: str = ""


def as_bundle(text: str, found: Extraction, source: Source, library: Library | None = None) -> Resource:
    """The facts and the ranked conditions of one note; entries refer to each other by urn:uuid.

    Args:
        library: the code systems that the hospital imported; without it there is ICD-10-CM alone.
    """
    subject = _reference(source.patient, "the patient of the note")
    document = _reference(source.document, "the note")
    device, made = _entry(_device(found)), datetime.now(UTC)
    entries = [device]

    def add(resource: Resource, places: list[list[Resource]]) -> None:
        entry = _entry(resource)
        entries.extend((entry, _entry(_provenance(entry, device, document, places, made))))

    for statement in statements_of(text, found.facts):
        if resource := resource_of(statement, subject, library):
            add(resource, [_places(text, own) for own in statement.mentions])
    if found.model:
        assessment = _assessment(text, found, subject)
        add({**assessment, "performer": {"reference": device["fullUrl"]}, "basis": [document]}, _evidence(text, found))
    return {"resourceType": "Bundle", "type": "collection", "timestamp": _instant(made), "entry": entries}


def _entry(resource: Resource) -> Resource:
    return {"fullUrl": uuid4().urn, "resource": resource}


def _reference(reference: str, otherwise: str) -> Resource:
    return {"reference": reference} if reference else {"display": otherwise}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _device(found: Extraction) -> Resource:
    versions = {"software": version("confide"), **({"model": found.model} if found.model else {})}
    return {
        "resourceType": "Device",
        "deviceName": [{"name": "Confide", "type": "user-friendly-name"}],
        "version": [{"type": {"text": name}, "value": value} for name, value in versions.items()],
        "note": [{"text": intended_use()}],
    }


def _provenance(
    target: Resource, device: Resource, document: Resource, places: Iterable[list[Resource]], made: datetime
) -> Resource:
    source = {"role": "source", "what": document}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target["fullUrl"]}],
        "recorded": _instant(made),
        "activity": coded("v3-DataOperation", "CREATE"),
        "agent": [
            {
                "type": coded("provenance-participant-type", "assembler"),
                "who": {"reference": device["fullUrl"]},
            }
        ],
        "entity": [{**source, "extension": place} for place in places] or [source],
    }


def _places(text: str, mention: Mention) -> list[Resource]:
    """Where a mention stands, and the words that decided on its status."""
    cue = mention.assertion
    decided = cue.cue_start is not None and cue.cue_end is not None
    return [
        _place(POSITION, text, mention.start, mention.end),
        *([_place(CUE, text, cue.cue_start, cue.cue_end)] if decided else []),  # type: ignore[arg-type]
    ]


def _place(url: str, text: str, start: int, end: int) -> Resource:
    exact = plain(text[start:end])
    return {
        "url": url,
        "extension": [
            {"url": "start", "valueUnsignedInt": start},
            {"url": "end", "valueUnsignedInt": end},
            *([{"url": "exact", "valueString": exact}] if exact.strip() else []),
        ],
    }


def _evidence(text: str, found: Extraction) -> list[list[Resource]]:
    stretches = {
        (one.start, one.end) for suggestion in found.suggestions for one in (*suggestion.evidence, *suggestion.against)
    }
    return [[_place(POSITION, text, *stretch)] for stretch in sorted(stretches)]


def _assessment(text: str, found: Extraction, subject: Resource) -> Resource:
    """The ranked conditions; where there is a reason for none, it is said and the assessment is cancelled."""
    predictions = [_prediction(text, suggestion) for suggestion in found.suggestions]
    return {
        "resourceType": "RiskAssessment",
        "status": "cancelled" if found.refusal else "preliminary",
        "subject": subject,
        "method": {"text": f"conditions ranked by model {found.model}"},
        **({"prediction": predictions} if predictions else {}),
        "note": [{"text": plain(words)} for words in _said(found)],
    }


def _said(found: Extraction) -> Iterator[str]:
    yield intended_use()
    yield from (words for words in (found.refusal, found.caution) if words)
    yield from found.standing.in_words() if found.standing else ()


def _prediction(text: str, suggestion: Suggestion) -> dict[str, Any]:
    named = suggestion.title if suggestion.label == suggestion.title else f"{suggestion.title} ({suggestion.label})"
    percent = round(100 * suggestion.probability, 1)
    share = {"qualitativeRisk": {"text": f"share {percent} % among the model's labels, which is no probability"}}
    _, *basis = basis_lines(text, suggestion)
    return {
        "outcome": {"text": plain(named)},
        **(share if suggestion.in_set is None else {"probabilityDecimal": percent}),
        **({"rationale": plain("\n".join(line.strip() for line in basis))} if basis else {}),
    }
