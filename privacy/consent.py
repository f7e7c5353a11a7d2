"""What a patient refused or allowed, purpose by purpose, and how it is read from FHIR Consent resources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from policies.access import Purpose
from privacy.identity import normal

ASKED = (Purpose.TREATMENT, Purpose.RESEARCH)  # the purposes for which Confide asks
# FHIR R4 consentscope, and what R5 says by category instead. A permission of another scope permits nothing.
_SCOPES = {
    "research": frozenset({Purpose.RESEARCH}),
    "treatment": frozenset({Purpose.TREATMENT}),
    "patient-privacy": frozenset(ASKED),
}
_PURPOSES = {"TREAT": Purpose.TREATMENT, "HRESCH": Purpose.RESEARCH, "CLINTRCH": Purpose.RESEARCH}
# A part of a provision that names a thing, a person or a kind of record: Confide asks by purpose alone.
_NARROWER = ("actor", "action", "class", "code", "data", "dataPeriod", "resourceType", "documentType", "securityLabel")


@dataclass(frozen=True)
class Word:
    """What a patient said about one purpose.

    Attributes:
        at: when it was said, UTC, ISO 8601.
        until: the last day of a permission that ends, or nothing.
    """

    allowed: bool
    at: str
    until: str = ""

    def newer(self, other: Word | None) -> Word:
        """The later of two words, in whatever order they arrive; of two at one time the refusal."""
        if other is None:
            return self
        return max(self, other, key=lambda word: (word.at, not word.allowed, word.until))


Consent = Mapping[Purpose, Word]
"""The last word of a patient about each purpose that was spoken of."""


def merged(first: Consent, second: Consent) -> dict[Purpose, Word]:
    """The later word about each purpose; the order of the two does not matter."""
    return {purpose: word.newer(first.get(purpose)) for purpose, word in second.items()} | {
        purpose: word.newer(second.get(purpose)) for purpose, word in first.items()
    }


def allows(consent: Consent, purpose: Purpose, *, opt_in: bool, today: str = "") -> bool:
    """Whether data may be used: nothing refused, and where a hospital asks first, allowed and not over."""
    word = consent.get(purpose)
    if word is None:
        return not opt_in
    return word.allowed and (not opt_in or not word.until or word.until >= (today or _today()))


def refusal(purposes: Iterable[Purpose], at: str) -> Consent:
    return {purpose: Word(False, at) for purpose in purposes}


@dataclass(frozen=True)
class Reading:
    """Consent resources as decisions.

    Attributes:
        by_id: of patients that are named by their id in the source.
        by_number: of patients that are named by a record number, which is normalised.
        unnamed: resources that name no patient.
    """

    by_id: Mapping[str, Consent] = field(default_factory=dict, repr=False)
    by_number: Mapping[str, Consent] = field(default_factory=dict, repr=False)
    unnamed: int = 0


def read_consents(resources: Iterable[Mapping[str, Any]], now: datetime | None = None) -> Reading:
    """Decisions from FHIR R4 or R5 Consent resources, each dated by itself and never later than now.

    Where a resource is narrower than Confide can tell apart (one doctor, one kind of record), a refusal counts for the
    whole scope and a permission for nothing; one that cannot be read is a refusal of everything.
    """
    moment = now or datetime.now(UTC)
    by_id: dict[str, Consent] = {}
    by_number: dict[str, Consent] = {}
    unnamed = 0
    for resource in resources:
        patient_id, number = _patient(resource)
        own, key = (by_id, patient_id) if patient_id else (by_number, number)
        if key:
            own[key] = merged(own.get(key, {}), _decision(resource, moment))
        else:
            unnamed += 1
    return Reading(by_id, by_number, unnamed)


def _patient(resource: Mapping[str, Any]) -> tuple[str, str]:
    """The patient's id in the source, or else the record number."""
    named = resource.get("patient") or resource.get("subject")
    if not isinstance(named, Mapping):
        return "", ""
    identifier = named.get("identifier")
    number = normal(str(identifier.get("value") or "")) if isinstance(identifier, Mapping) else ""
    return str(named.get("reference") or "").rpartition("Patient/")[2].partition("/")[0], number


