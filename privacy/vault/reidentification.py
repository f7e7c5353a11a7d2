"""Who a pseudonym is, for whoever may know it: two persons, one purpose, one patient, an expiry, and a log entry each.

A request lies in the site's folder, signed, and changes state once: requested, then approved or refused. Reasons may
name the patient, so they are sealed under the patient's own key, and the log holds none of them.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from policies.access import Action, Purpose, decide
from policies.errors import AccessDenied, InputError, IntegrityError
from policies.events import Event
from policies.files import OWNER_ONLY, sha256_hex, write_whole
from policies.guard import Site
from policies.signed import read_signed, signed
from policies.typed import checked_words
from privacy.consent_book import denied
from privacy.vault.originals import Vault
from privacy.vault.person import Person, person_of
from privacy.vault.sealing import open_text, open_value, seal_value

_KIND = "reidentification_request"
_ID_BYTES = 6


class State(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True)
class Request:
    """One person's wish to learn who one patient is.

    Args:
        patient: pseudonym.
        requester, decider: accounts; two different ones.
        requested, decided, expires: UTC, ISO 8601; empty before the decision, `expires` also after a refusal.
        reason: the requester's; refusal: why it was refused.
    """

    id: str
    patient: str
    purpose: Purpose
    requester: str
    requested: str
    reason: str = field(repr=False)
    state: State = State.REQUESTED
    decider: str = ""
    decided: str = ""
    expires: str = ""
    refusal: str = field(default="", repr=False)

    @property
    def expired(self) -> bool:
        return bool(self.expires) and _now() >= datetime.fromisoformat(self.expires)


def request(site: Site, patient: str, purpose: Purpose, reason: str) -> Request:
    """Ask to learn who a patient is; somebody else decides.

    Raises:
        AccessDenied: this account may not ask for this purpose.
        InputError: the vault holds no such patient, or the reason is empty or too long.
    """
    site.guard.permit(Action.REQUEST_REIDENTIFICATION, purpose, consent_denied=denied(site, patient))
    if patient not in _vault(site).patients():
        raise InputError("the vault holds no such patient", "Use a pseudonym from the records; one erased is gone.")
    asked = Request(
        secrets.token_hex(_ID_BYTES), patient, purpose, site.guard.actor, _text(_now()), checked_words(reason, "reason")
    )
    return _write(site, asked, Event.REIDENTIFICATION_REQUESTED)


def approve(site: Site, request_id: str) -> Request:
    """Agree to another person's request, for as many hours as the policy says.

    Raises:
        AccessDenied: this account may not approve, or made the request itself.
        InputError: there is no such request, or it was decided already.
        IntegrityError: the request was edited.
    """
    asked, now = _undecided(site, request_id), _now()
    expires = now + timedelta(hours=site.guard.policy.reidentification.expires_hours)
    approved = replace(
        asked, state=State.APPROVED, decider=site.guard.actor, decided=_text(now), expires=_text(expires)
    )
    return _write(site, approved, Event.REIDENTIFICATION_APPROVED)


def refuse(site: Site, request_id: str, reason: str) -> Request:
    """Refuse another person's request; raises as `approve`."""
    asked = _undecided(site, request_id)
    refused = replace(
        asked,
        state=State.REFUSED,
        decider=site.guard.actor,
        decided=_text(_now()),
        refusal=checked_words(reason, "reason"),
    )
    return _write(site, refused, Event.REIDENTIFICATION_REFUSED)


def list_requests(site: Site) -> list[Request]:
    """This account's own requests, or all of them for whoever may approve; the oldest first."""
    guard = site.guard
    decides = guard.decide(Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS).permitted
    every = (_read(site, path.stem) for path in site.home.requests.glob("*.json"))
    found = [asked for asked in every if decides or asked.requester == guard.actor]
    return sorted(found, key=lambda asked: (asked.requested, asked.id))


def request_files(site: Site, patient: str) -> list[Path]:
    """Where the requests about one patient lie; raises IntegrityError where any request was edited."""
    every = sorted(site.home.requests.glob("*.json"))
    return [path for path in every if read_signed(path, _KIND, site.keys.public)["patient"] == patient]


