"""What patients refused or allowed: FHIR Consent resources read into purposes, and one book of them for each site.

The log is the truth: it holds every decision, and the book, which is quick to ask, can be written from it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from policies.access import Purpose
from policies.audit import LARGEST_GROUP, read_entries
from policies.errors import IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, sha256_hex, write_whole
from policies.guard import Site
from policies.retention import releases_of
from privacy.identity import master_id
from privacy.vault.codes import CodeBook
from privacy.vault.pseudonyms import Pseudonyms
from privacy.vault.signed import read_signed, signed

_KIND = "consents"
_ALL = frozenset({Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.RESEARCH})
# FHIR R4 consentscope, and what R5 says by category instead.
_SCOPES = {
    "research": frozenset({Purpose.RESEARCH}),
    "treatment": frozenset({Purpose.TREATMENT}),
    "patient-privacy": _ALL,
}
_PURPOSES = {
    **{purpose.value: frozenset({purpose}) for purpose in _ALL},
    "CLINTRCH": frozenset({Purpose.RESEARCH}),
    "BIORCH": frozenset({Purpose.RESEARCH}),
    "TRAIN": frozenset({Purpose.OPERATIONS}),
}
_RULES = {"OPTIN": "permit", "OPTOUT": "deny"}  # HL7 v3 ActCode, as policyRule
# A part of a provision that names a thing, a person or a kind of record: Confide asks by purpose alone.
_NARROWER = ("actor", "action", "class", "code", "data", "dataPeriod", "resourceType", "documentType", "securityLabel")


@dataclass(frozen=True)
class Consent:
    """What one patient decided so far.

    Attributes:
        denied, given: purposes; a later word on a purpose takes the place of an earlier one.
    """

    denied: frozenset[Purpose] = frozenset()
    given: frozenset[Purpose] = frozenset()

    def then(self, later: Consent) -> Consent:
        """This, and after it a later decision."""
        return Consent((self.denied - later.given) | later.denied, (self.given - later.denied) | later.given)

    def allows(self, purpose: Purpose, *, opt_in: bool) -> bool:
        """Whether data may be used: nothing refused, and where a hospital asks first, allowed."""
        return purpose not in self.denied and (not opt_in or purpose in self.given)


NO_WORD = Consent()


def read_consents(resources: Iterable[Mapping[str, Any]], now: datetime | None = None) -> dict[str, Consent]:
    """The decision of each patient, by the patient's id in the source, from FHIR R4 or R5 Consent resources.

    Where a resource is narrower than Confide can tell apart (one doctor, one kind of record), a refusal counts for the
    whole purpose and a permission for nothing.
    """
    moment = (now or datetime.now(UTC)).date().isoformat()
    found: dict[str, Consent] = {}
    for resource in sorted(resources, key=lambda one: str(one.get("dateTime") or one.get("date") or "")):
        reference = str((resource.get("patient") or resource.get("subject") or {}).get("reference") or "")
        patient = reference.rpartition("Patient/")[2].partition("/")[0]
        if patient:
            found[patient] = found.get(patient, NO_WORD).then(_decided(resource, moment))
    return found


def _decided(resource: Mapping[str, Any], today: str) -> Consent:
    try:
        return _decision(resource, today)
    except (AttributeError, TypeError, ValueError):
        return Consent(denied=_ALL)  # what cannot be read may be a refusal


def _decision(resource: Mapping[str, Any], today: str) -> Consent:
    scope = _scope(resource)
    status = resource.get("status")
    if status in ("rejected", "inactive"):
        return Consent(denied=scope)  # asked and refused, or given and taken back
    if status != "active":
        return NO_WORD
    decided = NO_WORD
    for kind, part in _rules(resource):
        decided = decided.then(_provision(part, kind, scope, today))
    return decided


def _rules(resource: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The base rule and then its exceptions, each with permit or deny.

    R5 has the base as `decision`; R4 in `policyRule`, or, against its own text, as the type of the root provision.
    """
    root: Any = resource.get("provision") or {}
    exceptions: Sequence[Mapping[str, Any]] = root
    if "decision" in resource:
        base = str(resource["decision"])
        yield base, {}
    else:
        codes = (str(code.get("code")) for code in (resource.get("policyRule") or {}).get("coding") or ())
        base = str(root.get("type") or next((_RULES[code] for code in codes if code in _RULES), ""))
        exceptions = root.get("provision") or ()
        if base:
            yield base, root
    yield from _exceptions(base, exceptions)