def _decision(resource: Mapping[str, Any], now: datetime) -> Consent:
    said = resource.get("dateTime") or resource.get("date")
    try:
        words = dict[Purpose, Word]()
        for kind, part, scope in _provisions(resource):  # an exception stands above what it is an exception from
            at = _moment(said, now, latest=kind == "deny")
            words |= {purpose: Word(kind == "permit", at, until) for purpose, until in _about(part, kind, scope, now)}
    except (AttributeError, TypeError, ValueError):
        return refusal(ASKED, _moment(said, now, latest=True))
    return words


def _provisions(
    resource: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], tuple[frozenset[Purpose], bool]]]:
    """Permit or deny, the provision, and what it is about: the base rule first, then its exceptions.

    R5 has the base as `decision`; R4 in `policyRule`, or, against its own text, as the type of the root provision.
    """
    scope, status = _scope(resource), resource.get("status")
    if status in ("rejected", "inactive"):  # asked and refused, or given and taken back
        yield "deny", {}, scope
    if status != "active":
        return
    root: Any = resource.get("provision") or {}
    if "decision" in resource:
        base, own, exceptions = str(resource["decision"]), {}, root
    else:
        base, own, exceptions = str(root.get("type") or _rule(resource)), root, root.get("provision") or ()
    if base:
        yield base, own, scope
    yield from ((kind, part, scope) for kind, part in _exceptions(base, exceptions))


def _rule(resource: Mapping[str, Any]) -> str:
    """By `policyRule` (HL7 v3 ActCode): OPTIN permits, each kind of OPTOUT denies, OPTIN with conditions neither."""
    codes = [str(code.get("code")) for code in (resource.get("policyRule") or {}).get("coding") or ()]
    if any(code.startswith("OPTOUT") for code in codes):
        return "deny"
    return "permit" if "OPTIN" in codes else ""


def _exceptions(base: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part in parts:
        kind = str(part.get("type") or ("permit" if base == "deny" else "deny"))
        yield kind, part
        yield from _exceptions(kind, part.get("provision") or ())


def _about(
    part: Mapping[str, Any], kind: str, scope: tuple[frozenset[Purpose], bool], now: datetime
) -> Iterator[tuple[Purpose, str]]:
    """The purposes of a provision, each with the day on which a permission ends."""
    purposes, known = scope
    codes = [str(code.get("code")) for code in part.get("purpose") or ()]
    coded = frozenset(_PURPOSES[code] for code in codes if code in _PURPOSES)
    if kind != "permit":
        every = all(code in _PURPOSES for code in codes)
        yield from ((purpose, "") for purpose in (coded if codes and every else coded | purposes))
        return
    period = part.get("period") or {}
    begins, until = str(period.get("start") or "")[:10], str(period.get("end") or "")[:10]
    if not any(part.get(name) for name in _NARROWER) and begins <= now.date().isoformat():
        yield from ((purpose, until) for purpose in (coded if codes else purposes if known else ()))


def _scope(resource: Mapping[str, Any]) -> tuple[frozenset[Purpose], bool]:
    """What a resource is about, and whether it says so; one that does not may be about everything."""
    concepts = [resource.get("scope") or {}, *(resource.get("category") or ())]
    codes = [str(coding.get("code")) for concept in concepts for coding in concept.get("coding") or ()]
    known = [_SCOPES[code] for code in codes if code in _SCOPES]
    return (known[0], True) if known else (frozenset(ASKED), False)


def _moment(said: Any, now: datetime, *, latest: bool) -> str:
    """When something was said: of a part of a date its begin, or for a refusal its end, and never later than now.

    A refusal without a date is of now, a permission of the beginning of time.
    """
    text = str(said or "")
    try:
        if "T" in text:
            found = datetime.fromisoformat(text)
            moment = found if found.tzinfo else found.replace(tzinfo=UTC)
        else:
            year, month, day = ([int(part) for part in text.split("-")] + [0, 0])[:3]
            first = date(year, month or 1, day or 1)
            days = 1 if day else 31 if month else 366
            moment = datetime(first.year, first.month, first.day, tzinfo=UTC) + timedelta(days=days if latest else 0)
    except ValueError:
        moment = now if latest else datetime.min.replace(tzinfo=UTC)
    return min(moment, now).astimezone(UTC).isoformat(timespec="seconds")


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