def open_patient(site: Site, request_id: str) -> Person:
    """Who the patient is: for the requester alone, after another's approval, until it expires; each time is logged.

    Raises:
        AccessDenied: the request is another's, not approved, or expired, or the account lost its role since.
        InputError: there is no such request.
        IntegrityError: the request was edited, or the patient was erased.
    """
    return person_of(_vault(site), _opening(site, request_id).patient)


def open_tokens(site: Site, request_id: str, text: str) -> str:
    """`text` with the values of this patient in the place of [CATEGORY:token]; terms and errors as `open_patient`."""
    asked = _opening(site, request_id)
    return open_text(_vault(site).key_of(asked.patient), asked.patient, text)


def _opening(site: Site, request_id: str) -> Request:
    asked = _read(site, request_id)
    site.guard.permit(Action.REIDENTIFY, asked.purpose, consent_denied=denied(site, asked.patient))
    if asked.requester != site.guard.actor:
        hint = f"'{asked.requester}' alone may open it; make a request of your own."
        _deny(site, asked, Action.REIDENTIFY, "is another person's", hint)
    if asked.state is not State.APPROVED:
        hint = _who_decides(site, asked) if asked.state is State.REQUESTED else "Make a new request."
        _deny(site, asked, Action.REIDENTIFY, f"is {asked.state}, not approved", hint)
    if asked.expired:
        _deny(site, asked, Action.REIDENTIFY, f"expired at {asked.expires}", "Make a new request.")
    site.guard.record(Event.PATIENT_REIDENTIFIED, request=asked.id, patient=asked.patient, purpose=asked.purpose)
    return asked


def _undecided(site: Site, request_id: str) -> Request:
    site.guard.permit(Action.APPROVE_REIDENTIFICATION, Purpose.OPERATIONS)
    asked = _read(site, request_id)
    if asked.requester == site.guard.actor:
        why = "is your own, and two persons are needed"
        _deny(site, asked, Action.APPROVE_REIDENTIFICATION, why, _who_decides(site, asked))
    if asked.state is not State.REQUESTED:
        raise InputError(f"request {asked.id} was {asked.state} already", "Make a new request.")
    return asked


def _deny(site: Site, asked: Request, action: Action, why: str, hint: str) -> NoReturn:
    site.guard.record(Event.ACCESS_DENIED, action=action, purpose=asked.purpose, request=asked.id, why=why)
    raise AccessDenied(f"request {asked.id} {why}", hint)


def _who_decides(site: Site, asked: Request) -> str:
    """Who may approve or refuse a request, as the next step."""
    action, access = Action.APPROVE_REIDENTIFICATION, site.guard.access
    others = [
        name
        for name, roles in site.guard.policy.people.items()
        if name != asked.requester and decide(name, roles, action, Purpose.OPERATIONS, access=access).permitted
    ]
    if not others:
        return "Nobody else may approve: name a second person as compliance_officer under [people] in the policy."
    return f"One of these runs 'confide reidentify approve {asked.id}', or refuses it: {', '.join(sorted(others))}."


def _write(site: Site, asked: Request, event: Event) -> Request:
    """Log the step with the digest of the file, then write the file whole."""
    key = _vault(site).key_of(asked.patient)
    sealed = {name: seal_value(key, asked.patient, getattr(asked, name)) for name in ("reason", "refusal")}
    data = signed(site.keys, _KIND, {**asdict(asked), **sealed})
    site.guard.record(
        event, request=asked.id, patient=asked.patient, purpose=asked.purpose, requester=asked.requester,
        expires=asked.expires, sha256=sha256_hex(data),
    )  # fmt: skip
    write_whole(site.home.request(asked.id), data, OWNER_ONLY)
    return asked


def _read(site: Site, request_id: str) -> Request:
    path = site.home.request(request_id)
    if not path.exists():
        raise InputError(
            f"there is no request {request_id}", "See 'confide reidentify list'; an erasure ends requests."
        )
    body = read_signed(path, _KIND, site.keys.public)
    if body["id"] != request_id:
        raise IntegrityError(f"{path}: holds another request, {body['id']}")
    key, patient = _vault(site).key_of(body["patient"]), body["patient"]
    opened = {name: open_value(key, patient, body[name]) for name in ("reason", "refusal")}
    return Request(**{**body, **opened, "purpose": Purpose(body["purpose"]), "state": State(body["state"])})


def _vault(site: Site) -> Vault:
    return Vault(site.home.vault, site.keys.wrapping)


def _now() -> datetime:
    return datetime.now(UTC)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