def _exceptions(base: str, parts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for part in parts:
        kind = str(part.get("type") or ("permit" if base == "deny" else "deny"))
        yield kind, part
        yield from _exceptions(kind, part.get("provision") or ())


def _provision(part: Mapping[str, Any], kind: str, scope: frozenset[Purpose], today: str) -> Consent:
    ended = str((part.get("period") or {}).get("end") or "9999")[:10] < today
    coded = [_PURPOSES.get(str(code.get("code")), frozenset()) for code in part.get("purpose") or ()]
    purposes = frozenset().union(*coded) if part.get("purpose") else scope
    if kind == "deny":
        return Consent(denied=purposes)
    narrower = ended or any(part.get(name) for name in _NARROWER)
    return NO_WORD if narrower else Consent(given=purposes)


def _scope(resource: Mapping[str, Any]) -> frozenset[Purpose]:
    concepts = [resource.get("scope") or {}, *(resource.get("category") or ())]
    codes = [str(coding.get("code")) for concept in concepts for coding in concept.get("coding") or ()]
    known = [_SCOPES[code] for code in codes if code in _SCOPES]
    return known[0] if known else _ALL


def released_ids(site: Site, patients: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """The pseudonym under which each patient leaves this site, by the id in the source.

    Args:
        patients: FHIR-shaped, by id.
    """
    codes = Pseudonyms(site.keys.pseudonyms)
    own = {patient_id: codes.of(*master_id(patient, patient_id)) for patient_id, patient in patients.items()}
    if site.guard.policy.deidentification.pseudonyms == "keyed":
        return own
    random = CodeBook(site.home.vault, site.keys.pseudonyms).translate((code, code) for code in own.values())
    return {patient_id: random[code] for patient_id, code in own.items()}


def released_id(site: Site, patient_id: str, patient: Mapping[str, Any]) -> str:
    """As `released_ids` for one patient, but makes no code: empty for a patient who never had a random one."""
    keyed = Pseudonyms(site.keys.pseudonyms).of(*master_id(patient, patient_id))
    if site.guard.policy.deidentification.pseudonyms == "keyed":
        return keyed
    return CodeBook(site.home.vault, site.keys.pseudonyms).known(keyed)


def record_consents(site: Site, decided: Mapping[str, Consent], source: str) -> int:
    """Log decisions and write them into the book; returns how many said something new.

    Args:
        decided: by pseudonym.
        source: where they come from, such as "FHIR Consent".
    """
    book = consents(site)
    new = {p: one for p, one in decided.items() if book.get(p, NO_WORD).then(one) != book.get(p, NO_WORD)}
    details = [{**_as_json(one), "patient": patient, "source": source} for patient, one in sorted(new.items())]
    for at in range(0, len(details), LARGEST_GROUP):
        group = details[at : at + LARGEST_GROUP]
        policy = site.guard.policy.digest
        site.guard.log.append_all([(Event.CONSENT_RECORDED, {"policy": policy, **one}) for one in group])
    if new:
        _write(site, {**book, **{p: book.get(p, NO_WORD).then(one) for p, one in new.items()}})
    return len(new)


def consents(site: Site) -> dict[str, Consent]:
    """What every patient of a site decided, by pseudonym; who said nothing is not in it.

    Raises:
        IntegrityError: the book was edited.
    """
    path = site.home.consents
    if not path.is_file():
        return {}
    body = read_signed(path, _KIND, site.keys.public)
    try:
        return {patient: _from_json(one) for patient, one in body["patients"].items()}
    except (KeyError, TypeError, ValueError, AttributeError):
        raise IntegrityError(f"{path}: no book of consents of this version") from None


def denied(site: Site, patient: str) -> frozenset[Purpose]:
    """The purposes that one patient refused, by the book."""
    return consents(site).get(patient, NO_WORD).denied


def consents_by_log(site: Site) -> dict[str, Consent]:
    """As `consents`, but from the log, which nobody can shorten unseen; a book that lags is written again."""
    found: dict[str, Consent] = {}
    for entry in releases_of(read_entries(site.home.audit, site.keys.public)):
        if entry.event in (Event.CONSENT_RECORDED, Event.CONSENT_WITHDRAWN):
            patient = entry.details["patient"]
            found[patient] = found.get(patient, NO_WORD).then(_from_json(entry.details))
    if found != consents(site):
        _write(site, found)
    return found


def refused(site: Site, purpose: Purpose, patients: Sequence[str]) -> frozenset[str]:
    """Of these pseudonyms, those whose data may not be used for a purpose; the log is asked.

    Research wants a yes where the policy says opt-in; any other purpose only that nobody said no.
    """
    book = consents_by_log(site)
    opt_in = purpose is Purpose.RESEARCH and site.guard.policy.consent.research == "opt_in"
    return frozenset(p for p in patients if not book.get(p, NO_WORD).allows(purpose, opt_in=opt_in))


def _write(site: Site, book: Mapping[str, Consent]) -> None:
    patients = {patient: _as_json(one) for patient, one in sorted(book.items())}
    write_whole(site.home.consents, signed(site.keys, _KIND, {"patients": patients}), OWNER_ONLY)


def _as_json(one: Consent) -> dict[str, list[str]]:
    return {"denied": sorted(one.denied), "given": sorted(one.given)}


def _from_json(one: Mapping[str, Any]) -> Consent:
    return Consent(frozenset(map(Purpose, one["denied"])), frozenset(map(Purpose, one["given"])))


def consent_digest(site: Site) -> str:
    """Changes with every decision, so that a job that was stopped starts anew after one."""
    return sha256_hex(json.dumps({p: _as_json(c) for p, c in sorted(consents(site).items())}).encode())
